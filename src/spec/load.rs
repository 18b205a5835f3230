//! Stand-in: reads a file without profiles, overrides or sweeps.

use std::path::{Path, PathBuf};

use super::{ExperimentSpec, Trial, TrialSpec};
use crate::fault::{Fault, FaultKind, Result};

/// Stand-in.
pub struct Experiment {
    /// File.
    pub path: PathBuf,
    /// Chosen profile.
    pub profile: String,
    /// All profiles.
    pub profiles: Vec<String>,
    /// Effective specification.
    pub spec: ExperimentSpec,
    /// Trials.
    pub trials: Vec<Trial>,
}

/// Stand-in.
pub fn load(path: &Path, profile: Option<&str>, _sets: &[String]) -> Result<Experiment> {
    let fault = |error: String| {
        Fault::new(FaultKind::Spec, format!("cannot read {}", path.display()), "check the file")
            .because(error)
    };
    let text = std::fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    let spec: ExperimentSpec = serde_yaml::from_str(&text).map_err(|error| fault(error.to_string()))?;
    let trials = spec
        .seeds
        .iter()
        .map(|&seed| {
            let base = spec.base.clone();
            let spec = TrialSpec {
                seed,
                model: base.model,
                objective: base.objective,
                data: base.data,
                train: base.train,
                evaluate: spec.evaluate.clone(),
            };
            Trial { id: spec.id(), point: Vec::new(), spec }
        })
        .collect();
    Ok(Experiment {
        path: path.into(),
        profile: profile.unwrap_or("default").into(),
        profiles: Vec::new(),
        spec,
        trials,
    })
}

/// Stand-in.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ExperimentSpec).into()
}
