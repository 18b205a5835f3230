// Attention as in kernel.cu, with the factors of its products rounded to bfloat16 and multiplied by tensor
// cores. Scores, softmax and sums stay f32.
//
// A block of 4 warps takes 64 rows of one sequence and head, a warp 16 of them, and the other side comes 32
// rows at a time. A warp's scores never leave its registers: `multiply` leaves a sum in the layout of a
// factor of the next product.

#define ROWS 16   // of a warp
#define OTHER_ROWS 32 // rows of the other side
#define PAD 4     // words after a row of a shared tile, so that a warp's lanes read 32 banks

// What lane l of a warp holds, with g = l / 4 and t = l % 4, in words of two numbers of neighbouring columns:
//   factor  [16, 16]: words (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8);
//   other   [16, 8]:  of column g the rows 2t and 2t + 1, and 2t + 8 and 2t + 9;
//   sums    [16, 8]:  numbers (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).

__device__ __forceinline__ float number(const float* from, unsigned step, unsigned row, unsigned column, unsigned len, unsigned width) {
    return row < len && column < width ? from[(unsigned long long)row * step + column] : 0.0f;
}

// Rows first.. of a matrix as factors: this warp's own.
template <int WIDTH>
__device__ __forceinline__ void load_own(unsigned (*own)[4], const float* from, unsigned step, unsigned first, unsigned len,
                                         unsigned width, unsigned lane) {
#pragma unroll
    for (int k = 0; k < WIDTH / 16; ++k)
#pragma unroll
        for (int part = 0; part < 4; ++part) {
            unsigned row = first + lane / 4 + 8 * (part & 1), column = 16 * k + 2 * (lane % 4) + 8 * (part >> 1);
            own[k][part] = pack(number(from, step, row, column, len, width), number(from, step, row, column + 1, len, width));
        }
}

// Rows first.. for all warps, in words of two columns.
template <int WIDTH>
__device__ __forceinline__ void load_pairs(unsigned (*tile)[WIDTH / 2 + PAD], const float* from, unsigned step, unsigned first,
                                           unsigned len, unsigned width) {
    for (unsigned i = threadIdx.x; i < OTHER_ROWS * WIDTH / 2; i += blockDim.x) {
        unsigned row = i / (WIDTH / 2), column = 2 * (i % (WIDTH / 2));
        tile[row][column / 2] =
            pack(number(from, step, first + row, column, len, width), number(from, step, first + row, column + 1, len, width));
    }
}

// The same with rows and columns exchanged, in words of two rows.
template <int WIDTH>
__device__ __forceinline__ void load_transposed(unsigned (*tile)[OTHER_ROWS / 2 + PAD], const float* from, unsigned step, unsigned first,
                                            unsigned len, unsigned width) {
    for (unsigned i = threadIdx.x; i < OTHER_ROWS * WIDTH / 2; i += blockDim.x) {
        unsigned column = i % WIDTH, row = 2 * (i / WIDTH);
        tile[column][row / 2] =
            pack(number(from, step, first + row, column, len, width), number(from, step, first + row + 1, column, len, width));
    }
}

// sums [16, 32] = own · rowsᵀ.
template <int WIDTH>
__device__ __forceinline__ void products(float (*sums)[4], const unsigned (*own)[4], const unsigned (*rows)[WIDTH / 2 + PAD],
                                         unsigned lane) {
#pragma unroll
    for (int n = 0; n < OTHER_ROWS / 8; ++n) {
        sums[n][0] = sums[n][1] = sums[n][2] = sums[n][3] = 0.0f;
#pragma unroll
        for (int k = 0; k < WIDTH / 16; ++k) {
            const unsigned* row = rows[8 * n + lane / 4] + 8 * k + lane % 4;
            multiply(sums[n], own[k], row[0], row[4]);
        }
    }
}

// sums [16, WIDTH] += weights [16, 32] · rows, whose columns are those of `transposed`.
template <int WIDTH>
__device__ __forceinline__ void add_products(float (*sums)[4], const float (*weights)[4], const unsigned (*transposed)[OTHER_ROWS / 2 + PAD],
                                             unsigned lane) {
#pragma unroll
    for (int k = 0; k < OTHER_ROWS / 16; ++k) {
        const float *left = weights[2 * k], *right = weights[2 * k + 1];
        unsigned factor[4] = {pack(left[0], left[1]), pack(left[2], left[3]), pack(right[0], right[1]), pack(right[2], right[3])};
#pragma unroll
        for (int n = 0; n < WIDTH / 8; ++n) {
            const unsigned* column = transposed[8 * n + lane / 4] + 8 * k + lane % 4;
            multiply(sums[n], factor, column[0], column[4]);
        }
    }
}

// Over the four lanes that hold a row of the sums.
__device__ __forceinline__ float row_sum(float value) {
    value += __shfl_xor_sync(0xFFFFFFFFu, value, 1);
    return value + __shfl_xor_sync(0xFFFFFFFFu, value, 2);
}

__device__ __forceinline__ float row_max(float value) {
    value = max(value, __shfl_xor_sync(0xFFFFFFFFu, value, 1));
    return max(value, __shfl_xor_sync(0xFFFFFFFFu, value, 2));
}

// Writes the sums of this warp's rows, each times its factor.
template <int WIDTH>
__device__ __forceinline__ void store(float* to, unsigned step, const float (*sums)[4], const float* factors, unsigned first,
                                      unsigned len, unsigned width, unsigned lane) {
#pragma unroll
    for (int n = 0; n < WIDTH / 8; ++n)
#pragma unroll
        for (int part = 0; part < 4; ++part) {
            unsigned row = first + lane / 4 + 8 * (part >> 1), column = 8 * n + 2 * (lane % 4) + (part & 1);
            if (row < len && column < width) to[(unsigned long long)row * step + column] = sums[n][part] * factors[part >> 1];
        }
}

template <int WIDTH>
__device__ void attention_forward_bf16(const float* qkv, const unsigned* tiles, float* output, float* log_sums, Heads h,
                                       Dropout dropout) {
    __shared__ unsigned keys[OTHER_ROWS][WIDTH / 2 + PAD], values[WIDTH][OTHER_ROWS / 2 + PAD];
    unsigned lane = threadIdx.x & 31, head = blockIdx.y, column = 2 * (lane % 4);
    const unsigned* tile = tiles + 3 * blockIdx.x;
    unsigned start = tile[0], len = tile[1], first = tile[2] + threadIdx.x / 32 * ROWS;
    unsigned hidden = h.count * h.width, step = 3 * hidden;
    const float* sequence = qkv + (unsigned long long)start * step + head * h.width;
    unsigned queries[WIDTH / 16][4];
    load_own<WIDTH>(queries, sequence, step, first, len, h.width, lane);
    float sums[WIDTH / 8][4] = {}, largest[2] = {-1e30f, -1e30f}, total[2] = {0.0f, 0.0f};
    for (unsigned other_start = 0; other_start < len; other_start += OTHER_ROWS) {
        __syncthreads();
        load_pairs<WIDTH>(keys, sequence + hidden, step, other_start, len, h.width);
        load_transposed<WIDTH>(values, sequence + 2 * hidden, step, other_start, len, h.width);
        __syncthreads();
        float scores[OTHER_ROWS / 8][4];
        products<WIDTH>(scores, queries, keys, lane);
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            unsigned i = first + lane / 4 + 8 * r;
            float now = largest[r], sum = 0.0f;
#pragma unroll
            for (int part = 0; part < OTHER_ROWS / 4; ++part) {
                unsigned j = other_start + 8 * (part / 2) + column + part % 2;
                float& score = scores[part / 2][2 * r + part % 2];
                score = i < len && j < len && sees(h.mask, i, j) ? h.scale * score : -1e30f;
                now = max(now, score);
            }
            now = row_max(now);
            // Columns that are eight apart share their random numbers.
#pragma unroll
            for (int side = 0; side < 2; ++side) {
                Drawn drawn;
#pragma unroll
                for (int n = 0; n < OTHER_ROWS / 8; ++n) {
                    unsigned j = other_start + 8 * n + column + side;
                    float& score = scores[n][2 * r + side];
                    float power = score > -1e30f ? expf(score - now) : 0.0f;
                    sum += power;
                    score = power == 0.0f ? 0.0f : power * keep_as(drawn, dropout, probability_number(h, start, head, i, j));
                }
            }
            float fade = expf(largest[r] - now);
            total[r] = total[r] * fade + row_sum(sum);
            largest[r] = now;
#pragma unroll
            for (int n = 0; n < WIDTH / 8; ++n) {
                sums[n][2 * r] *= fade;
                sums[n][2 * r + 1] *= fade;
            }
        }
        add_products<WIDTH>(sums, scores, values, lane);
    }
    float shares[2] = {1.0f / total[0], 1.0f / total[1]};
    float* to = output + (unsigned long long)start * hidden + head * h.width;
    store<WIDTH>(to, hidden, sums, shares, first, len, h.width, lane);
    for (int r = 0; r < 2; ++r) {
        unsigned i = first + lane / 4 + 8 * r;
        if (lane % 4 == 0 && i < len) log_sums[(unsigned long long)(start + i) * h.count + head] = largest[r] + logf(total[r]);
    }
}

// Gradients of the queries of a tile.
template <int WIDTH>
__device__ void attention_queries_bf16(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                       const float* along, float* d_qkv, Heads h, Dropout dropout) {
    __shared__ unsigned keys[OTHER_ROWS][WIDTH / 2 + PAD], values[OTHER_ROWS][WIDTH / 2 + PAD], transposed[WIDTH][OTHER_ROWS / 2 + PAD];
    unsigned lane = threadIdx.x & 31, head = blockIdx.y, column = 2 * (lane % 4);
    const unsigned* tile = tiles + 3 * blockIdx.x;
    unsigned start = tile[0], len = tile[1], first = tile[2] + threadIdx.x / 32 * ROWS;
    unsigned hidden = h.count * h.width, step = 3 * hidden;
    const float* sequence = qkv + (unsigned long long)start * step + head * h.width;
    unsigned queries[WIDTH / 16][4], grads[WIDTH / 16][4];
    load_own<WIDTH>(queries, sequence, step, first, len, h.width, lane);
    load_own<WIDTH>(grads, grad + (unsigned long long)start * hidden + head * h.width, hidden, first, len, h.width, lane);
    float sums[WIDTH / 8][4] = {}, log_sum[2], own_along[2];
    for (int r = 0; r < 2; ++r) {
        unsigned i = first + lane / 4 + 8 * r;
        unsigned long long at = (unsigned long long)(start + i) * h.count + head;
        log_sum[r] = i < len ? log_sums[at] : 0.0f;
        own_along[r] = i < len ? along[at] : 0.0f;
    }
    for (unsigned other_start = 0; other_start < len; other_start += OTHER_ROWS) {
        __syncthreads();
        load_pairs<WIDTH>(keys, sequence + hidden, step, other_start, len, h.width);
        load_transposed<WIDTH>(transposed, sequence + hidden, step, other_start, len, h.width);
        load_pairs<WIDTH>(values, sequence + 2 * hidden, step, other_start, len, h.width);
        __syncthreads();
        float scores[OTHER_ROWS / 8][4], gradients[OTHER_ROWS / 8][4];
        products<WIDTH>(scores, queries, keys, lane);
        products<WIDTH>(gradients, grads, values, lane);
#pragma unroll
        for (int part = 0; part < 4; ++part) {
            unsigned r = part >> 1, i = first + lane / 4 + 8 * r;
            Drawn drawn;
#pragma unroll
            for (int n = 0; n < OTHER_ROWS / 8; ++n) {
                unsigned j = other_start + 8 * n + column + (part & 1);
                float d = 0.0f;
                if (i < len && j < len && sees(h.mask, i, j)) {
                    float kept = keep_as(drawn, dropout, probability_number(h, start, head, i, j));
                    float probability = expf(h.scale * scores[n][part] - log_sum[r]);
                    d = probability * (kept * gradients[n][part] - own_along[r]) * h.scale;
                }
                scores[n][part] = d;
            }
        }
        add_products<WIDTH>(sums, scores, transposed, lane);
    }
    float ones[2] = {1.0f, 1.0f};
    float* to = d_qkv + (unsigned long long)start * step + head * h.width;
    store<WIDTH>(to, step, sums, ones, first, len, h.width, lane);
}

// Gradients of the keys and values of a tile: its rows are keys, columns are queries.
template <int WIDTH>
__device__ void attention_keys_bf16(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                    const float* along, float* d_qkv, Heads h, Dropout dropout) {
    __shared__ unsigned queries[OTHER_ROWS][WIDTH / 2 + PAD], queries_transposed[WIDTH][OTHER_ROWS / 2 + PAD];
    __shared__ unsigned grads[OTHER_ROWS][WIDTH / 2 + PAD], grads_transposed[WIDTH][OTHER_ROWS / 2 + PAD];
    __shared__ float of_query[2][OTHER_ROWS];
    unsigned lane = threadIdx.x & 31, head = blockIdx.y, column = 2 * (lane % 4);
    const unsigned* tile = tiles + 3 * blockIdx.x;
    unsigned start = tile[0], len = tile[1], first = tile[2] + threadIdx.x / 32 * ROWS;
    unsigned hidden = h.count * h.width, step = 3 * hidden;
    const float* sequence = qkv + (unsigned long long)start * step + head * h.width;
    const float* sequence_grad = grad + (unsigned long long)start * hidden + head * h.width;
    unsigned keys[WIDTH / 16][4], values[WIDTH / 16][4];
    load_own<WIDTH>(keys, sequence + hidden, step, first, len, h.width, lane);
    load_own<WIDTH>(values, sequence + 2 * hidden, step, first, len, h.width, lane);
    float d_keys[WIDTH / 8][4] = {}, d_values[WIDTH / 8][4] = {};
    for (unsigned other_start = 0; other_start < len; other_start += OTHER_ROWS) {
        __syncthreads();
        load_pairs<WIDTH>(queries, sequence, step, other_start, len, h.width);
        load_transposed<WIDTH>(queries_transposed, sequence, step, other_start, len, h.width);
        load_pairs<WIDTH>(grads, sequence_grad, hidden, other_start, len, h.width);
        load_transposed<WIDTH>(grads_transposed, sequence_grad, hidden, other_start, len, h.width);
        if (threadIdx.x < 2 * OTHER_ROWS) {
            unsigned i = other_start + threadIdx.x % OTHER_ROWS;
            const float* from = threadIdx.x < OTHER_ROWS ? log_sums : along;
            of_query[threadIdx.x / OTHER_ROWS][threadIdx.x % OTHER_ROWS] =
                i < len ? from[(unsigned long long)(start + i) * h.count + head] : 0.0f;
        }
        __syncthreads();
        float scores[OTHER_ROWS / 8][4], gradients[OTHER_ROWS / 8][4];
        products<WIDTH>(scores, keys, queries, lane);
        products<WIDTH>(gradients, values, grads, lane);
#pragma unroll
        for (int n = 0; n < OTHER_ROWS / 8; ++n)
#pragma unroll
            for (int side = 0; side < 2; ++side) {
                unsigned query = 8 * n + column + side, i = other_start + query;
                // The two keys are eight apart: they share their random numbers.
                Drawn drawn;
#pragma unroll
                for (int r = 0; r < 2; ++r) {
                    unsigned j = first + lane / 4 + 8 * r;
                    float &weight = scores[n][2 * r + side], &d = gradients[n][2 * r + side];
                    float probability = 0.0f, kept = 0.0f;
                    if (i < len && j < len && sees(h.mask, i, j)) {
                        probability = expf(h.scale * weight - of_query[0][query]);
                        kept = keep_as(drawn, dropout, probability_number(h, start, head, i, j));
                    }
                    weight = probability * kept;
                    d = probability == 0.0f ? 0.0f : probability * (kept * d - of_query[1][query]) * h.scale;
                }
            }
        add_products<WIDTH>(d_values, scores, grads_transposed, lane);
        add_products<WIDTH>(d_keys, gradients, queries_transposed, lane);
    }
    float ones[2] = {1.0f, 1.0f};
    float* to = d_qkv + (unsigned long long)start * step + head * h.width;
    store<WIDTH>(to + hidden, step, d_keys, ones, first, len, h.width, lane);
    store<WIDTH>(to + 2 * hidden, step, d_values, ones, first, len, h.width, lane);
}

extern "C" __global__ void attention_forward_bf16_32(const float* qkv, const unsigned* tiles, float* output, float* log_sums, Heads h,
                                                     Dropout dropout) {
    attention_forward_bf16<32>(qkv, tiles, output, log_sums, h, dropout);
}
extern "C" __global__ void attention_forward_bf16_64(const float* qkv, const unsigned* tiles, float* output, float* log_sums, Heads h,
                                                     Dropout dropout) {
    attention_forward_bf16<64>(qkv, tiles, output, log_sums, h, dropout);
}
extern "C" __global__ void attention_queries_bf16_32(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                                     const float* along, float* d_qkv, Heads h, Dropout dropout) {
    attention_queries_bf16<32>(qkv, tiles, grad, log_sums, along, d_qkv, h, dropout);
}
extern "C" __global__ void attention_queries_bf16_64(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                                     const float* along, float* d_qkv, Heads h, Dropout dropout) {
    attention_queries_bf16<64>(qkv, tiles, grad, log_sums, along, d_qkv, h, dropout);
}
extern "C" __global__ void attention_keys_bf16_32(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                                  const float* along, float* d_qkv, Heads h, Dropout dropout) {
    attention_keys_bf16<32>(qkv, tiles, grad, log_sums, along, d_qkv, h, dropout);
}
extern "C" __global__ void attention_keys_bf16_64(const float* qkv, const unsigned* tiles, const float* grad, const float* log_sums,
                                                  const float* along, float* d_qkv, Heads h, Dropout dropout) {
    attention_keys_bf16<64>(qkv, tiles, grad, log_sums, along, d_qkv, h, dropout);
}
