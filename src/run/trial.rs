//! Stand-in for one trial, from text to scores: writes the records that a real one writes.

use std::time::Duration;

use super::context::TrialContext;
use super::provenance::collect;
use crate::fault::Result;
use crate::spec::Trial;
use crate::track::{Event, Outcome, RECORD_VERSION, Split, Timing, TrialRecord, truncate_after};

/// Stand-in.
pub fn run_trial(trial: &Trial, context: &TrialContext) -> Result<Outcome> {
    let folder = context.folder;
    folder.write_trial(&TrialRecord {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        experiment: context.experiment.into(),
        profile: context.profile.into(),
        point: trial.point.clone(),
        spec: trial.spec.clone(),
        provenance: collect(&context.device),
    })?;
    let first = folder.last_checkpoint().unwrap_or(0);
    truncate_after(&folder.metrics(), first)?;
    let steps = trial.spec.train.steps;
    context.sink.phase("pre-training");
    for step in first + 1..=steps {
        std::thread::sleep(Duration::from_millis(1));
        context.sink.progress(step, steps);
        if step % trial.spec.train.log_every == 0 {
            let values = [("loss".to_string(), 10.0 / step as f64)].into();
            let elapsed_s = step as f64 * 0.001;
            context.sink.event(&Event {
                split: Split::Train,
                step,
                tokens: step,
                flops: 0.0,
                elapsed_s,
                values,
            });
        }
        if context.stop.is_raised() {
            std::fs::create_dir_all(folder.checkpoint(step))
                .map_err(|error| crate::fault::Fault::storage(folder.path(), "write", error))?;
        }
        context.stop.check()?;
    }
    Ok(Outcome {
        record_version: RECORD_VERSION,
        id: trial.id.clone(),
        steps,
        tokens: steps,
        flops: 1e9,
        n_parameters: 1,
        validation: Default::default(),
        scores: Vec::new(),
        timing: Timing::default(),
    })
}
