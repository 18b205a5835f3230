//! How the tokens of a batch are cut for the threads. No number depends on the cut: the work on a chunk
//! treats its rows independently.

use std::ops::Range;

/// Rows of a chunk where there are enough of them: their activations stay in the cache of a core.
const ROWS: usize = 128;
/// Fewest rows of a chunk, unless the batch has fewer. The matrix product takes another path for 64 rows or
/// less.
const FEWEST: usize = 65;

/// A run of whole sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub sequences: Range<usize>,
    pub rows: Range<usize>,
}

/// Runs of whole sequences, of about the best length for `threads` threads.
pub fn of_sequences(offsets: &[usize], threads: usize) -> Vec<Chunk> {
    let n_sequences = offsets.len() - 1;
    let target = rows_for(offsets[n_sequences], threads);
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut first = 0;
    for next in 1..=n_sequences {
        if offsets[next] - offsets[first] >= target {
            chunks.push(Chunk { sequences: first..next, rows: offsets[first]..offsets[next] });
            first = next;
        }
    }
    let rest = Chunk { sequences: first..n_sequences, rows: offsets[first]..offsets[n_sequences] };
    match chunks.last_mut() {
        Some(last) if rest.rows.len() < FEWEST => {
            last.sequences.end = rest.sequences.end;
            last.rows.end = rest.rows.end;
        }
        _ => chunks.push(rest),
    }
    chunks
}

/// Runs of rows, all but the last a multiple of `block`.
pub fn of_rows(n_rows: usize, block: usize, threads: usize) -> Vec<Range<usize>> {
    let step = (rows_for(n_rows, threads) / block).max(1) * block;
    let step = if step < FEWEST { FEWEST.next_multiple_of(block) } else { step };
    cut(0..n_rows, step)
}

/// The same rows in pieces that stay in the cache.
pub fn pieces(rows: usize) -> Vec<Range<usize>> {
    let n = (rows / ROWS).max(1);
    cut(0..rows, rows.div_ceil(n).max(1))
}

/// Parts of `step` rows; a remainder that is too short is added to the last part.
fn cut(rows: Range<usize>, step: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut start = rows.start;
    while start < rows.end {
        let end = (start + step).min(rows.end);
        match parts.last_mut() {
            Some(last) if end - start < FEWEST => last.end = end,
            _ => parts.push(start..end),
        }
        start = end;
    }
    parts
}

fn rows_for(n_rows: usize, threads: usize) -> usize {
    (n_rows / (2 * threads)).clamp(FEWEST, ROWS)
}

/// Splits several row-major buffers, each given with its width, into parts; `rows` follow each other and
/// cover the buffers.
pub fn split<const K: usize>(
    mut buffers: [(&mut [f32], usize); K],
    rows: impl Iterator<Item = Range<usize>>,
) -> Vec<[&mut [f32]; K]> {
    let part = |rows: Range<usize>| {
        buffers.each_mut().map(|(buffer, width)| {
            let (part, rest) = std::mem::take(buffer).split_at_mut(rows.len() * *width);
            *buffer = rest;
            part
        })
    };
    rows.map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_whole_sequences_and_never_short() {
        let rows = |offsets: &[usize], threads| -> Vec<Range<usize>> {
            of_sequences(offsets, threads).into_iter().map(|chunk| chunk.rows).collect()
        };
        assert_eq!(rows(&[0, 128, 256, 384], 1), [0..128, 128..256, 256..384]);
        assert_eq!(rows(&[0, 512, 1024], 8), [0..512, 512..1024]);
        assert_eq!(rows(&[0, 50, 100, 150, 200, 210], 2), [0..100, 100..210]);
        assert_eq!(rows(&[0, 3, 3, 10], 2).len(), 1);
        assert_eq!(of_sequences(&[0, 80, 160], 2)[1].sequences, 1..2);
    }

    #[test]
    fn rows_are_cut_at_blocks() {
        assert_eq!(of_rows(512, 64, 2), [0..128, 128..256, 256..384, 384..512]);
        assert_eq!(of_rows(530, 64, 2), [0..128, 128..256, 256..384, 384..530]);
        assert_eq!(of_rows(300, 21, 1), [0..126, 126..300]);
        assert_eq!(of_rows(1000, 256, 2), [0..256, 256..512, 512..768, 768..1000]);
        assert_eq!(of_rows(40, 64, 2).len(), 1);
        assert_eq!(of_rows(200, 16, 2), [0..80, 80..200]);
        assert_eq!(pieces(512), [0..128, 128..256, 256..384, 384..512]);
        assert_eq!(pieces(300), [0..150, 150..300]);
        assert_eq!(pieces(10).len(), 1);
    }
}
