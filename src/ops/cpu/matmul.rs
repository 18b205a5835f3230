//! Matrix products over slices, straight on the `gemm` crate that candle itself uses.
//!
//! Compared with `Tensor::matmul` they take strides without a copy, add to their destination, and run on one
//! thread inside an already parallel loop. gemm splits rows and columns between threads, never the summed
//! dimension, so the bits do not depend on the number of threads (a test checks it).

use gemm::Parallelism;
use rayon::prelude::*;

/// A matrix inside a slice: its first element and the distance between rows and between columns.
#[derive(Clone, Copy)]
pub struct View<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix that fills its slice.
    pub fn dense(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(values, rows, columns, columns)
    }

    /// A row-major matrix whose rows begin `row_stride` elements apart.
    pub fn strided(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        let end = if rows == 0 { 0 } else { (rows - 1) * row_stride + columns };
        assert!(end <= values.len(), "a matrix of {rows}×{columns} ends outside its slice");
        Self { values, rows, columns, row_stride, column_stride: 1 }
    }

    /// Columns.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// The transpose, without moving anything.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A destination inside a buffer that several tasks write to, each its own elements.
#[derive(Clone, Copy)]
pub struct Target {
    pointer: *mut f32,
    len: usize,
    row_stride: usize,
}

// SAFETY: the maker of a Target promises that concurrent tasks write disjoint elements.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// The whole buffer, with rows `row_stride` apart.
    pub fn new(buffer: &mut [f32], row_stride: usize) -> Self {
        Self { pointer: buffer.as_mut_ptr(), len: buffer.len(), row_stride }
    }

    /// The part that begins `offset` elements further on.
    pub fn at(self, offset: usize) -> Self {
        assert!(offset <= self.len, "a destination begins outside its buffer");
        // SAFETY: the offset was just checked to lie in the buffer.
        Self { pointer: unsafe { self.pointer.add(offset) }, len: self.len - offset, ..self }
    }
}

/// `target = scale · a · b`, on this thread or on all.
pub fn multiply_into(target: Target, scale: f32, a: View<'_>, b: View<'_>, parallel: bool) {
    // SAFETY: read_dst is false, so nothing uninitialised is read.
    unsafe { run(target, false, scale, a, b, parallel) }
}

/// `a · b` in a new row-major matrix.
pub fn multiply(a: View<'_>, b: View<'_>) -> Vec<f32> {
    let len = a.rows * b.columns;
    let mut out: Vec<f32> = Vec::with_capacity(len);
    let target = Target { pointer: out.as_mut_ptr(), len, row_stride: b.columns };
    if a.columns == 0 {
        return vec![0.0; len];
    }
    // SAFETY: the product writes each of the `len` elements, which lie within the capacity.
    unsafe {
        run(target, false, 1.0, a, b, true);
        out.set_len(len);
    }
    out
}

/// `out += a · b`, on this thread or on all.
pub fn multiply_add(out: &mut [f32], a: View<'_>, b: View<'_>, parallel: bool) {
    let target = Target::new(out, b.columns);
    // SAFETY: `out` is initialised.
    unsafe { run(target, true, 1.0, a, b, parallel) }
}

/// Side of the squares that are transposed at once.
const SQUARE: usize = 16;

/// Writes the transpose of a row-major matrix with `columns` columns over `out`.
pub fn transpose(matrix: &[f32], columns: usize, out: &mut [f32]) {
    let rows = matrix.len() / columns;
    out.par_chunks_mut(SQUARE * rows).enumerate().for_each(|(stripe, out)| {
        let first = stripe * SQUARE;
        for left in (0..rows).step_by(SQUARE) {
            let right = (left + SQUARE).min(rows);
            for (i, out) in out.chunks_exact_mut(rows).enumerate() {
                for (row, value) in (left..right).zip(&mut out[left..right]) {
                    *value = matrix[row * columns + first + i];
                }
            }
        }
    });
}

unsafe fn run(target: Target, add: bool, scale: f32, a: View<'_>, b: View<'_>, parallel: bool) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions of a product");
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * target.row_stride + n <= target.len, "a product ends outside its destination");
    let threads = rayon::current_num_threads();
    let parallelism = if parallel && threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    // SAFETY: the views and the target were checked to lie in their slices when they were made and above.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.pointer,
            1,
            target.row_stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn numbers(n: usize, index: u64) -> Vec<f32> {
        let mut stream = Stream::new(1, Purpose::Test, 2, index);
        (0..n).map(|_| stream.normal() as f32).collect()
    }

    #[test]
    fn products_of_views() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2×3
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]; // 3×2, or 2×3 transposed
        let product = multiply(View::dense(&a, 2, 3), View::dense(&b, 3, 2));
        assert_eq!(product, [5.0, 11.0, 14.0, 23.0]);
        let product = multiply(View::dense(&a, 2, 3), View::dense(&b, 2, 3).transposed());
        assert_eq!(product, [7.0, 10.0, 16.0, 22.0]);
        let mut out = vec![1.0; 4];
        multiply_add(&mut out, View::dense(&a, 2, 3), View::dense(&b, 3, 2), true);
        assert_eq!(out, [6.0, 12.0, 15.0, 24.0]);
    }

    #[test]
    fn transposes() {
        for (rows, columns) in [(1, 5), (3, 2), (40, 33), (16, 16)] {
            let matrix = numbers(rows * columns, 3);
            let mut out = vec![0.0; matrix.len()];
            transpose(&matrix, columns, &mut out);
            let at = |i: usize| matrix[i % rows * columns + i / rows];
            assert!((0..out.len()).all(|i| out[i] == at(i)), "{rows}×{columns}");
        }
    }

    #[test]
    fn the_bits_do_not_depend_on_the_threads() {
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        for (m, n, k) in [(1024, 128, 128), (128, 512, 1024), (77, 1000, 33), (5, 3, 700), (1, 256, 900)] {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            let product = |threads| {
                pool(threads).install(|| {
                    let plain = multiply(View::dense(&a, m, k), View::dense(&b, k, n));
                    let right = multiply(View::dense(&a, m, k), View::dense(&b, n, k).transposed());
                    let left = multiply(View::dense(&a, k, m).transposed(), View::dense(&b, k, n));
                    (plain, right, left)
                })
            };
            let one = product(1);
            for threads in [2, 3, 8] {
                assert!(one == product(threads), "{m}×{n}×{k} on {threads} threads");
            }
        }
    }
}
