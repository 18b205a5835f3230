//! A kernel's call as a value: which kernel, how many threads, which arguments.

use std::ffi::c_void;
use std::marker::PhantomData;

use crate::ops::dropout::DropoutKey;

/// Where something lies in a machine's memory, while it is borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    pointer: u64,
    buffer: PhantomData<&'a ()>,
}

impl<'a> Address<'a> {
    /// Of a buffer that lives for `'a` and begins at `pointer`.
    pub fn new(pointer: u64) -> Self {
        Self { pointer, buffer: PhantomData }
    }

    /// Where nothing is.
    pub const NULL: Self = Self { pointer: 0, buffer: PhantomData };

    /// The address of the number of four bytes that comes `n` further on.
    pub fn numbers_on(self, n: usize) -> Self {
        Self { pointer: self.pointer + 4 * n as u64, ..self }
    }

    /// As a number.
    pub fn pointer(self) -> u64 {
        self.pointer
    }

    /// The number, as an argument of a call.
    #[cfg(feature = "cuda")]
    pub fn as_number(&self) -> &u64 {
        &self.pointer
    }
}

/// A dropout site, as the kernels take it (`common.cuh`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Dropout {
    key: [u32; 2],
    site: [u32; 2],
    threshold: u32,
    scale: f32,
    first: u64,
}

impl Dropout {
    /// A site where each token has so many elements.
    pub fn new(key: Option<DropoutKey>, per_token: usize) -> Self {
        match key {
            Some(dropout) => Self {
                key: dropout.key.0,
                site: [dropout.site as u32, (dropout.site >> 32) as u32],
                threshold: dropout.threshold().into(),
                scale: dropout.scale(),
                first: dropout.first_element(per_token) as u64,
            },
            None => Self { key: [0; 2], site: [0; 2], threshold: 0, scale: 1.0, first: 0 },
        }
    }

    /// Whether nothing is dropped.
    pub fn is_off(&self) -> bool {
        self.threshold == 0
    }
}

/// The heads of an attention, as the kernels take them (`attention.cu`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Heads {
    /// Heads.
    pub count: u32,
    /// Features of each.
    pub width: u32,
    /// Tokens of the longest sequence: numbers the probabilities for dropout.
    pub longest: u32,
    /// 0 everything, 1 what is before a token, 2 what is behind.
    pub reach: u32,
    /// 1 / √width.
    pub scale: f32,
}

/// Adam's rule, as the kernel takes it (`adam.cu`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Rule {
    /// Of the first moment: what is kept of it, and the gradient's factor.
    pub first: [f32; 2],
    /// Of the second moment.
    pub second: [f32; 2],
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Bias corrections of the moments.
    pub corrections: [f32; 2],
    /// Global norm above which gradients are scaled down.
    pub clip_norm: f32,
}

/// One argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// A pointer.
    Address(Address<'a>),
    /// `unsigned`.
    U32(u32),
    /// `unsigned long long`.
    U64(u64),
    /// `float`.
    F32(f32),
    /// `Dropout`.
    Dropout(Dropout),
    /// `Heads`.
    Heads(Heads),
    /// `Rule`.
    Rule(Rule),
}

impl Argument<'_> {
    /// Where its value lies, as drivers ask for it.
    pub fn value(&self) -> *const c_void {
        match self {
            Self::Address(address) => (&raw const address.pointer).cast(),
            Self::U32(value) => (&raw const *value).cast(),
            Self::U64(value) => (&raw const *value).cast(),
            Self::F32(value) => (&raw const *value).cast(),
            Self::Dropout(value) => (&raw const *value).cast(),
            Self::Heads(value) => (&raw const *value).cast(),
            Self::Rule(value) => (&raw const *value).cast(),
        }
    }
}

macro_rules! argument {
    ($($kind:ident: $from:ty),*) => {
        $(impl<'a> From<$from> for Argument<'a> {
            fn from(value: $from) -> Self {
                Self::$kind(value)
            }
        })*
    };
}
argument!(Address: Address<'a>, U32: u32, U64: u64, F32: f32, Dropout: Dropout, Heads: Heads, Rule: Rule);

/// A call.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The kernel's name in `source/`.
    pub kernel: &'static str,
    /// Blocks along x and y.
    pub grid: [u32; 2],
    /// Threads of a block, at most 1024.
    pub block: u32,
    /// In the order of the kernel's parameters.
    pub arguments: Vec<Argument<'a>>,
}

/// Threads of a block where nothing asks for another number.
const THREADS: u32 = 256;
/// Blocks of an element-wise kernel at most: each thread walks on from there.
const MOST_BLOCKS: u32 = 4096;

impl<'a> Launch<'a> {
    /// A kernel that walks over `n` elements.
    pub fn over(kernel: &'static str, n: usize, arguments: Vec<Argument<'a>>) -> Self {
        let blocks = n.div_ceil(THREADS as usize).clamp(1, MOST_BLOCKS as usize);
        Self { kernel, grid: [blocks as u32, 1], block: THREADS, arguments }
    }

    /// A kernel whose warps take a row each, and walk on from there.
    pub fn warps(kernel: &'static str, rows: usize, arguments: Vec<Argument<'a>>) -> Self {
        let blocks = rows.div_ceil(THREADS as usize / 32).clamp(1, MOST_BLOCKS as usize);
        Self { kernel, grid: [blocks as u32, 1], block: THREADS, arguments }
    }

    /// A kernel of `blocks` blocks.
    pub fn blocks(kernel: &'static str, blocks: usize, threads: u32, arguments: Vec<Argument<'a>>) -> Self {
        Self { kernel, grid: [blocks as u32, 1], block: threads, arguments }
    }
}

/// A [`Launch`]'s arguments.
macro_rules! arguments {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::ops::gpu::launch::Argument::from($value)),*]
    };
}
pub(crate) use arguments;
