// Operations of every element by itself.

__device__ __forceinline__ float normal_distribution(float x) { return 0.5f + 0.5f * erff(x * 0.70710678118654752f); }

// The exact GELU.
extern "C" __global__ void gelu_forward(const float* x, float* y, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) y[i] = x[i] * normal_distribution(x[i]);
}

// Turns the gradient of y into that of x; dx may lie where dy does.
extern "C" __global__ void gelu_backward(const float* x, const float* dy, float* dx, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride())
        dx[i] = dy[i] * (normal_distribution(x[i]) + x[i] * (0.3989422804f * expf(-0.5f * x[i] * x[i])));
}

// Forward and backward: both multiply by the factors.
extern "C" __global__ void dropout_apply(const float* x, float* y, unsigned long long n, Dropout dropout) {
    for (unsigned long long i = first_element(); i < n; i += stride()) y[i] = x[i] * keep(dropout, i);
}

// Every row of y [rows, width] becomes the bias, for a product to be added to.
extern "C" __global__ void fill_rows(const float* bias, float* y, unsigned width, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) y[i] = bias[i % width];
}

// sum += more.
extern "C" __global__ void add_to(float* sum, const float* more, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) sum[i] += more[i];
}

// As bfloat16.
extern "C" __global__ void to_bf16(const float* x, unsigned short* y, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) y[i] = (unsigned short)to_bfloat16(x[i]);
}
