//! A parameter's gradient in host memory, with a flag per block that says whether the block may differ from
//! zero.

use std::mem;

use rayon::prelude::*;

use crate::ops::cpu::vector;

/// Numbers of a block.
pub const BLOCK: usize = 4096;

/// A gradient in host memory.
#[derive(Default)]
pub struct HostGradient {
    pub values: Vec<f32>,
    extent: Extent,
}

/// Which blocks of the values may differ from zero.
#[derive(Default)]
enum Extent {
    /// None is valid: the numbers are those of an earlier pass, to be overwritten before they are read.
    #[default]
    Stale,
    /// Those whose flag is set. The others are zero.
    Blocks(Vec<bool>),
    /// All.
    Whole,
}

impl HostGradient {
    /// The numbers of block `index`, or None where all of them are zero.
    pub fn block(&self, index: usize) -> Option<&[f32]> {
        let touched = match &self.extent {
            Extent::Stale => false,
            Extent::Blocks(touched) => touched.get(index).copied().unwrap_or(false),
            Extent::Whole => true,
        };
        let end = self.values.len().min((index + 1) * BLOCK);
        if touched { self.values.get(index * BLOCK..end) } else { None }
    }

    /// Sum of the squares, in f64 and in a fixed order.
    pub fn sum_of_squares(&self) -> f64 {
        let partials: Vec<f32> = (0..self.values.len().div_ceil(BLOCK))
            .into_par_iter()
            .map(|index| self.block(index).map_or(0.0, squares))
            .collect();
        partials.iter().map(|&partial| f64::from(partial)).sum()
    }

    /// Forgets the numbers. Blocks that were set one by one are zeroed, since the next pass may set others.
    pub fn clear(&mut self) {
        match &mut self.extent {
            Extent::Stale => {}
            Extent::Whole => self.extent = Extent::Stale,
            Extent::Blocks(touched) => {
                for (block, touched) in self.values.chunks_mut(BLOCK).zip(touched) {
                    if mem::take(touched) {
                        block.fill(0.0);
                    }
                }
            }
        }
    }

    /// Adds what `write` puts into every element of the slice that it is given.
    pub fn add(&mut self, len: usize, write: impl FnOnce(&mut [f32])) {
        self.values.resize(len, 0.0);
        // A pass over rows leaves its untouched blocks zero; only a stale buffer may be overwritten in place.
        if let Extent::Stale = self.extent {
            write(&mut self.values);
        } else {
            let mut other = vec![0f32; len];
            write(&mut other);
            self.values.par_chunks_mut(BLOCK).zip(other.par_chunks(BLOCK)).for_each(|(sums, values)| {
                vector::add(sums, values);
            });
        }
        self.extent = Extent::Whole;
    }

    /// Adds `values` to rows of a [R, `width`] table.
    pub fn add_rows(&mut self, len: usize, width: usize, rows: &[u32], values: &[f32]) {
        self.values.resize(len, 0.0);
        if let Extent::Stale = self.extent {
            self.values.fill(0.0);
            self.extent = Extent::Blocks(vec![false; len.div_ceil(BLOCK)]);
        }
        // Each row's own sum first, as if it had been made apart: the order in which candle adds.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&token| rows[token]);
        let mut sum = vec![0f32; width];
        for tokens in order.chunk_by(|&a, &b| rows[a] == rows[b]) {
            sum.fill(0.0);
            for &token in tokens {
                let values = &values[token * width..(token + 1) * width];
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            let start = rows[tokens[0]] as usize * width;
            if let Extent::Blocks(touched) = &mut self.extent {
                touched[start / BLOCK..=(start + width - 1) / BLOCK].fill(true);
            }
            self.values[start..start + width].iter_mut().zip(&sum).for_each(|(total, sum)| *total += sum);
        }
    }
}

#[cfg(test)]
impl HostGradient {
    /// A gradient whose all-zero blocks count as untouched.
    pub fn of(values: Vec<f32>) -> Self {
        let touched = values.chunks(BLOCK).map(|block| block.iter().any(|&v| v != 0.0)).collect();
        Self { values, extent: Extent::Blocks(touched) }
    }

    /// A gradient all of whose blocks count as touched.
    pub fn whole(values: Vec<f32>) -> Self {
        Self { values, extent: Extent::Whole }
    }
}

/// Sum of the squares of a block.
fn squares(block: &[f32]) -> f32 {
    vector::vectorized!(|| vector::sum(block.len(), |i| block[i] * block[i]))
}
