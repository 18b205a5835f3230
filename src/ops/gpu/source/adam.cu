// The optimizer over all parameters at once: a block takes a piece of one of them.

// Part of parameter `place` of all, from its number `start`.
struct Piece { float* parameter; float* first; float* second; unsigned long long start; unsigned len, place; float decay; };
// What a step brings for a parameter.
struct Turn { const float* gradient; float rate; };
struct Rule { float keep1, add1, keep2, add2, epsilon, correction1, correction2, clip_norm; };

// Σ g² of every piece, in double precision.
extern "C" __global__ void sums_of_squares(const Piece* pieces, const Turn* turns, double* sums) {
    __shared__ double room[32];
    Piece piece = pieces[blockIdx.x];
    const float* gradient = turns[piece.place].gradient + piece.start;
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < piece.len; i += blockDim.x) sum += (double)gradient[i] * gradient[i];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// √Σ of n sums, by one block.
extern "C" __global__ void norm_of_sums(const double* sums, unsigned n, float* norm) {
    __shared__ double room[32];
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) sum += sums[i];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) *norm = (float)sqrt(sum);
}

// The update of adam.rs, clipped by the global norm. A norm that is not finite changes nothing.
extern "C" __global__ void adam_update(const Piece* pieces, const Turn* turns, const float* norm, Rule rule) {
    Piece piece = pieces[blockIdx.x];
    Turn turn = turns[piece.place];
    const float* gradient = turn.gradient + piece.start;
    if (!(*norm <= 3.402823466e38f)) return;
    float scale = rule.clip_norm / max(*norm, rule.clip_norm);
    float add1 = rule.add1 * scale, add2 = rule.add2 * scale * scale;
    for (unsigned i = threadIdx.x; i < piece.len; i += blockDim.x) {
        float g = gradient[i], p = piece.parameter[i];
        float m = rule.keep1 * piece.first[i] + add1 * g, v = rule.keep2 * piece.second[i] + add2 * (g * g);
        piece.first[i] = m;
        piece.second[i] = v;
        float direction = m * rule.correction1 / (sqrtf(v * rule.correction2) + rule.epsilon) + piece.decay * p;
        piece.parameter[i] = p - turn.rate * direction;
    }
}
