//! Work over rows in fixed blocks: parallel, and with the same bits whatever the number of threads.

use rayon::prelude::*;

use super::vector;

/// Elements that a block of rows should hold: large enough to pay for a task, small enough to stay in cache.
const BLOCK_ELEMENTS: usize = 16 * 1024;

/// Rows of a block, for rows of `width` elements; depends on the width only, never on the threads.
pub fn block_rows(width: usize) -> usize {
    (BLOCK_ELEMENTS / width.max(1)).clamp(1, 1024)
}

/// Calls `body(first_row, rows_of_output)` on every block of rows of `output`, in parallel.
pub fn for_each_block(output: &mut [f32], width: usize, body: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = block_rows(width);
    output
        .par_chunks_mut((rows * width).max(1))
        .enumerate()
        .for_each(|(block, chunk)| body(block * rows, chunk));
}

/// Calls `body(first_row, n_rows, partial)` on every block with `sums` zeros, to which it adds, and adds
/// these partial sums up in the order of the blocks.
pub fn sum_blocks(
    n_rows: usize,
    width: usize,
    sums: usize,
    body: impl Fn(usize, usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    // Coarser than `for_each_block`, so that the partial sums stay few.
    let rows = block_rows(width) * 4;
    let partials: Vec<Vec<f32>> = (0..n_rows.div_ceil(rows))
        .into_par_iter()
        .map(|block| {
            let mut partial = vec![0f32; sums];
            let first = block * rows;
            body(first, rows.min(n_rows - first), &mut partial);
            partial
        })
        .collect();
    total(&partials, sums)
}

/// The sum of partial sums of `len` elements each, in their order.
pub fn total(partials: &[Vec<f32>], len: usize) -> Vec<f32> {
    let mut total = vec![0f32; len];
    for partial in partials {
        vector::add(&mut total, partial);
    }
    total
}
