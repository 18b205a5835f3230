// Cross-entropies of rows of logits [M, V], and their gradients.

// The loss of every row, log Σ exp - logits[target], and, by one block, their mean.
extern "C" __global__ void row_losses(const float* logits, unsigned classes, const float* log_sums, const unsigned* targets,
                                      float* losses, float* mean, unsigned rows) {
    __shared__ double scratch[32];
    double sum = 0.0;
    for (unsigned row = threadIdx.x; row < rows; row += blockDim.x) {
        double loss = (double)log_sums[row] - (double)logits[(unsigned long long)row * classes + targets[row]];
        losses[row] = (float)loss;
        sum += loss;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) *mean = (float)(sum / rows);
}

// Turns logits, in place, into the gradients of their rows' cross-entropies times
// grad[row · per_row] / divisor: `per_row` is 0 for a mean and 1 where every row's loss is an output.
extern "C" __global__ void cross_entropy_backward_inplace(float* logits, unsigned classes, const float* log_sums, const unsigned* targets,
                                     const float* grad, unsigned per_row, float divisor) {
    float* row = logits + (unsigned long long)blockIdx.x * classes;
    float scale = grad[blockIdx.x * per_row] / divisor, log_sum = log_sums[blockIdx.x];
    unsigned target = targets[blockIdx.x];
    for (unsigned i = threadIdx.x; i < classes; i += blockDim.x)
        row[i] = scale * expf(row[i] - log_sum) - (i == target ? scale : 0.0f);
}
