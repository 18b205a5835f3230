//! Samples in the places of tokens, where a device drew them.

use candle_core::{Result, Tensor};

use super::super::cuda::{Gpu, with_words};
use super::super::embedding::put_samples;
use super::super::machine::Machine;
use crate::ops::corruption::Corrupted;
use crate::ops::embedding::Drawn;

/// As `ops::corruption::corrupt`.
pub fn corrupt(words: &[u32], positions: &[u32], samples: &Tensor) -> Result<Corrupted> {
    let (gpu, samples) = (Gpu::of_tensor(samples)?, samples.contiguous()?);
    let (n, m) = (words.len(), positions.len());
    let (there, slots) = (gpu.words(words)?, gpu.words(positions)?);
    let (now, changed) = (gpu.word_room(n)?, gpu.room(n)?);
    with_words(&samples, |samples| {
        let slots = [gpu.at_words(&slots), samples];
        put_samples(&gpu, gpu.at_words(&there), slots, [gpu.at_words(&now), gpu.at(&changed)], [n, m])
    })?;
    let mut places = positions.to_vec();
    places.dedup();
    let drawn = Drawn { now: gpu.word_tensor(now, n), places: places.into() };
    Ok(Corrupted { words: words.into(), drawn: Some(drawn), changed: gpu.tensor(changed, n) })
}
