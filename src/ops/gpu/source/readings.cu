// What the softmax of rows of logits [M, V] tells: a block of threads a row.

#define SHARE 256        // classes whose weights are summed before the walk looks inside, as in sampling.rs
#define MOST_SHARES 4096 // so many of them at most: 1,048,576 classes

// log Σ exp, entropy, the first most probable class, and a sample where `sharpness` (1 / temperature) is positive: row i draws
// from stream `first + i` of the key (rng.rs).
extern "C" __global__ void read_rows(const float* logits, unsigned classes, float sharpness, unsigned key0, unsigned key1,
                                     unsigned long long first, float* log_sums, float* entropies, unsigned* best, unsigned* samples) {
    __shared__ float shares[MOST_SHARES];
    __shared__ float found[32];
    __shared__ unsigned places[32];
    __shared__ double room[32];
    const float* row = logits + (unsigned long long)blockIdx.x * classes;
    unsigned lane = threadIdx.x & 31, warp = threadIdx.x / 32, warps = blockDim.x / 32;

    float largest = row[0];
    unsigned place = 0;
    for (unsigned i = threadIdx.x; i < classes; i += blockDim.x)
        if (row[i] > largest) { largest = row[i]; place = i; }
    for (int mask = 16; mask > 0; mask >>= 1) {
        float other = __shfl_xor_sync(0xFFFFFFFFu, largest, mask);
        unsigned there = __shfl_xor_sync(0xFFFFFFFFu, place, mask);
        if (other > largest || (other == largest && there < place)) { largest = other; place = there; }
    }
    if (lane == 0) { found[warp] = largest; places[warp] = place; }
    __syncthreads();
    for (unsigned i = 0; i < warps; ++i)
        if (found[i] > largest || (found[i] == largest && places[i] < place)) { largest = found[i]; place = places[i]; }

    // A warp takes a share of the classes at a time: their order in the sum does not depend on the number of threads.
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
    sum = block_sum(sum, room);
    product = block_sum(product, room);
    __syncthreads();
    if (threadIdx.x != 0) return;

    log_sums[blockIdx.x] = largest + (float)log(sum);
    entropies[blockIdx.x] = (float)(log(sum) - product / sum);
    best[blockIdx.x] = place;
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

// The loss of every row, log Σ exp - logits[target], and, by one block, their mean.
extern "C" __global__ void row_losses(const float* logits, unsigned classes, const float* log_sums, const unsigned* targets,
                                      float* losses, float* mean, unsigned rows) {
    __shared__ double room[32];
    double sum = 0.0;
    for (unsigned row = threadIdx.x; row < rows; row += blockDim.x) {
        double loss = (double)log_sums[row] - (double)logits[(unsigned long long)row * classes + targets[row]];
        losses[row] = (float)loss;
        sum += loss;
    }
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) *mean = (float)(sum / rows);
}

// Turns logits, in place, into the gradients of their rows' cross-entropies times grad[row · each] / divisor: `each` is 0 for a
// mean and 1 where every row's loss is an output.
extern "C" __global__ void turn_rows(float* logits, unsigned classes, const float* log_sums, const unsigned* targets,
                                     const float* grad, unsigned each, float divisor) {
    float* row = logits + (unsigned long long)blockIdx.x * classes;
    float scale = grad[blockIdx.x * each] / divisor, log_sum = log_sums[blockIdx.x];
    unsigned target = targets[blockIdx.x];
    for (unsigned i = threadIdx.x; i < classes; i += blockDim.x)
        row[i] = scale * expf(row[i] - log_sum) - (i == target ? scale : 0.0f);
}

// Mean binary cross-entropy of logits [n], by one block.
extern "C" __global__ void detection_loss(const float* logits, const float* labels, float* mean, unsigned n) {
    __shared__ double room[32];
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        float z = logits[i];
        sum += (z > 0.0f ? z : 0.0f) - z * labels[i] + log1pf(expf(-fabsf(z)));
    }
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) *mean = (float)(sum / n);
}

extern "C" __global__ void detection_gradient(const float* logits, const float* labels, const float* grad, float* d_logits,
                                              unsigned long long n) {
    float scale = *grad / (float)n;
    for (unsigned long long i = first_element(); i < n; i += stride())
        d_logits[i] = scale * (1.0f / (1.0f + expf(-logits[i])) - labels[i]);
}
