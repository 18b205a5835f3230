//! Whether an input fits into the position table.

use super::violation::{Violation, violation};
use crate::experiment::trial::TrialSpec;

/// The violation of a length beyond the position table.
pub(crate) fn too_long(trial: &TrialSpec, path: &str, length: usize) -> Option<Violation> {
    let positions = trial.model.positions;
    (length > positions).then(|| {
        let what = format!("is longer than the position table, model.positions ({positions})");
        let hint = format!("lower it to at most {positions}, or raise model.positions to {length}");
        violation(path, &["model.positions"], what, hint)
    })
}
