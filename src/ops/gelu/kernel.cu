// GELU, element by element.

__device__ __forceinline__ float normal_cdf(float x) { return 0.5f + 0.5f * erff(x * 0.70710678118654752f); }

// The exact GELU.
extern "C" __global__ void gelu_forward(const float* x, float* y, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride()) y[i] = x[i] * normal_cdf(x[i]);
}

// dx = dy · gelu'(x); dx may be dy.
extern "C" __global__ void gelu_backward(const float* x, const float* dy, float* dx, unsigned long long n) {
    for (unsigned long long i = first_element(); i < n; i += stride())
        dx[i] = dy[i] * (normal_cdf(x[i]) + x[i] * (0.3989422804f * expf(-0.5f * x[i] * x[i])));
}
