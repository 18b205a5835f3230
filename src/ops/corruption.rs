//! Samples in the places of tokens. Not differentiable.
//!
//! T tokens, M slots at ascending positions and a sample for each → T tokens, and of each whether it now differs from what stood there.
//! Several samples for one position give the floor of their ids' mean, an arbitrary token: the scatter of google-research/electra
//! divides the sum of what it writes by its number. Samples that a CUDA device drew stay there, so that the host need not wait for them.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::embedding::Drawn;

/// Tokens with samples in some of their places.
#[derive(Clone, Debug)]
pub struct Corrupted {
    /// The tokens; at the places that `drawn` names the originals. [T]
    pub words: Arc<[u32]>,
    /// What a device knows of them.
    pub drawn: Option<Drawn>,
    /// 1 where a token differs from the original and 0 elsewhere, on the samples' device. [T], f32
    pub changed: Tensor,
}

/// Puts `samples` [M], u32, at `positions` of `words`; `changed` lies on `device`.
pub fn corrupt(words: &[u32], positions: &[u32], samples: &Tensor, device: &Device) -> Result<Corrupted> {
    if samples.dims() != [positions.len()] || positions.last().is_some_and(|&at| at as usize >= words.len()) {
        candle_core::bail!(
            "{:?} samples for {} slots of {} tokens",
            samples.dims(),
            positions.len(),
            words.len()
        );
    }
    #[cfg(feature = "cuda")]
    if samples.device().is_cuda() {
        return super::gpu::tensors::corruption::corrupt(words, positions, samples);
    }
    let now = filled(words, positions, &samples.to_vec1()?);
    let changed: Vec<f32> = now.iter().zip(words).map(|(now, before)| f32::from(now != before)).collect();
    Ok(Corrupted { words: now.into(), drawn: None, changed: Tensor::from_vec(changed, words.len(), device)? })
}

/// `words` with `samples` at `positions`.
pub fn filled(words: &[u32], positions: &[u32], samples: &[u32]) -> Vec<u32> {
    let mut ids = words.to_vec();
    let slots: Vec<(u32, u32)> = positions.iter().copied().zip(samples.iter().copied()).collect();
    for same in slots.chunk_by(|one, next| one.0 == next.0) {
        let sum: u64 = same.iter().map(|&(_, sample)| u64::from(sample)).sum();
        if let Some(&(position, _)) = same.first() {
            ids[position as usize] = (sum / same.len() as u64) as u32;
        }
    }
    ids
}

impl Corrupted {
    /// The tokens as they are now, [T]; waits for the device that knows them.
    pub fn now(&self) -> Result<Vec<u32>> {
        match &self.drawn {
            None => Ok(self.words.to_vec()),
            Some(drawn) => drawn.now.to_vec1(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids 10 and 41 for one position average to 25.5, and floor to 25; three samples divide by three.
    #[test]
    fn samples_of_one_position_are_averaged() {
        let words = [2, 20, 21, 22, 3];
        let filled = |positions: &[u32], samples: &[u32]| filled(&words, positions, samples);
        assert_eq!(filled(&[1, 2, 2], &[30, 10, 41]), [2, 30, 25, 22, 3]);
        assert_eq!(filled(&[1, 1, 1, 3], &[5, 5, 9, 22]), [2, 6, 21, 22, 3]);
        assert_eq!(filled(&[3, 3], &[17, 17]), [2, 20, 21, 17, 3]);
        assert_eq!(filled(&[], &[]), words);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let samples = Tensor::new(&[7u32, 8], &Device::Cpu).unwrap();
        let message = |positions: &[u32]| {
            corrupt(&[1, 2, 3], positions, &samples, &Device::Cpu).unwrap_err().to_string()
        };
        assert!(message(&[1]).contains("[2] samples for 1 slots of 3 tokens"));
        assert!(message(&[1, 3]).contains("[2] samples for 2 slots of 3 tokens"));
    }
}
