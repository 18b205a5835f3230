//! Metrics of a batch: those that are known, and those whose numbers a device has yet to give.
//!
//! What a CUDA device is asked for is computed later, and reading a number from it waits until then. So whatever is measured there is
//! read when somebody wants to know, many steps at once, and the device is never without work. In host memory everything is known at
//! once. Must never: decide what is measured.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::metrics::Metrics;
use crate::error::Result;
use crate::text::Batch;

/// Metrics that may have to wait.
#[derive(Default)]
pub struct DeferredMetrics {
    known: Metrics,
    waiting: Vec<Waiting>,
}

type Measure = Box<dyn FnOnce(&[Tensor], &mut Metrics) -> Result<()> + Send>;

struct Waiting {
    tensors: Vec<Tensor>,
    measure: Measure,
}

impl DeferredMetrics {
    /// Adds `sum` with `weight` under `name`.
    pub fn add(&mut self, name: &str, sum: f64, weight: f64) {
        self.known.add(name, sum, weight);
    }

    /// Adds a mean over `weight` things.
    pub fn mean(&mut self, name: &str, mean: f64, weight: f64) {
        self.known.mean(name, mean, weight);
    }

    /// Adds a loss [], the mean over `weight` things.
    pub fn loss(&mut self, name: &'static str, loss: &Tensor, weight: f64) -> Result<()> {
        self.defer(&[loss], move |read, metrics| {
            metrics.mean(name, number(&read[0])?, weight);
            Ok(())
        })
    }

    /// Adds `loss`, what a batch's step minimises [], with the weight of its sequences. Parts of a batch add up to the whole's.
    pub fn total(&mut self, total: &Tensor, batch: &Batch) -> Result<()> {
        let (whole, n) = (batch.whole().n_sequences() as f64, batch.n_sequences() as f64);
        self.defer(&[total], move |read, metrics| {
            metrics.add("loss", number(&read[0])? * whole, n);
            Ok(())
        })
    }

    /// Metrics `tensors` when they are read, which is now where they lie in host memory. `measure` gets them there, in their order.
    pub fn defer(
        &mut self,
        tensors: &[&Tensor],
        measure: impl FnOnce(&[Tensor], &mut Metrics) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let here = tensors.iter().all(|tensor| tensor.device().is_cpu());
        let tensors: Vec<Tensor> = tensors.iter().map(|tensor| tensor.detach()).collect();
        if here {
            return measure(&tensors, &mut self.known);
        }
        self.waiting.push(Waiting { tensors, measure: Box::new(measure) });
        Ok(())
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: Self) {
        self.known.merge(&other.known);
        self.waiting.extend(other.waiting);
    }

    /// Whether nothing waits.
    pub fn is_known(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All metrics, when they can be told.
    pub fn resolve(self) -> Result<Metrics> {
        Ok(Self::resolve_all(vec![self])?.pop().unwrap_or_default())
    }

    /// Those of many batches, in their order. This thread reads, since a device's work is in the order of a thread's asking; what is
    /// made of the numbers is computed by all.
    pub fn resolve_all(tallies: Vec<Self>) -> Result<Vec<Metrics>> {
        let read = |waiting: Waiting| -> Result<(Vec<Tensor>, Measure)> {
            let here: candle_core::Result<_> =
                waiting.tensors.iter().map(|tensor| tensor.to_device(&Device::Cpu)).collect();
            Ok((here?, waiting.measure))
        };
        let mut all = Vec::with_capacity(tallies.len());
        for Self { known, waiting } in tallies {
            all.push((known, waiting.into_iter().map(read).collect::<Result<Vec<_>>>()?));
        }
        let measured = all.into_par_iter().map(|(mut known, read)| {
            for (tensors, measure) in read {
                measure(&tensors, &mut known)?;
            }
            Ok(known)
        });
        // The first error in the order of the batches, not in that of the threads.
        measured.collect::<Vec<Result<Metrics>>>().into_iter().collect()
    }
}

/// The number of a tensor of one f32.
pub fn number(tensor: &Tensor) -> Result<f64> {
    Ok(f64::from(tensor.flatten_all()?.get(0)?.to_scalar::<f32>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// As on a device: nothing is read before it is asked for, and then in the order of the batches.
    #[test]
    fn what_waits_is_measured_later() {
        let tally = |value: f32| {
            let tensor = Tensor::new(&[value], &Device::Cpu).unwrap();
            let mut tally = DeferredMetrics::default();
            tally.mean("known", 1.0, 1.0);
            let measure: Measure = Box::new(move |read, metrics| {
                if value < 0.0 {
                    return Err(Error::internal("below zero"));
                }
                metrics.mean("later", number(&read[0])?, 1.0);
                Ok(())
            });
            tally.waiting.push(Waiting { tensors: vec![tensor], measure });
            tally
        };
        assert!(!tally(1.0).is_known() && DeferredMetrics::default().is_known());
        let settled = DeferredMetrics::resolve_all((0..9u8).map(|i| tally(f32::from(i))).collect()).unwrap();
        for (i, metrics) in settled.iter().enumerate() {
            assert_eq!((metrics.value("known"), metrics.value("later")), (Some(1.0), Some(i as f64)));
        }
        let mut two = tally(1.0);
        two.merge(tally(2.0));
        assert_eq!(two.resolve().unwrap().value("later"), Some(1.5));
        assert!(DeferredMetrics::resolve_all(vec![tally(1.0), tally(-1.0)]).is_err());
    }
}
