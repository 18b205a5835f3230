//! Traces the first steps of a trial: writes all that another framework needs to check them into one file.
//!
//! The steps are the ones that `run` takes (same batches, masks, samples, dropout, schedule and optimizer,
//! through `Stepper`); the trial's own folder is neither read nor written. The file is a safetensors file.
//! Floating-point tensors are f32, all others int64. k counts steps from 0; T tokens in the batch, B
//! sequences:
//!
//! | name | shape | what |
//! | --- | --- | --- |
//! | `initial/<parameter>` | | each parameter before the first step |
//! | `step.<k>/ids`, `types`, `offsets` | T, T, B+1 | the batch; sequence b begins at `offsets[b]` |
//! | `step.<k>/<traced>` | | what the objective computed: `objective/step.rs` has names and shapes |
//! | `step.<k>/loss` | scalar | what is minimised |
//! | `step.<k>/learning_rate`, `gradient_norm` | scalars | the norm of all gradients before clipping |
//! | `step.<k>/gradient/<parameter>` | | of `loss`, before clipping; of the parameters that the step trains |
//! | `step.<k>/updated/<parameter>` | | after the step |
//!
//! The one metadata entry, `trace`, is JSON: see `Header`. `scripts/check_trace.py` repeats the steps of such
//! a file in PyTorch. Must never: compute a number of a step itself. Next: `train/step.rs`.

use std::path::PathBuf;

use candle_core::{Device, Tensor};
use serde::Serialize;

use crate::disk::{check_folder, write_whole};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Experiment, Trial, TrialId, TrialSpec};
use crate::flops;
use crate::formats::tensor_file::TensorFile;
use crate::hub::DataEnv;
use crate::objective::build;
use crate::records::Sink;
use crate::run::device::{DeviceChoice, check_precision, choose};
use crate::run::{InitialWeights, PreparedText, check_only};
use crate::text::{Batch, TextOpener};
use crate::train::{Optimizer, Stepper};

/// Version of the names and meanings above; readers refuse any other.
const FORMAT_VERSION: u32 = 1;

/// Options of a trace.
pub struct TraceOptions {
    /// Prefix of the trial's id; None takes the first trial.
    pub only: Option<String>,
    /// Steps to take.
    pub n_steps: u64,
    /// The file to write.
    pub out: PathBuf,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Uses caches only.
    pub offline: bool,
}

/// What was traced.
pub struct Traced {
    /// The trial.
    pub id: TrialId,
    /// Its point and seed.
    pub label: String,
    /// Bytes of the file.
    pub n_bytes: u64,
    /// Whether dropout was on; its masks are not in the file.
    pub has_dropout: bool,
}

/// The file's metadata.
#[derive(Serialize)]
struct Header<'a> {
    /// [`FORMAT_VERSION`].
    format_version: u32,
    /// Version of this crate.
    electra_lab: &'static str,
    /// The trial's id.
    trial: &'a TrialId,
    /// The trial's specification, every value written out.
    spec: &'a TrialSpec,
    /// Steps in the file.
    n_steps: u64,
    /// Steps of the whole trial, over which the learning rate decays.
    total_steps: u64,
    /// The `[MASK]` token.
    mask_token: u32,
    /// Tokens that are never masked.
    never_masked: &'a [u32],
}

/// Traces the first steps of one of an experiment's trials into a file.
///
/// # Errors
/// There is no such trial, it has fewer steps, or the file's folder is missing or not writable (all before
/// anything is computed); the data cannot be had; training diverges.
pub fn trace_experiment(experiment: &Experiment, options: &TraceOptions, sink: &dyn Sink) -> Result<Traced> {
    let trial = select(experiment, options.only.as_deref())?;
    check_folder("--out", &options.out)?;
    let device = choose(options.device)?;
    check_precision(&device, [trial])?;
    let bytes = trace(trial, options.n_steps, &device, &DataEnv::new(options.offline)?, sink)?;
    write_whole(&options.out, &bytes)?;
    let model = &trial.spec.model;
    Ok(Traced {
        id: trial.id.clone(),
        label: trial.label(),
        n_bytes: bytes.len() as u64,
        has_dropout: model.dropout > 0.0 || model.attention_dropout > 0.0,
    })
}

/// The first trial, or the first whose id starts with `only`.
fn select<'a>(experiment: &'a Experiment, only: Option<&str>) -> Result<&'a Trial> {
    let prefix = only.unwrap_or_default();
    if only.is_some() {
        check_only(prefix, experiment.trials.iter().map(|trial| &trial.id))?;
    }
    let found = experiment.trials.iter().find(|trial| trial.id.0.starts_with(prefix));
    found.ok_or_else(|| Error::internal("an experiment without trials was loaded"))
}

/// Takes the first `n_steps` steps of a trial and returns the file's bytes.
fn trace(trial: &Trial, n_steps: u64, device: &Device, env: &DataEnv, sink: &dyn Sink) -> Result<Vec<u8>> {
    let spec = &trial.spec;
    if let Some(published) = &spec.published {
        let what = format!("trial {} evaluates {} and pre-trains nothing", trial.id, published.model);
        return Err(Error::new(ErrorKind::Spec, what, "trace a trial without `published`"));
    }
    let opener = TextOpener::new(&spec.data, env);
    let Some(total_steps) = flops::resolved_steps(spec, opener.tokenizer(sink)?.vocab_size()) else {
        let what = format!("trial {} has a budget in seconds, so its steps depend on a clock", trial.id);
        return Err(Error::new(ErrorKind::Spec, what, "trace it with --set base.train.budget=steps"));
    };
    let spec = &spec.with_steps(total_steps);
    if n_steps > total_steps {
        return Err(Error::new(
            ErrorKind::Spec,
            format!("--steps {n_steps}: trial {} has {total_steps} steps", trial.id),
            format!("pass --steps {total_steps} or less, or raise train.steps"),
        ));
    }
    let text = PreparedText::open(&opener, spec.train.seq_len, sink)?;
    let vocabulary = text.vocabulary(&spec.objective);
    let objective = build(spec, &vocabulary, device)?;
    InitialWeights::open(spec, &text.tokenizer, env)?.load(objective.as_ref())?;
    let mut entries = TensorFile::default();
    for parameter in objective.parameters().iter() {
        entries.add(format!("initial/{}", parameter.name), parameter.var.as_tensor())?;
    }
    let mut optimizer = Optimizer::new((&spec.train).into(), objective.parameters())?;
    let (seed, objective) = (spec.seed, objective.as_ref());
    let stepper = Stepper { seed, spec: &spec.train, n_steps: total_steps, objective, trace: true };
    sink.phase("tracing");
    for k in 0..n_steps {
        let batch = text.corpus.batch_at(seed, k, spec.train.batch);
        add_step(&mut entries, k, &stepper, &mut optimizer, batch)?;
        sink.progress(k + 1, n_steps);
    }
    let header = Header {
        format_version: FORMAT_VERSION,
        electra_lab: env!("CARGO_PKG_VERSION"),
        trial: &trial.id,
        spec,
        n_steps,
        total_steps,
        mask_token: vocabulary.mask,
        never_masked: &vocabulary.never_masked,
    };
    let header = serde_json::to_string(&header)
        .map_err(|error| Error::internal("cannot write the trace's header as JSON").because(error))?;
    entries.into_bytes("trace", header)
}

/// Takes step `k` on a batch and adds its tensors.
fn add_step(
    entries: &mut TensorFile,
    k: u64,
    stepper: &Stepper,
    optimizer: &mut Optimizer,
    batch: Batch,
) -> Result<()> {
    let step = stepper.step(optimizer, k, batch.clone())?;
    let offsets: Vec<u32> = batch.offsets.iter().map(|&offset| offset as u32).collect();
    for (name, values) in [("ids", &batch.input_ids), ("types", &batch.token_type_ids), ("offsets", &offsets)]
    {
        let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
        entries.add(format!("step.{k}/{name}"), &tensor)?;
    }
    for (name, tensor) in &step.losses.trace {
        entries.add(format!("step.{k}/{name}"), tensor)?;
    }
    entries.add(format!("step.{k}/loss"), &step.losses.total)?;
    for (name, value) in [("learning_rate", step.rate), ("gradient_norm", step.norm.wait()?)] {
        entries.add(format!("step.{k}/{name}"), &Tensor::new(value as f32, &Device::Cpu)?)?;
    }
    for (index, parameter) in stepper.objective.parameters().iter().enumerate() {
        // One that the step does not train has none. A trained one without a gradient has already stopped the
        // step.
        if let Some(gradient) = optimizer.gradient(index)? {
            entries.add(format!("step.{k}/gradient/{}", parameter.name), &gradient)?;
        }
        entries.add(format!("step.{k}/updated/{}", parameter.name), parameter.var.as_tensor())?;
    }
    Ok(())
}

#[cfg(all(test, feature = "cuda"))]
mod cuda_tests;
#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod tests;
