// Kernels that several operations call.

// Copies the bias to every row of y [rows, width], so that a product can be added to it.
extern "C" __global__ void fill_rows(const float* bias, float* y, unsigned width, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) y[i] = bias[i % width];
}

// sum += more.
extern "C" __global__ void add_to(float* sum, const float* more, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) sum[i] += more[i];
}

// Sums of the columns of values [rows, width] over every `span` rows: sums [gridDim.y, width]. Launched
// twice, the second time with a span of all rows, it sums the columns in an order that does not depend on
// scheduling.
extern "C" __global__ void column_sums(const float* values, float* sums, unsigned rows, unsigned width, unsigned span) {
    unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) return;
    unsigned end = min(rows, (blockIdx.y + 1) * span);
    float sum = 0.0f;
    for (unsigned row = blockIdx.y * span; row < end; ++row) sum += values[(unsigned long long)row * width + column];
    sums[blockIdx.y * width + column] = sum;
}

// Rounds to bfloat16.
extern "C" __global__ void to_bf16(const float* x, unsigned short* y, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) y[i] = (unsigned short)to_bfloat16(x[i]);
}
