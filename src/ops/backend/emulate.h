// Runs CUDA kernels from their own source on a CPU, one block after the other, so that their index
// arithmetic, their sums and their barriers can be tested where there is no GPU. Every thread of a block is a
// fiber; one that waits for its warp or for its block yields to the next. A kernel whose threads deadlock is
// an error.
#pragma once
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>
#include <ucontext.h>

struct dim3 { unsigned x = 1, y = 1, z = 1; };
static dim3 threadIdx, blockIdx, blockDim, gridDim;
#define __global__ static
#define __device__ static
#define __forceinline__ inline
#define __restrict__
#define __shared__ static
#define __launch_bounds__(...)
#define EMULATED

namespace emulate {
enum class State { Ready, AtWarp, AtBlock, Done };
struct Fiber { ucontext_t context; std::unique_ptr<char[]> stack; jmp_buf resume_point; State state; };
constexpr size_t STACK = 64 << 10;
static jmp_buf scheduler;
static std::vector<std::unique_ptr<Fiber>> fibers;
static unsigned current;
static std::function<void()> body;
static unsigned lanes[1024];

// By jumps, since they make no system call, as a change of contexts does.
static void yield_as(State state) {
    Fiber& fiber = *fibers[current];
    fiber.state = state;
    if (!_setjmp(fiber.resume_point)) _longjmp(scheduler, 1);
}
// A fiber outlives its block: it runs the next one's body.
static void enter() {
    for (;;) {
        body();
        yield_as(State::Done);
    }
}
__attribute__((noinline)) static void resume(bool begun) {
    if (_setjmp(scheduler)) return;
    if (begun) _longjmp(fibers[current]->resume_point, 1);
    setcontext(&fibers[current]->context);
}
static void add_fiber() {
    fibers.emplace_back(new Fiber);
    Fiber& fiber = *fibers.back();
    fiber.stack.reset(new char[STACK]);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, enter, 0);
    threadIdx.x = current = (unsigned)fibers.size() - 1;
    body = [] {};
    resume(false);
}

// Whether all fibers first..end that have not ended wait in this state; if so, they continue.
static bool release(unsigned first, unsigned end, State state) {
    bool any = false;
    for (unsigned i = first; i < end; ++i) {
        if (fibers[i]->state == State::Done) continue;
        if (fibers[i]->state != state) return false;
        any = true;
    }
    for (unsigned i = first; any && i < end; ++i)
        if (fibers[i]->state == state) fibers[i]->state = State::Ready;
    return any;
}

// Returns false where threads deadlock.
static bool run_block() {
    unsigned n = blockDim.x, done = 0;
    for (unsigned i = 0; i < n; ++i) fibers[i]->state = State::Ready;
    while (done < n) {
        bool moved = false;
        for (unsigned warp = 0; warp < n; warp += 32) {
            unsigned end = warp + 32 < n ? warp + 32 : n;
            do {
                for (current = warp; current < end; ++current) {
                    if (fibers[current]->state != State::Ready) continue;
                    moved = true;
                    threadIdx.x = current;
                    resume(true);
                    done += fibers[current]->state == State::Done;
                }
            } while (release(warp, end, State::AtWarp));
        }
        if (!release(0, n, State::AtBlock) && !moved) return false;
    }
    return true;
}

template <class... A, size_t... I>
void call(void (*kernel)(A...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A>*>(args[I])...);
}

template <class... A>
int launch(void (*kernel)(A...), const unsigned* grid, unsigned block, void** args, unsigned n_args) {
    if (n_args != sizeof...(A)) return 2;
    gridDim = {grid[0], grid[1], 1};
    blockDim = {block, 1, 1};
    while (fibers.size() < block) add_fiber();
    body = [=] { call(kernel, args, std::index_sequence_for<A...>{}); };
    for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x)
            if (!run_block()) {
                fibers.clear();
                return 3;
            }
    return 0;
}
}  // namespace emulate

static void __syncthreads() { emulate::yield_as(emulate::State::AtBlock); }
static void __syncwarp() { emulate::yield_as(emulate::State::AtWarp); }
static unsigned exchange(unsigned bits, unsigned from) {
    emulate::lanes[threadIdx.x] = bits;
    __syncwarp();
    unsigned got = from < blockDim.x ? emulate::lanes[from] : bits;
    __syncwarp();
    return got;
}
static float __uint_as_float(unsigned x) { float f; memcpy(&f, &x, 4); return f; }
static unsigned __float_as_uint(float x) { unsigned u; memcpy(&u, &x, 4); return u; }
static float __shfl_xor_sync(unsigned, float value, int mask) {
    return __uint_as_float(exchange(__float_as_uint(value), threadIdx.x ^ mask));
}
static unsigned __shfl_xor_sync(unsigned, unsigned value, int mask) { return exchange(value, threadIdx.x ^ mask); }
static double __shfl_xor_sync(unsigned, double value, int mask) {
    unsigned halves[2];
    memcpy(halves, &value, 8);
    for (unsigned& half : halves) half = exchange(half, threadIdx.x ^ mask);
    memcpy(&value, halves, 8);
    return value;
}
static unsigned __ballot_sync(unsigned, bool vote) {
    emulate::lanes[threadIdx.x] = vote;
    __syncwarp();
    unsigned votes = 0, first = threadIdx.x & ~31u;
    for (unsigned lane = 0; lane < 32 && first + lane < blockDim.x; ++lane) votes |= emulate::lanes[first + lane] << lane;
    __syncwarp();
    return votes;
}
// The product of a warp's tensor cores, from the parts of the factors that each lane holds.
static unsigned factors[1024][4], others[1024][2];
static float half_of(unsigned word, unsigned half) { return __uint_as_float(half ? word & 0xFFFF0000u : word << 16); }
static void multiply(float* sums, const unsigned* factor, unsigned other0, unsigned other1) {
    memcpy(factors[threadIdx.x], factor, 16);
    others[threadIdx.x][0] = other0;
    others[threadIdx.x][1] = other1;
    __syncwarp();
    unsigned warp = threadIdx.x & ~31u, lane = threadIdx.x & 31;
    for (unsigned part = 0; part < 4; ++part) {
        unsigned row = lane / 4 + 8 * (part >> 1), column = 2 * (lane % 4) + (part & 1);
        for (unsigned k = 0; k < 16; ++k) {
            unsigned holder = k % 8 / 2, upper = k / 8;
            float a = half_of(factors[warp + row % 8 * 4 + holder][row / 8 + 2 * upper], k & 1);
            sums[part] += a * half_of(others[warp + column * 4 + holder][upper], k & 1);
        }
    }
    __syncwarp();
}
static unsigned to_bfloat16(float x);
static unsigned pack(float low, float high) { return to_bfloat16(low) | (to_bfloat16(high) << 16); }
static int __ffs(unsigned bits) { return __builtin_ffs((int)bits); }
template <class T> static T min(T a, T b) { return a < b ? a : b; }
template <class T> static T max(T a, T b) { return a > b ? a : b; }
