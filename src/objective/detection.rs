//! Metrics of detection: how well replaced tokens are distinguished from original ones.
//!
//! Must never: compute a gradient. Next: `rtd.rs`.

use candle_core::Tensor;

use super::deferred_metrics::DeferredMetrics;
use super::metrics::{DETECTION_LOSS, Metrics, REPLACED_SHARE, Ranking};
use crate::error::Result;

/// The precision at which `disc_recall_at_50` is taken.
const PRECISION: f64 = 0.5;

/// Adds the share of replaced tokens, and metrics of the logits `[T]` for "replaced".
///
/// They are `disc_accuracy` over all tokens, over the replaced and over the original ones, precision and
/// recall of "replaced" (the recall is the accuracy on the replaced ones), `disc_loss`, the mean
/// cross-entropy over all tokens, from which `rtd_loss_ratio` follows, `disc_auc`, the area under the ROC
/// curve, and `disc_recall_at_50`, the largest recall at a precision of at least [`PRECISION`], over all
/// thresholds. The area is a mean over micro-batches. The recall is taken at a threshold for each
/// micro-batch, and merges as the share of all replaced tokens that are found. `replaced` `[T]` is 1 or 0.
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
    let loss = |(&logit, &truth): (&f32, &bool)| softplus(f64::from(if truth { -logit } else { logit }));
    metrics.add(DETECTION_LOSS, logits.iter().zip(replaced).map(loss).sum(), n);
    let ranking = Ranking::new(logits, |i| replaced[i]);
    metrics.add("disc_recall_at_50", ranking.found_at_precision(PRECISION) as f64, n_replaced);
    if let Some(area) = ranking.area() {
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
    metrics.add(REPLACED_SHARE, n as f64, replaced.len() as f64);
}

/// log(1 + e^x).
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// From the highest logit on, replaced + and original -: + - - + -. At the fourth the precision is a
    /// half, with both replaced tokens found. Losses: ln(1 + e^-2), ln(1 + e^1), ln(1 + e^0.5), ln(1 + e^-3)
    /// and ln(1 + e^-0.1), over the entropy 0.673 of two replaced tokens in five.
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
        disc_loss 0.621
        disc_precision 0.500
        disc_recall 0.500
        disc_recall_at_50 1.000
        replaced_share 0.400
        rtd_loss_ratio 0.923
        ");
    }
}
