// What the kernels share: the project's random numbers (rng.rs), and sums over a warp and a block.

struct Words { unsigned x, y, z, w; };

// Philox4x32-10.
__device__ __forceinline__ Words philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned k0, unsigned k1) {
    for (int round = 0; round < 10; ++round) {
        unsigned long long a = 0xD2511F53ull * c0, b = 0xCD9E8D57ull * c2;
        c0 = (unsigned)(b >> 32) ^ c1 ^ k0;
        c2 = (unsigned)(a >> 32) ^ c3 ^ k1;
        c1 = (unsigned)b;
        c3 = (unsigned)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {c0, c1, c2, c3};
}

// A dropout site of a step (dropout.rs). A threshold of 0 drops nothing. `first` is the number of the first element here.
struct Dropout { unsigned key0, key1, site0, site1, threshold; float scale; unsigned long long first; };

// The factor of an element: element e of a group of 64 takes 16 bits of word (e / 16) of block (e % 8), the upper ones
// where e % 16 is at least 8.
__device__ __forceinline__ float keep(const Dropout& d, unsigned long long element) {
    if (d.threshold == 0) return 1.0f;
    element += d.first;
    unsigned within = (unsigned)(element & 63);
    unsigned long long block = (element >> 6) * 8 + (within & 7);
    Words words = philox((unsigned)block, (unsigned)(block >> 32), d.site0, d.site1, d.key0, d.key1);
    unsigned part = within >> 4;
    unsigned word = part == 0 ? words.x : part == 1 ? words.y : part == 2 ? words.z : words.w;
    unsigned bits = within & 8 ? word >> 16 : word & 0xFFFFu;
    return bits >= d.threshold ? d.scale : 0.0f;
}

// Every lane gets the same bits: the butterfly adds the same pairs in all of them.
template <class T> __device__ __forceinline__ T warp_sum(T value) {
    for (int mask = 16; mask > 0; mask >>= 1) value += __shfl_xor_sync(0xFFFFFFFFu, value, mask);
    return value;
}

__device__ __forceinline__ float warp_max(float value) {
    for (int mask = 16; mask > 0; mask >>= 1) {
        float other = __shfl_xor_sync(0xFFFFFFFFu, value, mask);
        value = other > value ? other : value;
    }
    return value;
}

// Sum over a block of at most 32 warps, the same in every thread; `room` has an element a warp.
__device__ __forceinline__ double block_sum(double value, double* room) {
    value = warp_sum(value);
    __syncthreads();
    if ((threadIdx.x & 31) == 0) room[threadIdx.x / 32] = value;
    __syncthreads();
    double total = 0.0;
    for (unsigned warp = 0; warp < (blockDim.x + 31) / 32; ++warp) total += room[warp];
    return total;
}

__device__ __forceinline__ unsigned long long first_element() {
    return (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ unsigned long long stride() { return (unsigned long long)gridDim.x * blockDim.x; }
