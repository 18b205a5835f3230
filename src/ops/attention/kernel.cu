// Self-attention within the sequences of a ragged batch: qkv [N, 3H] → [N, H].
//
// A block of 4 warps takes 32 rows (queries, or keys for the gradients of keys and values) of one sequence
// and head, and walks the other side 32 rows at a time, so that scores exist 32 × 32 at a time. A warp owns 8
// of the rows. A lane holds a column of the scores, and later the features lane and lane + 32 of the outputs.
// A head has at most WIDTH features; fewer are padded with zeros.
//
// tiles [n, 3]: the sequence's first token, its length, the tile's first row in it.

#define TILE 32
#define OWN 8

struct Heads { unsigned count, width, longest, mask; float scale; };

// Whether query i of a sequence attends to key j. Masks: 0 full, 1 causal, 2 reverse causal.
__device__ __forceinline__ bool sees(unsigned mask, unsigned i, unsigned j) {
    return mask == 0 || (mask == 1 ? j <= i : j >= i);
}

// The number of a probability, for dropout (attention/config.rs, ProbabilityNumbers).
__device__ __forceinline__ unsigned long long probability_number(const Heads& h, unsigned start, unsigned head, unsigned i, unsigned j) {
    return ((unsigned long long)(start + i) * h.count + head) * h.longest + j;
}

__device__ __forceinline__ float keep_probability(const Heads& h, const Dropout& d, unsigned start, unsigned head, unsigned i,
                                                  unsigned j) {
    return keep(d, probability_number(h, start, head, i, j));
}

// Loads rows first.. of a matrix whose rows are `step` apart, and zeros after its end.
template <int WIDTH>
__device__ __forceinline__ void load(float (*tile)[WIDTH + 1], const float* from, unsigned step, unsigned first, unsigned len,
                                     unsigned width) {
    for (unsigned i = threadIdx.x; i < TILE * WIDTH; i += blockDim.x) {
        unsigned row = i / WIDTH, column = i % WIDTH;
        bool inside = first + row < len && column < width;
        tile[row][column] = inside ? from[(unsigned long long)(first + row) * step + column] : 0.0f;
    }
}

// Products of this warp's own rows with the lane's row of the other side. All of them use what the lane
// reads.
template <int WIDTH>
__device__ __forceinline__ void dots(float* sums, const float (*own)[WIDTH + 1], const float* other, unsigned warp) {
#pragma unroll
    for (int r = 0; r < OWN; ++r) sums[r] = 0.0f;
    for (int k = 0; k < WIDTH; ++k) {
        float factor = other[k];
#pragma unroll
        for (int r = 0; r < OWN; ++r) sums[r] += own[warp * OWN + r][k] * factor;
    }
}

// Adds Σ_j weights[own row][j] · rows[j] to the features that this lane holds of its warp's rows.
template <int WIDTH>
__device__ __forceinline__ void accumulate(float (*sums)[WIDTH / 32], const float (*weights)[TILE + 1],
                                           const float (*rows)[WIDTH + 1], unsigned warp, unsigned lane) {
    for (int j = 0; j < TILE; ++j)
#pragma unroll
        for (int r = 0; r < OWN; ++r)
#pragma unroll
            for (int part = 0; part < WIDTH / 32; ++part)
                sums[r][part] += weights[warp * OWN + r][j] * rows[j][part * 32 + lane];
}

template <int WIDTH>
__device__ void attention_forward(const float* qkv, const unsigned* tiles, float* output, float* log_sums, Heads h, Dropout dropout) {
    __shared__ float queries[TILE][WIDTH + 1], others[TILE][WIDTH + 1], weights[TILE][TILE + 1];
    unsigned lane = threadIdx.x & 31, warp = threadIdx.x / 32, head = blockIdx.y;
    const unsigned* tile = tiles + 3 * blockIdx.x;
    unsigned start = tile[0], len = tile[1], first = tile[2], hidden = h.count * h.width, step = 3 * hidden;
    const float* sequence = qkv + (unsigned long long)start * step + head * h.width;
    load<WIDTH>(queries, sequence, step, first, len, h.width);
    float largest[OWN], total[OWN], sums[OWN][WIDTH / 32];
    for (int r = 0; r < OWN; ++r) {
        largest[r] = -1e30f;
        total[r] = 0.0f;
        for (int part = 0; part < WIDTH / 32; ++part) sums[r][part] = 0.0f;
    }
    for (unsigned other_start = 0; other_start < len; other_start += TILE) {
        __syncthreads();
        load<WIDTH>(others, sequence + hidden, step, other_start, len, h.width);
        __syncthreads();
        float scores[OWN];
        dots<WIDTH>(scores, queries, others[lane], warp);
#pragma unroll
        for (int r = 0; r < OWN; ++r) {
            unsigned row = warp * OWN + r, i = first + row, j = other_start + lane;
            bool seen = i < len && j < len && sees(h.mask, i, j);
            float score = seen ? h.scale * scores[r] : -1e30f;
            float now = max(largest[r], warp_max(score));
            float power = seen ? expf(score - now) : 0.0f, fade = expf(largest[r] - now);
            total[r] = total[r] * fade + warp_sum(power);
            largest[r] = now;
            for (int part = 0; part < WIDTH / 32; ++part) sums[r][part] *= fade;
            weights[row][lane] = power == 0.0f ? 0.0f : power * keep_probability(h, dropout, start, head, i, j);
        }
        __syncthreads();
        load<WIDTH>(others, sequence + 2 * hidden, step, other_start, len, h.width);
        __syncthreads();
        accumulate<WIDTH>(sums, weights, others, warp, lane);
    }
    for (int r = 0; r < OWN; ++r) {
        unsigned i = first + warp * OWN + r;
        if (i >= len) continue;
        for (int part = 0; part < WIDTH / 32; ++part) {
            unsigned feature = part * 32 + lane;
            if (feature < h.width)
                output[(unsigned long long)(start + i) * hidden + head * h.width + feature] = sums[r][part] / total[r];
        }
        if (lane == 0) log_sums[(unsigned long long)(start + i) * h.count + head] = largest[r] + logf(total[r]);
    }
}

// along [N, heads]: Σ over a head's features of output · gradient, which is Σ_j dP·P of its row.
extern "C" __global__ void attention_along(const float* output, const float* grad, float* along, unsigned rows, unsigned width) {
    unsigned lane = threadIdx.x & 31, warps = blockDim.x / 32;
    for (unsigned row = blockIdx.x * warps + threadIdx.x / 32; row < rows; row += gridDim.x * warps) {
        float sum = 0.0f;
        for (unsigned k = lane; k < width; k += 32)
            sum += output[(unsigned long long)row * width + k] * grad[(unsigned long long)row * width + k];
        sum = warp_sum(sum);
        if (lane == 0) along[row] = sum;
    }
}

// Gradients of the queries of a tile.
template <int WIDTH>
__device__ void attention_queries(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                  const float* along, float* d_qkv, Heads h, Dropout dropout) {
    __shared__ float queries[TILE][WIDTH + 1], grads[TILE][WIDTH + 1], keys[TILE][WIDTH + 1], values[TILE][WIDTH + 1];
    __shared__ float d_scores[TILE][TILE + 1];
    unsigned lane = threadIdx.x & 31, warp = threadIdx.x / 32, head = blockIdx.y;
    const unsigned* tile = tiles + 3 * blockIdx.x;
    unsigned start = tile[0], len = tile[1], first = tile[2], hidden = h.count * h.width, step = 3 * hidden;
    const float* sequence = qkv + (unsigned long long)start * step + head * h.width;
    load<WIDTH>(queries, sequence, step, first, len, h.width);
    load<WIDTH>(grads, grad + (unsigned long long)start * hidden + head * h.width, hidden, first, len, h.width);
    float sums[OWN][WIDTH / 32];
    for (int r = 0; r < OWN; ++r)
        for (int part = 0; part < WIDTH / 32; ++part) sums[r][part] = 0.0f;
    for (unsigned other_start = 0; other_start < len; other_start += TILE) {
        __syncthreads();
        load<WIDTH>(keys, sequence + hidden, step, other_start, len, h.width);
        load<WIDTH>(values, sequence + 2 * hidden, step, other_start, len, h.width);
        __syncthreads();
        float scores[OWN], gradients[OWN];
        dots<WIDTH>(scores, queries, keys[lane], warp);
        dots<WIDTH>(gradients, grads, values[lane], warp);
#pragma unroll
        for (int r = 0; r < OWN; ++r) {
            unsigned row = warp * OWN + r, i = first + row, j = other_start + lane;
            float d = 0.0f;
            if (i < len && j < len && sees(h.mask, i, j)) {
                unsigned long long at = (unsigned long long)(start + i) * h.count + head;
                float probability = expf(h.scale * scores[r] - log_sums[at]);
                float kept = keep_probability(h, dropout, start, head, i, j);
                d = probability * (kept * gradients[r] - along[at]) * h.scale;
            }
            d_scores[row][lane] = d;
        }
        __syncthreads();
        accumulate<WIDTH>(sums, d_scores, keys, warp, lane);
    }
    for (int r = 0; r < OWN; ++r) {
        unsigned i = first + warp * OWN + r;
        if (i >= len) continue;
        for (int part = 0; part < WIDTH / 32; ++part) {
            unsigned feature = part * 32 + lane;
            if (feature < h.width) d_qkv[(unsigned long long)(start + i) * step + head * h.width + feature] = sums[r][part];
        }
    }
}

// Gradients of the keys and values of a tile: its rows are keys, a lane is a query.
template <int WIDTH>
__device__ void attention_keys(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums, const float* along,
                               float* d_qkv, Heads h, Dropout dropout) {
    __shared__ float keys[TILE][WIDTH + 1], values[TILE][WIDTH + 1], others[TILE][WIDTH + 1];
    __shared__ float weights[TILE][TILE + 1], d_scores[TILE][TILE + 1];
    unsigned lane = threadIdx.x & 31, warp = threadIdx.x / 32, head = blockIdx.y;
    const unsigned* tile = tiles + 3 * blockIdx.x;
    unsigned start = tile[0], len = tile[1], first = tile[2], hidden = h.count * h.width, step = 3 * hidden;
    const float* sequence = qkv + (unsigned long long)start * step + head * h.width;
    const float* sequence_grad = grad + (unsigned long long)start * hidden + head * h.width;
    load<WIDTH>(keys, sequence + hidden, step, first, len, h.width);
    load<WIDTH>(values, sequence + 2 * hidden, step, first, len, h.width);
    float d_keys[OWN][WIDTH / 32], d_values[OWN][WIDTH / 32];
    for (int r = 0; r < OWN; ++r)
        for (int part = 0; part < WIDTH / 32; ++part) d_keys[r][part] = d_values[r][part] = 0.0f;
    for (unsigned other_start = 0; other_start < len; other_start += TILE) {
        unsigned i = other_start + lane;
        unsigned long long at = (unsigned long long)(start + i) * h.count + head;
        __syncthreads();
        load<WIDTH>(others, sequence_grad, hidden, other_start, len, h.width);
        __syncthreads();
        float gradients[OWN], scores[OWN];
        dots<WIDTH>(gradients, values, others[lane], warp);
        __syncthreads();
        // The values' gradients need the output's gradients again once the probabilities are known, so the
        // queries are loaded in between.
        load<WIDTH>(others, sequence, step, other_start, len, h.width);
        __syncthreads();
        dots<WIDTH>(scores, keys, others[lane], warp);
#pragma unroll
        for (int r = 0; r < OWN; ++r) {
            unsigned row = warp * OWN + r, j = first + row;
            float probability = 0.0f, kept = 0.0f;
            if (i < len && j < len && sees(h.mask, i, j)) {
                probability = expf(h.scale * scores[r] - log_sums[at]);
                kept = keep_probability(h, dropout, start, head, i, j);
            }
            weights[row][lane] = probability * kept;
            d_scores[row][lane] = probability == 0.0f ? 0.0f : probability * (kept * gradients[r] - along[at]) * h.scale;
        }
        __syncthreads();
        accumulate<WIDTH>(d_keys, d_scores, others, warp, lane);
        __syncthreads();
        load<WIDTH>(others, sequence_grad, hidden, other_start, len, h.width);
        __syncthreads();
        accumulate<WIDTH>(d_values, weights, others, warp, lane);
    }
    for (int r = 0; r < OWN; ++r) {
        unsigned j = first + warp * OWN + r;
        if (j >= len) continue;
        float* row = d_qkv + (unsigned long long)(start + j) * step + head * h.width;
        for (int part = 0; part < WIDTH / 32; ++part) {
            unsigned feature = part * 32 + lane;
            if (feature >= h.width) continue;
            row[hidden + feature] = d_keys[r][part];
            row[2 * hidden + feature] = d_values[r][part];
        }
    }
}

extern "C" __global__ void attention_forward_32(const float* qkv, const unsigned* tiles, float* output, float* log_sums, Heads h,
                                                Dropout dropout) {
    attention_forward<32>(qkv, tiles, output, log_sums, h, dropout);
}
extern "C" __global__ void attention_forward_64(const float* qkv, const unsigned* tiles, float* output, float* log_sums, Heads h,
                                                Dropout dropout) {
    attention_forward<64>(qkv, tiles, output, log_sums, h, dropout);
}
extern "C" __global__ void attention_queries_32(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                                const float* along, float* d_qkv, Heads h, Dropout dropout) {
    attention_queries<32>(qkv, tiles, grad, log_sums, along, d_qkv, h, dropout);
}
extern "C" __global__ void attention_queries_64(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                                const float* along, float* d_qkv, Heads h, Dropout dropout) {
    attention_queries<64>(qkv, tiles, grad, log_sums, along, d_qkv, h, dropout);
}
extern "C" __global__ void attention_keys_32(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                             const float* along, float* d_qkv, Heads h, Dropout dropout) {
    attention_keys<32>(qkv, tiles, grad, log_sums, along, d_qkv, h, dropout);
}
extern "C" __global__ void attention_keys_64(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                             const float* along, float* d_qkv, Heads h, Dropout dropout) {
    attention_keys<64>(qkv, tiles, grad, log_sums, along, d_qkv, h, dropout);
}
