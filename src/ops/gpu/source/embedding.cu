// Rows of tables: read for the tokens of a batch, and their gradients added up without two threads at one number.

// out [n, width] = word + position + type rows of every token. The bases, where not null, are tables that the first two are
// differences from.
extern "C" __global__ void embed(const float* word, const float* position, const float* kind, const float* base_word,
                                 const float* base_position, const unsigned* words, const unsigned* positions,
                                 const unsigned* kinds, float* out, unsigned width, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) {
        unsigned long long token = i / width, column = i % width;
        unsigned long long at_word = (unsigned long long)words[token] * width + column;
        unsigned long long at_position = (unsigned long long)positions[token] * width + column;
        float w = word[at_word], p = position[at_position];
        if (base_word) {
            w = base_word[at_word] + w;
            p = base_position[at_position] + p;
        }
        out[i] = w + p + kind[(unsigned long long)kinds[token] * width + column];
    }
}

// out [n / width, width]: chosen rows of a table.
extern "C" __global__ void gather_rows(const float* table, const unsigned* rows, float* out, unsigned width, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride())
        out[i] = table[(unsigned long long)rows[i / width] * width + i % width];
}

// Sums of runs of rows: sums [runs, width], run r those of `values` that order[starts[r]..starts[r + 1]] names, in that order
// (where `order` is null, the rows themselves). A block takes a run.
extern "C" __global__ void sum_runs(const float* values, const unsigned* order, const unsigned* starts, float* sums, unsigned width) {
    for (unsigned column = threadIdx.x; column < width; column += blockDim.x) {
        float sum = 0.0f;
        for (unsigned i = starts[blockIdx.x]; i < starts[blockIdx.x + 1]; ++i)
            sum += values[(unsigned long long)(order ? order[i] : i) * width + column];
        sums[(unsigned long long)blockIdx.x * width + column] = sum;
    }
}

// table[rows[r]] += sums[r]; no row is named twice.
extern "C" __global__ void add_rows(const float* sums, const unsigned* rows, float* table, unsigned width, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride())
        table[(unsigned long long)rows[i / width] * width + i % width] += sums[i];
}
