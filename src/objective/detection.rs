//! Metrics of detection: how well replaced tokens are distinguished from original ones.
//!
//! Must never: compute a gradient. Next: `rtd.rs`.

use candle_core::Tensor;

use super::deferred_metrics::DeferredMetrics;
use super::metrics::{Metrics, area_under_curve};
use crate::error::Result;

/// Adds the share of replaced tokens, and metrics of the logits `[T]` for "replaced".
///
/// They are `disc_accuracy` over all tokens, over the replaced and over the original ones, precision and
/// recall of "replaced" (the recall is the accuracy on the replaced ones), and `disc_auc`, the area under the
/// ROC curve. The area is a mean over micro-batches. `replaced` `[T]` is 1 or 0.
pub fn measure_detection(logits: &Tensor, replaced: &Tensor, metrics: &mut DeferredMetrics) -> Result<()> {
    metrics.defer(&[logits, replaced], |resolved, metrics| {
        measure(&resolved[0].to_vec1()?, &is_replaced(&resolved[1])?, metrics);
        Ok(())
    })
}

/// Whether each of the labels `[T]`, 1 or 0, is 1. Waits for their device.
pub fn is_replaced(replaced: &Tensor) -> Result<Vec<bool>> {
    Ok(replaced.to_vec1::<f32>()?.into_iter().map(|label| label > 0.5).collect())
}

fn measure(logits: &[f32], replaced: &[bool], metrics: &mut Metrics) {
    let count = |wanted: &dyn Fn(bool, bool) -> bool| {
        let pairs = logits.iter().zip(replaced);
        pairs.filter(|(logit, truth)| wanted(**logit > 0.0, **truth)).count() as f64
    };
    let n = replaced.len() as f64;
    let (n_predicted, n_replaced) = (count(&|guess, _| guess), count(&|_, truth| truth));
    let hits = count(&|guess, truth| guess && truth);
    add_share(replaced, metrics);
    metrics.add("disc_accuracy", count(&|guess, truth| guess == truth), n);
    metrics.add("disc_accuracy_replaced", hits, n_replaced);
    metrics.add("disc_accuracy_original", count(&|guess, truth| !guess && !truth), n - n_replaced);
    metrics.add("disc_precision", hits, n_predicted);
    metrics.add("disc_recall", hits, n_replaced);
    if let Some(area) = area_under_curve(logits, |i| replaced[i]) {
        metrics.mean("disc_auc", area, 1.0);
    }
}

/// Adds the share of replaced tokens, for objectives that do not detect them.
pub fn measure_replaced(replaced: &Tensor, metrics: &mut DeferredMetrics) -> Result<()> {
    metrics.defer(&[replaced], |resolved, metrics| {
        add_share(&is_replaced(&resolved[0])?, metrics);
        Ok(())
    })
}

fn add_share(replaced: &[bool], metrics: &mut Metrics) {
    let n = replaced.iter().filter(|&&replaced| replaced).count();
    metrics.add("replaced_share", n as f64, replaced.len() as f64);
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn detection_metrics_by_hand() {
        let logits = Tensor::new(&[2f32, -1.0, 0.5, -3.0, -0.1], &Device::Cpu).unwrap();
        let replaced = Tensor::new(&[1f32, 1.0, 0.0, 0.0, 0.0], &Device::Cpu).unwrap();
        let mut metrics = DeferredMetrics::default();
        measure_detection(&logits, &replaced, &mut metrics).unwrap();
        let lines = metrics
            .resolve()
            .unwrap()
            .values()
            .into_iter()
            .map(|(name, value)| format!("{name} {value:.3}\n"));
        insta::assert_snapshot!(lines.collect::<String>(), @r"
        disc_accuracy 0.600
        disc_accuracy_original 0.667
        disc_accuracy_replaced 0.500
        disc_auc 0.667
        disc_precision 0.500
        disc_recall 0.500
        replaced_share 0.400
        ");
    }
}
