//! Buffers that outlive the step: one operation returns them, the next one writes over them.
//!
//! A fresh allocation of megabytes is cleared, by the allocator or by the system page by page, although the
//! kernel that asked for it writes every element anyway. These buffers are not cleared: they hold old values.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Capacities are multiples of this, so that batches of slightly different lengths share buffers.
const GRAIN: usize = 16 * 1024;
/// A buffer is not used for less than this share of it.
const LARGEST_WASTE: usize = 2;
/// Numbers that the pool keeps, at most, while nobody uses them: 1 GiB.
const KEPT: usize = 1 << 28;

static POOL: Mutex<Pool> = Mutex::new(Pool { free: Vec::new(), numbers: 0 });

struct Pool {
    /// By size.
    free: Vec<Vec<f32>>,
    numbers: usize,
}

impl Pool {
    fn take(&mut self, len: usize) -> Option<Vec<f32>> {
        let at = self.free.partition_point(|values| values.len() < len);
        let fits = self.free.get(at).is_some_and(|values| values.len() / LARGEST_WASTE <= len);
        fits.then(|| {
            let values = self.free.remove(at);
            self.numbers -= values.len();
            values
        })
    }

    fn keep(&mut self, values: Vec<f32>) {
        if self.numbers + values.len() <= KEPT {
            self.numbers += values.len();
            let at = self.free.partition_point(|other| other.len() < values.len());
            self.free.insert(at, values);
        }
    }
}

/// Numbers for as long as somebody holds them.
#[derive(Debug)]
pub struct Buffer {
    /// At least `len` of them.
    values: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// `len` numbers of any value.
    pub fn stale(len: usize) -> Self {
        let pooled = POOL.lock().ok().and_then(|mut pool| pool.take(len));
        let values = pooled.unwrap_or_else(|| vec![0.0; len.next_multiple_of(GRAIN)]);
        Self { values, len }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Ok(mut pool) = POOL.lock() {
            pool.keep(mem::take(&mut self.values));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_the_asked_length_and_is_used_again() {
        let mut pool = Pool { free: Vec::new(), numbers: 0 };
        for len in [300, 100, 200] {
            pool.keep(vec![1.0; len]);
        }
        assert_eq!(pool.numbers, 600);
        assert_eq!(pool.take(150).map(|values| values.len()), Some(200), "the smallest that fits");
        assert_eq!(pool.take(40), None, "too large a part would lie idle");
        assert_eq!(pool.take(301), None);
        assert_eq!((pool.free.len(), pool.numbers), (2, 400));
        let buffer = Buffer::stale(70_000);
        assert!(buffer.len() == 70_000 && buffer.values.len().is_multiple_of(GRAIN));
        assert_eq!(Buffer::stale(0).len(), 0);
    }
}
