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

// What is read once samples [m] stand at `positions` [m] (ascending) of `words` [n], and 1 where it differs from what stood there.
// Several samples for one position give the floor of their mean (corruption.rs).
extern "C" __global__ void put_samples(const unsigned* words, const unsigned* positions, const unsigned* samples, unsigned m,
                                       unsigned* now, float* changed, unsigned n) {
    for (unsigned i = (unsigned)first_element(); i < n; i += (unsigned)stride()) {
        unsigned low = 0, high = m;
        while (low < high) {
            unsigned middle = (low + high) / 2;
            if (positions[middle] < i) low = middle + 1; else high = middle;
        }
        unsigned long long sum = 0;
        unsigned count = 0;
        for (; low < m && positions[low] == i; ++low, ++count) sum += samples[low];
        unsigned word = count ? (unsigned)(sum / count) : words[i];
        now[i] = word;
        changed[i] = word == words[i] ? 0.0f : 1.0f;
    }
}

// table[now[place]] += values[place] for `m` places that the host does not know the words of. The block of a word's first place
// adds up all of that word's, in order; those of the others end. A block takes 128 columns.
extern "C" __global__ void add_drawn(const float* values, const unsigned* now, const unsigned* places, unsigned m, float* table,
                                     unsigned width) {
    __shared__ unsigned same[32];
    unsigned word = now[places[blockIdx.x]], column = blockIdx.y * blockDim.x + threadIdx.x;
    float sum = 0.0f;
    for (unsigned first = 0; first < m; first += blockDim.x) {
        unsigned slot = first + threadIdx.x;
        unsigned found = __ballot_sync(0xFFFFFFFFu, slot < m && now[places[slot]] == word);
        __syncthreads();
        if ((threadIdx.x & 31) == 0) same[threadIdx.x / 32] = found;
        __syncthreads();
        for (unsigned warp = 0; warp < blockDim.x / 32; ++warp)
            for (unsigned left = same[warp]; left; left &= left - 1) {
                unsigned other = first + 32 * warp + __ffs(left) - 1;
                if (other < blockIdx.x) return;
                if (column < width) sum += values[(unsigned long long)places[other] * width + column];
            }
    }
    if (column < width) table[(unsigned long long)word * width + column] += sum;
}

// table[rows[r]] += sums[r]; no row is named twice.
extern "C" __global__ void add_rows(const float* sums, const unsigned* rows, float* table, unsigned width, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride())
        table[(unsigned long long)rows[i / width] * width + i % width] += sums[i];
}
