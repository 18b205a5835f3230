//! What runs kernels and multiplies matrices.

use candle_core::Result;

use super::launch::{Address, Launch};
use crate::ops::Precision;

/// c = a · b, or c += a · b; all are dense and row-major.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// [m, k], or [k, m] where it is read transposed.
    pub a: Address<'a>,
    /// Whether `a` is read transposed.
    pub a_transposed: bool,
    /// [k, n], or [n, k] where it is read transposed.
    pub b: Address<'a>,
    /// Whether `b` is read transposed.
    pub b_transposed: bool,
    /// [m, n].
    pub c: Address<'a>,
    /// m, n and k.
    pub sizes: [usize; 3],
    /// Whether the product is added to what is there.
    pub add: bool,
    /// Of `a` and `b`.
    pub precision: Precision,
}

/// A device, or what stands for one. Calls run in the order in which they are made.
pub trait Machine {
    /// f32 numbers in its memory.
    type Floats;
    /// u32 numbers in its memory.
    type Words;
    /// f64 numbers in its memory.
    type Doubles;

    /// Room for `n` numbers, to be overwritten before they are read.
    fn room(&self, n: usize) -> Result<Self::Floats>;
    /// `n` zeros.
    fn zeros(&self, n: usize) -> Result<Self::Floats>;
    /// Room for `n` words, to be overwritten before they are read.
    fn word_room(&self, n: usize) -> Result<Self::Words>;
    /// Room for `n` doubles, to be overwritten before they are read.
    fn double_room(&self, n: usize) -> Result<Self::Doubles>;
    /// These words, in its memory.
    fn words(&self, values: &[u32]) -> Result<Self::Words>;
    /// Where numbers begin.
    fn at<'a>(&self, floats: &'a Self::Floats) -> Address<'a>;
    /// Where words begin.
    fn at_words<'a>(&self, words: &'a Self::Words) -> Address<'a>;
    /// Where doubles begin.
    fn at_doubles<'a>(&self, doubles: &'a Self::Doubles) -> Address<'a>;
    /// Runs a kernel.
    ///
    /// # Safety
    /// The kernel stays within the buffers that its arguments name, and nobody else reads or writes what it writes.
    unsafe fn launch(&self, launch: Launch<'_>) -> Result<()>;
    /// Multiplies matrices.
    ///
    /// # Safety
    /// As for [`Machine::launch`].
    unsafe fn multiply(&self, product: Product<'_>) -> Result<()>;
}
