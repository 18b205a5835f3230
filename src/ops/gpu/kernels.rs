//! The source of all kernels: one program, since they share device functions.

/// File names and texts, in the order in which they build on each other.
pub const FILES: [(&str, &str); 8] = [
    ("common.cuh", include_str!("source/common.cuh")),
    ("elementwise.cu", include_str!("source/elementwise.cu")),
    ("norm.cu", include_str!("source/norm.cu")),
    ("attention.cu", include_str!("source/attention.cu")),
    ("attention_bf16.cu", include_str!("source/attention_bf16.cu")),
    ("readings.cu", include_str!("source/readings.cu")),
    ("embedding.cu", include_str!("source/embedding.cu")),
    ("adam.cu", include_str!("source/adam.cu")),
];

/// The program, with lines that say which file they are of.
pub fn program() -> String {
    FILES.map(|(name, text)| format!("#line 1 \"{name}\"\n{text}\n")).concat()
}

/// What stands before the name of every kernel.
const KERNEL: &str = "extern \"C\" __global__ void ";

/// The names of all kernels.
pub fn names() -> Vec<&'static str> {
    let of_file = |(_, text): (&'static str, &'static str)| {
        text.split(KERNEL).skip(1).filter_map(|rest| rest.split('(').next()).collect::<Vec<_>>()
    };
    FILES.into_iter().flat_map(of_file).collect()
}
