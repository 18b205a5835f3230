// Mean binary cross-entropy of logits [n], by one block.
extern "C" __global__ void binary_cross_entropy_mean(const float* logits, const float* labels, float* mean, unsigned n) {
    __shared__ double scratch[32];
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        float z = logits[i];
        sum += (z > 0.0f ? z : 0.0f) - z * labels[i] + log1pf(expf(-fabsf(z)));
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) *mean = (float)(sum / n);
}

extern "C" __global__ void binary_cross_entropy_backward(const float* logits, const float* labels, const float* grad, float* d_logits,
                                              unsigned long long n) {
    float scale = *grad / (float)n;
    for (unsigned long long i = first_element(); i < n; i += stride())
        d_logits[i] = scale * (1.0f / (1.0f + expf(-logits[i])) - labels[i]);
}
