//! How well replaced tokens are told from original ones.
//!
//! Must never: compute a gradient. Next: `rtd.rs`.

use candle_core::Tensor;

use super::deferred_metrics::DeferredMetrics;
use super::metrics::{Metrics, area_under_curve};
use crate::error::Result;

/// Adds the share of replaced tokens, and how logits [T] for "replaced" do: `disc_accuracy` over all tokens, over the
/// replaced ones and over the original ones, precision and recall of "replaced" (the recall is the accuracy on the
/// replaced ones), and `disc_auc`, the area under the ROC curve, a mean over what was computed at a time. `replaced` [T] is 1 or 0.
pub fn measure_detection(logits: &Tensor, replaced: &Tensor, metrics: &mut DeferredMetrics) -> Result<()> {
    metrics.defer(&[logits, replaced], |read, metrics| {
        measure(&read[0].to_vec1()?, &truths(&read[1])?, metrics);
        Ok(())
    })
}

/// Of labels [T], 1 or 0, which are 1; waits for their device.
pub fn truths(replaced: &Tensor) -> Result<Vec<bool>> {
    Ok(replaced.to_vec1::<f32>()?.into_iter().map(|label| label > 0.5).collect())
}

fn measure(scores: &[f32], replaced: &[bool], metrics: &mut Metrics) {
    let count = |wanted: &dyn Fn(bool, bool) -> bool| {
        let pairs = scores.iter().zip(replaced);
        pairs.filter(|(score, truth)| wanted(**score > 0.0, **truth)).count() as f64
    };
    let n = replaced.len() as f64;
    let (said, are) = (count(&|guess, _| guess), count(&|_, truth| truth));
    let hits = count(&|guess, truth| guess && truth);
    add_share(replaced, metrics);
    metrics.add("disc_accuracy", count(&|guess, truth| guess == truth), n);
    metrics.add("disc_accuracy_replaced", hits, are);
    metrics.add("disc_accuracy_original", count(&|guess, truth| !guess && !truth), n - are);
    metrics.add("disc_precision", hits, said);
    metrics.add("disc_recall", hits, are);
    if let Some(area) = area_under_curve(scores, |i| replaced[i]) {
        metrics.mean("disc_auc", area, 1.0);
    }
}

/// Adds the share of replaced tokens, where nothing tells them from original ones.
pub fn measure_replaced(replaced: &Tensor, metrics: &mut DeferredMetrics) -> Result<()> {
    metrics.defer(&[replaced], |read, metrics| {
        add_share(&truths(&read[0])?, metrics);
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
    fn measures_by_hand() {
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
