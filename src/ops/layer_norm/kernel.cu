// LayerNorm of residual + dropout(x). A warp takes a row at a time, so that sums need no barrier between
// warps. `residual` may be null.

__device__ __forceinline__ float residual_sum(const float* x, const float* residual, const Dropout& dropout, unsigned long long at) {
    return x[at] * keep(dropout, at) + (residual ? residual[at] : 0.0f);
}

extern "C" __global__ void norm_forward(const float* x, const float* residual, const float* parameters, float* y, unsigned rows,
                                        unsigned width, float epsilon, Dropout dropout) {
    unsigned lane = threadIdx.x & 31, warps = blockDim.x / 32;
    for (unsigned row = blockIdx.x * warps + threadIdx.x / 32; row < rows; row += gridDim.x * warps) {
        unsigned long long first = (unsigned long long)row * width;
        float total = 0.0f, squares = 0.0f;
        for (unsigned i = lane; i < width; i += 32) {
            float sum = residual_sum(x, residual, dropout, first + i);
            y[first + i] = sum;
            total += sum;
        }
        float mean = warp_sum(total) / width;
        for (unsigned i = lane; i < width; i += 32) squares += (y[first + i] - mean) * (y[first + i] - mean);
        float rstd = 1.0f / sqrtf(warp_sum(squares) / width + epsilon);
        for (unsigned i = lane; i < width; i += 32)
            y[first + i] = (y[first + i] - mean) * rstd * parameters[i] + parameters[width + i];
    }
}

// Gradients of the sum and, where there is dropout, of x (else dx is null); and each row's mean and rstd.
extern "C" __global__ void norm_backward(const float* x, const float* residual, const float* gamma, const float* dy, float* d_sum,
                                         float* dx, float* statistics, unsigned rows, unsigned width, float epsilon,
                                         Dropout dropout) {
    unsigned lane = threadIdx.x & 31, warps = blockDim.x / 32;
    for (unsigned row = blockIdx.x * warps + threadIdx.x / 32; row < rows; row += gridDim.x * warps) {
        unsigned long long first = (unsigned long long)row * width;
        float total = 0.0f, squares = 0.0f, along_mean = 0.0f, along_row = 0.0f;
        for (unsigned i = lane; i < width; i += 32) {
            float sum = residual_sum(x, residual, dropout, first + i);
            d_sum[first + i] = sum;
            total += sum;
        }
        float mean = warp_sum(total) / width;
        for (unsigned i = lane; i < width; i += 32) squares += (d_sum[first + i] - mean) * (d_sum[first + i] - mean);
        float rstd = 1.0f / sqrtf(warp_sum(squares) / width + epsilon);
        for (unsigned i = lane; i < width; i += 32) {
            float scaled = dy[first + i] * gamma[i];
            along_mean += scaled;
            along_row += scaled * ((d_sum[first + i] - mean) * rstd);
        }
        along_mean = warp_sum(along_mean) / width;
        along_row = warp_sum(along_row) / width;
        for (unsigned i = lane; i < width; i += 32) {
            float normed = (d_sum[first + i] - mean) * rstd;
            float d = rstd * (dy[first + i] * gamma[i] - along_mean - normed * along_row);
            d_sum[first + i] = d;
            if (dx) dx[first + i] = d * keep(dropout, first + i);
        }
        if (lane == 0) { statistics[2 * row] = mean; statistics[2 * row + 1] = rstd; }
    }
}

// Gradients of γ and β, a partial sum for every `span` rows: partials [gridDim.y, 2 · width], to be summed in
// order (column_sums).
extern "C" __global__ void norm_parameters(const float* x, const float* residual, const float* statistics, const float* dy,
                                           float* partials, unsigned rows, unsigned width, unsigned span, Dropout dropout) {
    unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) return;
    unsigned end = min(rows, (blockIdx.y + 1) * span);
    float d_gamma = 0.0f, d_beta = 0.0f;
    for (unsigned row = blockIdx.y * span; row < end; ++row) {
        unsigned long long at = (unsigned long long)row * width + column;
        d_gamma += dy[at] * ((residual_sum(x, residual, dropout, at) - statistics[2 * row]) * statistics[2 * row + 1]);
        d_beta += dy[at];
    }
    partials[2 * blockIdx.y * width + column] = d_gamma;
    partials[(2 * blockIdx.y + 1) * width + column] = d_beta;
}
