// Chosen rows of a table, and their gradients, added up without two threads at one number.

// out [n / width, width]: chosen rows of a table.
extern "C" __global__ void gather_rows(const float* table, const unsigned* rows, float* out, unsigned width, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride())
        out[i] = table[(unsigned long long)rows[i / width] * width + i % width];
}

// Sums of runs of rows: sums [runs, width]. Run r has the rows of `values` that
// order[starts[r]..starts[r + 1]] names, in that order (where `order` is null, the rows
// starts[r]..starts[r + 1]). A block takes a run.
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
