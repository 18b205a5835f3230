//! Metrics of a batch, some of which are still on a device.
//!
//! A CUDA device computes asynchronously, and reading a number from it waits for everything that it was asked
//! to do before. So metrics on a device are deferred: they are resolved when somebody needs them, for many
//! steps at once, and the device never runs out of work. Metrics of tensors in host memory are resolved at
//! once. Must never: decide what is measured.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::metrics::Metrics;
use crate::error::Result;
use crate::text::Batch;

/// Metrics, some of them pending.
#[derive(Default)]
pub struct DeferredMetrics {
    resolved: Metrics,
    pending: Vec<Pending>,
}

/// Adds metrics of tensors that are in host memory.
type Measure = Box<dyn FnOnce(&[Tensor], &mut Metrics) -> Result<()> + Send>;

struct Pending {
    tensors: Vec<Tensor>,
    measure: Measure,
}

impl DeferredMetrics {
    /// Adds `sum` with `weight` under `name`.
    pub fn add(&mut self, name: &str, sum: f64, weight: f64) {
        self.resolved.add(name, sum, weight);
    }

    /// Adds a mean over `weight` items.
    pub fn mean(&mut self, name: &str, mean: f64, weight: f64) {
        self.resolved.mean(name, mean, weight);
    }

    /// Adds a loss [], the mean over `weight` items.
    pub fn loss(&mut self, name: &'static str, loss: &Tensor, weight: f64) -> Result<()> {
        self.defer(&[loss], move |tensors, metrics| {
            metrics.mean(name, number(&tensors[0])?, weight);
            Ok(())
        })
    }

    /// Adds `loss`, the total [] that the step minimises, weighted by the number of sequences. The totals of
    /// micro-batches sum to that of the full batch.
    pub fn total_loss(&mut self, total: &Tensor, batch: &Batch) -> Result<()> {
        let (n_full, n) = (batch.full_batch().n_sequences() as f64, batch.n_sequences() as f64);
        self.defer(&[total], move |tensors, metrics| {
            metrics.add("loss", number(&tensors[0])? * n_full, n);
            Ok(())
        })
    }

    /// Calls `measure` with `tensors` in host memory, in their order: now if they are there, otherwise when
    /// the metrics are resolved.
    pub fn defer(
        &mut self,
        tensors: &[&Tensor],
        measure: impl FnOnce(&[Tensor], &mut Metrics) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let on_host = tensors.iter().all(|tensor| tensor.device().is_cpu());
        let tensors: Vec<Tensor> = tensors.iter().map(|tensor| tensor.detach()).collect();
        if on_host {
            return measure(&tensors, &mut self.resolved);
        }
        self.pending.push(Pending { tensors, measure: Box::new(measure) });
        Ok(())
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: Self) {
        self.resolved.merge(&other.resolved);
        self.pending.extend(other.pending);
    }

    /// Whether nothing is pending.
    pub fn is_resolved(&self) -> bool {
        self.pending.is_empty()
    }

    /// All metrics. Waits for the device.
    pub fn resolve(self) -> Result<Metrics> {
        Ok(Self::resolve_all(vec![self])?.pop().unwrap_or_default())
    }

    /// The metrics of many batches, in the order of the batches. This thread reads the tensors, because a
    /// device works in the order in which one thread asks; all threads then compute the metrics.
    pub fn resolve_all(batches: Vec<Self>) -> Result<Vec<Metrics>> {
        let read = |pending: Pending| -> Result<(Vec<Tensor>, Measure)> {
            let on_host: candle_core::Result<_> =
                pending.tensors.iter().map(|tensor| tensor.to_device(&Device::Cpu)).collect();
            Ok((on_host?, pending.measure))
        };
        let mut all = Vec::with_capacity(batches.len());
        for Self { resolved, pending } in batches {
            all.push((resolved, pending.into_iter().map(read).collect::<Result<Vec<_>>>()?));
        }
        let resolved = all.into_par_iter().map(|(mut metrics, pending)| {
            for (tensors, measure) in pending {
                measure(&tensors, &mut metrics)?;
            }
            Ok(metrics)
        });
        // The first error in the order of the batches, not in that of the threads.
        resolved.collect::<Vec<Result<Metrics>>>().into_iter().collect()
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

    /// As on a device: pending metrics are read when they are resolved, in the order of the batches.
    #[test]
    fn pending_metrics_are_resolved_later_and_in_order() {
        let deferred = |value: f32| {
            let tensor = Tensor::new(&[value], &Device::Cpu).unwrap();
            let mut deferred = DeferredMetrics::default();
            deferred.mean("at_once", 1.0, 1.0);
            let measure: Measure = Box::new(move |tensors, metrics| {
                if value < 0.0 {
                    return Err(Error::internal("below zero"));
                }
                metrics.mean("later", number(&tensors[0])?, 1.0);
                Ok(())
            });
            deferred.pending.push(Pending { tensors: vec![tensor], measure });
            deferred
        };
        assert!(!deferred(1.0).is_resolved() && DeferredMetrics::default().is_resolved());
        let resolved =
            DeferredMetrics::resolve_all((0..9u8).map(|i| deferred(f32::from(i))).collect()).unwrap();
        for (i, metrics) in resolved.iter().enumerate() {
            assert_eq!((metrics.value("at_once"), metrics.value("later")), (Some(1.0), Some(i as f64)));
        }
        let mut two = deferred(1.0);
        two.merge(deferred(2.0));
        assert_eq!(two.resolve().unwrap().value("later"), Some(1.5));
        assert!(DeferredMetrics::resolve_all(vec![deferred(1.0), deferred(-1.0)]).is_err());
    }
}
