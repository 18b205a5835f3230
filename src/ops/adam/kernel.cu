// Adam over all parameters at once: a block updates a chunk of one parameter.

// `len` numbers of parameter `param_index` and its moments, from number `start`.
struct Chunk { float* parameter; float* first; float* second; unsigned long long start; unsigned len, param_index; float decay; };
// What a step changes for a parameter.
struct Step { const float* gradient; float rate; };
struct AdamParams { float keep1, add1, keep2, add2, epsilon, correction1, correction2, clip_norm; };

// Σ g² of every chunk, in double precision.
extern "C" __global__ void sums_of_squares(const Chunk* chunks, const Step* steps, double* sums) {
    __shared__ double scratch[32];
    Chunk chunk = chunks[blockIdx.x];
    const float* gradient = steps[chunk.param_index].gradient + chunk.start;
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < chunk.len; i += blockDim.x) sum += (double)gradient[i] * gradient[i];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// √Σ of n sums, by one block.
extern "C" __global__ void norm_of_sums(const double* sums, unsigned n, float* norm) {
    __shared__ double scratch[32];
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) sum += sums[i];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) *norm = (float)sqrt(sum);
}

// The update of adam/mod.rs, clipped by the global norm. A norm that is not finite changes nothing.
extern "C" __global__ void adam_update(const Chunk* chunks, const Step* steps, const float* norm, AdamParams params) {
    Chunk chunk = chunks[blockIdx.x];
    Step step = steps[chunk.param_index];
    const float* gradient = step.gradient + chunk.start;
    if (!(*norm <= 3.402823466e38f)) return;
    float scale = params.clip_norm / max(*norm, params.clip_norm);
    float add1 = params.add1 * scale, add2 = params.add2 * scale * scale;
    for (unsigned i = threadIdx.x; i < chunk.len; i += blockDim.x) {
        float g = gradient[i], p = chunk.parameter[i];
        float m = params.keep1 * chunk.first[i] + add1 * g, v = params.keep2 * chunk.second[i] + add2 * (g * g);
        chunk.first[i] = m;
        chunk.second[i] = v;
        float direction = m * params.correction1 / (sqrtf(v * params.correction2) + params.epsilon) + chunk.decay * p;
        chunk.parameter[i] = p - step.rate * direction;
    }
}
