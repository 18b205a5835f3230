//! The sources of kernels, and what their declarations say.

/// Device functions that many kernels use. The first file of every [`Source`].
pub const COMMON: File = ("backend/common.cuh", include_str!("common.cuh"));

/// The path of a source file below `src/ops/`, and its text.
pub type File = (&'static str, &'static str);

/// A program of kernels, compiled as one.
#[derive(Debug)]
pub struct Source {
    /// The name of the compiled module.
    pub name: &'static str,
    /// In the order in which they build on each other.
    pub files: &'static [File],
    /// The kernels that Rust calls.
    pub kernels: &'static [Signature],
}

/// A kernel's name and parameters.
#[derive(Debug)]
pub struct Signature {
    /// As the source spells it.
    pub kernel: &'static str,
    /// In order.
    pub parameters: &'static [Parameter],
}

/// A parameter of a kernel, in CUDA's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// A number or a struct.
    Value(&'static str),
    /// A pointer to numbers that the kernel reads.
    Input(&'static str),
    /// A pointer to numbers that the kernel writes.
    Output(&'static str),
}

impl Source {
    /// The program, with lines that say which file they come from.
    pub fn program(&self) -> String {
        self.files.iter().map(|(name, text)| format!("#line 1 \"{name}\"\n{text}\n")).collect()
    }
}
