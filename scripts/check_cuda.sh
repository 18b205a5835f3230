#!/usr/bin/env bash
# Checks what only a build with the feature `cuda` compiles: the types and lints of the Rust code, and the
# kernels' own sources. It needs the CUDA toolkit and no device. Where there is no toolkit it says so and
# succeeds. On a machine with a device, run the tests that this script cannot:
#   cargo test --features cuda --lib -- --include-ignored cuda_ kernels_compile
set -euo pipefail
cd "$(dirname "$0")/.."
skip() {
    echo "check_cuda: SKIPPED, the feature \`cuda\` was not checked: $1"
    exit 0
}
nvcc=""
for home in "${CUDA_HOME:-}" "${CUDA_PATH:-}"; do
    if [ -z "$nvcc" ] && [ -n "$home" ] && [ -x "$home/bin/nvcc" ]; then nvcc=$home/bin/nvcc; fi
done
if [ -z "$nvcc" ]; then nvcc=$(command -v nvcc || true); fi
if [ -z "$nvcc" ]; then skip 'nvcc is not in $CUDA_HOME/bin, $CUDA_PATH/bin or $PATH; install the CUDA toolkit'; fi
PATH=$(dirname "$nvcc"):$PATH
export PATH
# candle compiles its own kernels for this architecture; without a device it cannot ask.
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90}
echo "check_cuda: $nvcc, compute capability $CUDA_COMPUTE_CAP"

cargo clippy --locked --features cuda --lib --tests -- -D warnings

# A program is common.cuh, dropout.cuh where it is needed, and an operation's .cu files (`kernels!` in its
# cuda.rs).
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for sources in src/ops/backend/primitives.cu src/ops/*/kernel.cu; do
    name=$(basename "$(dirname "$sources")")
    cat src/ops/backend/common.cuh src/ops/dropout/dropout.cuh "${sources%.cu}"*.cu > "$folder/$name.cu"
    for architecture in 80 90; do
        nvcc --std=c++17 -ptx -arch="compute_$architecture" -o "$folder/$name.ptx" "$folder/$name.cu"
    done
    echo "check_cuda: the kernels of $name compile"
done
