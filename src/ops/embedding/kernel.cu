// Embeddings of tokens, and the gradients of tokens that only the device knows.

// out [n, width] = word + position + token-type rows of every token. The base tables, where not null, are
// those that the first two tables are differences from.
extern "C" __global__ void embed(const float* word, const float* position, const float* token_type, const float* base_word,
                                 const float* base_position, const unsigned* input_ids, const unsigned* position_ids,
                                 const unsigned* token_type_ids, float* out, unsigned width, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) {
        unsigned long long token = i / width, column = i % width;
        unsigned long long at_word = (unsigned long long)input_ids[token] * width + column;
        unsigned long long at_position = (unsigned long long)position_ids[token] * width + column;
        float w = word[at_word], p = position[at_position];
        if (base_word) {
            w = base_word[at_word] + w;
            p = base_position[at_position] + p;
        }
        out[i] = w + p + token_type[(unsigned long long)token_type_ids[token] * width + column];
    }
}

// table[input_ids[position]] += values[position] for `m` positions whose ids the host does not know. The
// block of an id's first position adds up the values of all positions with that id, in order; the blocks of
// the others end at once. A block takes 128 columns.
extern "C" __global__ void add_sampled(const float* values, const unsigned* input_ids, const unsigned* positions, unsigned m, float* table,
                                     unsigned width) {
    __shared__ unsigned same[32];
    unsigned id = input_ids[positions[blockIdx.x]], column = blockIdx.y * blockDim.x + threadIdx.x;
    float sum = 0.0f;
    for (unsigned first = 0; first < m; first += blockDim.x) {
        unsigned slot = first + threadIdx.x;
        unsigned found = __ballot_sync(0xFFFFFFFFu, slot < m && input_ids[positions[slot]] == id);
        __syncthreads();
        if ((threadIdx.x & 31) == 0) same[threadIdx.x / 32] = found;
        __syncthreads();
        for (unsigned warp = 0; warp < blockDim.x / 32; ++warp)
            for (unsigned left = same[warp]; left; left &= left - 1) {
                unsigned other = first + 32 * warp + __ffs(left) - 1;
                if (other < blockIdx.x) return;
                if (column < width) sum += values[(unsigned long long)positions[other] * width + column];
            }
    }
    if (column < width) table[(unsigned long long)id * width + column] += sum;
}
