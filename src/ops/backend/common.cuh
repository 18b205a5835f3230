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

// The nearest bfloat16, ties to even.
__device__ __forceinline__ unsigned to_bfloat16(float x) {
    unsigned bits = __float_as_uint(x);
    bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    return nan ? 0x7FC0u : (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
}

#ifndef EMULATED
// Two numbers as bfloat16 in a word, the first in its lower half.
__device__ __forceinline__ unsigned pack(float low, float high) {
#if __CUDA_ARCH__ >= 800
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
#else
    return to_bfloat16(low) | (to_bfloat16(high) << 16);
#endif
}

// sums [16, 8] += factor [16, 16] · other [16, 8] of bfloat16, by the tensor cores of a warp.
// attention/kernel_bf16.cu says which elements a lane holds.
__device__ __forceinline__ void multiply(float* sums, const unsigned* factor, unsigned other0, unsigned other1) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(factor[0]), "r"(factor[1]), "r"(factor[2]), "r"(factor[3]), "r"(other0), "r"(other1));
#else
    __trap();
#endif
}
#endif

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

// Sum over a block of at most 32 warps, the same in every thread; `scratch` has an element per warp.
__device__ __forceinline__ double block_sum(double value, double* scratch) {
    value = warp_sum(value);
    __syncthreads();
    if ((threadIdx.x & 31) == 0) scratch[threadIdx.x / 32] = value;
    __syncthreads();
    double total = 0.0;
    for (unsigned warp = 0; warp < (blockDim.x + 31) / 32; ++warp) total += scratch[warp];
    return total;
}

__device__ __forceinline__ unsigned long long first_element() {
    return (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ unsigned long long stride() { return (unsigned long long)gridDim.x * blockDim.x; }
