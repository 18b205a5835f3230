//! Replaces tokens by samples. Not differentiable.
//!
//! T tokens, M slots at ascending positions and a sample for each → T tokens, and for each whether it differs
//! from the original. Several samples for one position give the floor of their ids' mean, an arbitrary token:
//! the scatter of google-research/electra divides the sum of what it writes by its number. Samples that a
//! CUDA device drew stay there, so that the host need not wait for them.

pub mod cuda;

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, bail};

use super::embedding::DeviceIds;

/// Tokens, some of which were replaced by samples.
#[derive(Clone, Debug)]
pub struct Corrupted {
    /// The tokens; the originals at the positions that `device_ids` names. `[T]`
    pub input_ids: Arc<[u32]>,
    /// The tokens as a CUDA device knows them, where it drew the samples.
    pub device_ids: Option<DeviceIds>,
    /// 1 where a token differs from the original and 0 elsewhere, on the samples' device. `[T]`, f32
    pub replaced: Tensor,
}

/// Puts `samples` `[M]`, u32, at `positions` of `input_ids`; `replaced` lies on `device`.
pub fn corrupt(input_ids: &[u32], positions: &[u32], samples: &Tensor, device: &Device) -> Result<Corrupted> {
    let n = input_ids.len();
    if samples.dims() != [positions.len()] || positions.last().is_some_and(|&at| at as usize >= n) {
        bail!("{:?} samples do not fit {} slots of {n} tokens", samples.dims(), positions.len());
    }
    if samples.device().is_cuda() {
        let (device_ids, replaced) = cuda::corrupt(input_ids, positions, samples)?;
        return Ok(Corrupted { input_ids: input_ids.into(), device_ids: Some(device_ids), replaced });
    }
    let now = place_samples(input_ids, positions, &samples.to_vec1()?);
    let replaced: Vec<f32> = now.iter().zip(input_ids).map(|(now, id)| f32::from(now != id)).collect();
    let replaced = Tensor::from_vec(replaced, n, device)?;
    Ok(Corrupted { input_ids: now.into(), device_ids: None, replaced })
}

/// `input_ids` with `samples` at `positions`.
pub fn place_samples(input_ids: &[u32], positions: &[u32], samples: &[u32]) -> Vec<u32> {
    let mut ids = input_ids.to_vec();
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
    /// The tokens with their samples, `[T]`; waits for the device that drew them.
    pub fn ids(&self) -> Result<Vec<u32>> {
        match &self.device_ids {
            None => Ok(self.input_ids.to_vec()),
            Some(device_ids) => device_ids.input_ids.to_vec1(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids 10 and 41 for one position average to 25.5, and floor to 25; three samples divide by three.
    #[test]
    fn samples_of_one_position_are_averaged() {
        let ids = [2, 20, 21, 22, 3];
        let place = |positions: &[u32], samples: &[u32]| place_samples(&ids, positions, samples);
        assert_eq!(place(&[1, 2, 2], &[30, 10, 41]), [2, 30, 25, 22, 3]);
        assert_eq!(place(&[1, 1, 1, 3], &[5, 5, 9, 22]), [2, 6, 21, 22, 3]);
        assert_eq!(place(&[3, 3], &[17, 17]), [2, 20, 21, 17, 3]);
        assert_eq!(place(&[], &[]), ids);
    }

    #[test]
    fn samples_that_do_not_fit_are_an_error() {
        let samples = Tensor::new(&[7u32, 8], &Device::Cpu).unwrap();
        let message = |positions: &[u32]| {
            corrupt(&[1, 2, 3], positions, &samples, &Device::Cpu).unwrap_err().to_string()
        };
        assert!(message(&[1]).contains("[2] samples do not fit 1 slots of 3 tokens"));
        assert!(message(&[1, 3]).contains("[2] samples do not fit 2 slots of 3 tokens"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_emulated_kernel_places_samples() {
        use crate::ops::backend::Backend;
        use crate::ops::testing::EMULATOR;

        let (n, vocabulary) = (1000, 40);
        let ids: Vec<u32> = (0..n as u32).map(|i| i * i % vocabulary).collect();
        for slots in [0, 1, 300] {
            // Every third position twice, and few different samples.
            let positions: Vec<u32> =
                (0..slots).map(|slot| 3 * (slot - u32::from(slot % 3 == 1)) + 7).collect();
            let samples: Vec<u32> = (0..slots).map(|slot| slot * 7 % 11 + 20).collect();
            let on = [&ids, &positions, &samples].map(|values| EMULATOR.upload(values).unwrap());
            let [at_ids, at_positions, at_samples] = on.each_ref().map(|buffer| EMULATOR.ptr(buffer));
            let (now, replaced) = (EMULATOR.alloc::<u32>(n).unwrap(), EMULATOR.alloc::<f32>(n).unwrap());
            let to = (EMULATOR.ptr(&now), EMULATOR.ptr(&replaced));
            let slots = ([at_positions, at_samples], positions.len());
            cuda::place_samples(&EMULATOR, (at_ids, n), slots, to).unwrap();
            let expected = place_samples(&ids, &positions, &samples);
            assert_eq!(now.read(), expected);
            let differs: Vec<f32> = expected.iter().zip(&ids).map(|(now, id)| f32::from(now != id)).collect();
            assert_eq!(replaced.read(), differs);
        }
    }
}
