// Dropout, element by element.

// Forward and backward: both multiply by the mask.
extern "C" __global__ void dropout_apply(const float* x, float* y, unsigned long long n, Dropout dropout) {
    for (unsigned long long i = first_element(); i < n; i += stride()) y[i] = x[i] * keep(dropout, i);
}
