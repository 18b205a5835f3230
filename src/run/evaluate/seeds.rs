//! The seeds of the fine-tuning runs of a task, and which of the runs are still to be made.

use crate::error::Result;
use crate::experiment::TrialSpec;

/// Seeds of the fine-tuning runs of each task.
pub fn seeds(spec: &TrialSpec) -> impl Iterator<Item = u64> + use<> {
    1..=u64::from(spec.evaluate.finetune_seeds)
}

/// The seeds whose run is not complete.
pub fn missing_seeds(spec: &TrialSpec, is_complete: impl Fn(u64) -> Result<bool>) -> Result<Vec<u64>> {
    let mut missing = Vec::new();
    for seed in seeds(spec) {
        if !is_complete(seed)? {
            missing.push(seed);
        }
    }
    Ok(missing)
}
