// Softmax statistics of rows of logits [M, V]: a block of threads per row.

#define SHARE 256        // classes whose weights are summed before the walk looks inside, as in sampler.rs
#define MOST_SHARES 4096 // at most this many of them: 1,048,576 classes

// log Σ exp, entropy, the first most probable class, and a sample where `sharpness` (1 / temperature) is
// positive: row i draws from stream `first + i` of the key (rng.rs).
extern "C" __global__ void softmax_stats(const float* logits, unsigned classes, float sharpness, unsigned key0, unsigned key1,
                                     unsigned long long first, float* log_sums, float* entropies, unsigned* best, unsigned* samples) {
    __shared__ float shares[MOST_SHARES];
    __shared__ float found[32];
    __shared__ unsigned indices[32];
    __shared__ double scratch[32];
    const float* row = logits + (unsigned long long)blockIdx.x * classes;
    unsigned lane = threadIdx.x & 31, warp = threadIdx.x / 32, warps = blockDim.x / 32;

    float largest = row[0];
    unsigned index = 0;
    for (unsigned i = threadIdx.x; i < classes; i += blockDim.x)
        if (row[i] > largest) { largest = row[i]; index = i; }
    for (int mask = 16; mask > 0; mask >>= 1) {
        float other = __shfl_xor_sync(0xFFFFFFFFu, largest, mask);
        unsigned there = __shfl_xor_sync(0xFFFFFFFFu, index, mask);
        if (other > largest || (other == largest && there < index)) { largest = other; index = there; }
    }
    if (lane == 0) { found[warp] = largest; indices[warp] = index; }
    __syncthreads();
    for (unsigned i = 0; i < warps; ++i)
        if (found[i] > largest || (found[i] == largest && indices[i] < index)) { largest = found[i]; index = indices[i]; }

    // A warp takes a share of the classes at a time, so their order in the sum does not depend on the number
    // of threads.
    double sum = 0.0, product = 0.0;
    unsigned n_shares = (classes + SHARE - 1) / SHARE;
    for (unsigned share = warp; share < n_shares; share += warps) {
        float powers = 0.0f, products = 0.0f, weights = 0.0f;
        for (unsigned i = share * SHARE + lane; i < min(classes, (share + 1) * SHARE); i += 32) {
            float shifted = row[i] - largest, power = expf(shifted);
            powers += power;
            products += power * shifted;
            weights += sharpness == 1.0f ? power : expf(shifted * sharpness);
        }
        sum += powers;
        product += products;
        weights = warp_sum(weights);
        if (lane == 0) shares[share] = weights;
    }
    sum = block_sum(sum, scratch);
    product = block_sum(product, scratch);
    __syncthreads();
    if (threadIdx.x != 0) return;

    log_sums[blockIdx.x] = largest + (float)log(sum);
    entropies[blockIdx.x] = (float)(log(sum) - product / sum);
    best[blockIdx.x] = index;
    if (sharpness <= 0.0f) return;

    unsigned long long stream = first + blockIdx.x;
    Words words = philox(0, 0, (unsigned)stream, (unsigned)(stream >> 32), key0, key1);
    unsigned long long bits = words.x | ((unsigned long long)words.y << 32);
    double total = 0.0;
    for (unsigned share = 0; share < n_shares; ++share) total += shares[share];
    double left = (double)(bits >> 11) * (1.0 / 9007199254740992.0) * total;
    for (unsigned share = 0; share < n_shares; ++share) {
        if (left >= shares[share]) { left -= shares[share]; continue; }
        unsigned last = min(classes, (share + 1) * SHARE) - 1;
        for (unsigned i = share * SHARE; i < last; ++i) {
            left -= expf((row[i] - largest) * sharpness);
            if (left < 0.0) { samples[blockIdx.x] = i; return; }
        }
        samples[blockIdx.x] = last;
        return;
    }
    samples[blockIdx.x] = classes - 1;
}
