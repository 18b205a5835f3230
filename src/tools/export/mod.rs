//! Writes a trial's trained networks as folders that transformers loads.
//!
//! ```text
//! DIR/             the encoder that is fine-tuned: ElectraForPreTraining, or ElectraForMaskedLM if the
//!                  objective has no discriminator
//! DIR/generator/   ElectraForMaskedLM, if there is a generator
//! DIR/tasks/T-S/   the model fine-tuned on task T with seed S, if the trial kept it (keep_models):
//!                  ElectraForSequenceClassification for transformers' head; for the paper's head
//!                  ElectraForTokenClassification, whose output at [CLS] is the sequence's; no SQuAD models
//! ```
//! Each holds config.json, model.safetensors, the tokenizer's files; DIR also a model card. Must never: touch
//! the trial's own folder.

mod model_card;

use std::path::{Path, PathBuf};

use super::find_trial::find_trial;
use super::probe::GENERATOR_FOLDER;
use crate::checkpoint::{TrainedNetwork, TrainedNetworks};
use crate::disk::{create_folder, write_whole};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TrialSpec;
use crate::hub::DataEnv;
use crate::model::EncoderNetwork;
use crate::records::checkpoints::FINAL;
use crate::records::folder::TrialFolder;
use crate::records::{Silent, TrialRecord};
use crate::tasks::{LabelKind, classifier_parameters, task_info};
use crate::text::{Tokenizer, open_tokenizer};
use crate::train::Checkpoint;
use model_card::{card, is_card};

/// Folder of the fine-tuned models.
const TASKS_FOLDER: &str = "tasks";

/// The files of an exported network.
const MODEL_FILES: [&str; 6] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
];

/// What to export, and where to.
pub struct ExportOptions {
    /// Prefix of a trial's id, or its folder.
    pub trial: String,
    /// Folder of all results.
    pub results: PathBuf,
    /// Folder to write.
    pub to: PathBuf,
    /// Licence of the weights, for the model card: an identifier of the hub, such as `apache-2.0`.
    pub license: String,
}

/// Exports a trial whose pre-training has ended; returns the folders that were written.
pub fn export(options: &ExportOptions, env: &DataEnv) -> Result<Vec<PathBuf>> {
    let folder = find_trial(&options.results, &options.trial)?;
    let record = folder.trial()?.ok_or_else(|| {
        let what = format!("{} has no trial.json", folder.path().display());
        Error::new(ErrorKind::Storage, what, "give the id or the folder of a trial that was run")
    })?;
    if let Some(published) = &record.spec.published {
        let what = format!("trial {} evaluates the published checkpoint {}", record.id, published.model);
        return Err(Error::new(ErrorKind::Data, what, "export a trial that was pre-trained here"));
    }
    let checkpoint = folder.checkpoints().join(FINAL);
    if !Checkpoint::is_there(&checkpoint) {
        let what = format!("trial {} has no {}", record.id, checkpoint.display());
        let hint = "only trained trials can be exported: run its experiment to the end of pre-training (with --force \
                    where its checkpoints were deleted)";
        return Err(Error::new(ErrorKind::Data, what, hint));
    }
    let outcome = folder.outcome()?;
    let tokenizer = open_tokenizer(&record.spec.data, env, &Silent)?;
    check_tokenizer(&record, &tokenizer)?;
    let checkpoint = Checkpoint::read(&checkpoint)?;
    let (spec, vocab) = (&record.spec, tokenizer.vocab_size());
    let networks =
        TrainedNetworks::new(spec, vocab, |parameters| checkpoint.load_parameters(parameters, |_| true))?;
    let mut written = vec![(options.to.clone(), networks.main)];
    if let Some(generator) = networks.generator {
        written.push((options.to.join(GENERATOR_FOLDER), generator));
    }
    written.extend(finetuned(&record.spec, vocab, &folder, &options.to)?);
    remove_earlier(&options.to, &written.iter().map(|(folder, _)| folder.as_path()).collect::<Vec<_>>())?;
    for (folder, network) in &written {
        network.write(folder, tokenizer.special().pad)?;
        tokenizer.write_files(folder, spec.model.positions)?;
    }
    let text = card(&record, outcome.as_ref(), &options.license);
    create_folder(&options.to)?;
    write_whole(&options.to.join("README.md"), text.as_bytes())?;
    Ok(written.into_iter().map(|(folder, _)| folder).collect())
}

/// Removes the networks of an earlier export that this one does not write: its generator and tasks would
/// stand beside another discriminator. Other files stay.
///
/// # Errors
/// Such a folder was not written by `export`; a file cannot be removed.
fn remove_earlier(to: &Path, written: &[&Path]) -> Result<()> {
    let entries = std::fs::read_dir(to.join(TASKS_FOLDER)).into_iter().flatten().flatten();
    let mut stale: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    stale.push(to.join(GENERATOR_FOLDER));
    stale.retain(|folder| folder.join(MODEL_FILES[0]).is_file() && !written.contains(&folder.as_path()));
    stale.sort();
    let Some(first) = stale.first() else { return Ok(()) };
    let card = std::fs::read_to_string(to.join("README.md")).unwrap_or_default();
    if !is_card(&card) {
        let what = format!("{} has a model that `export` did not write", first.display());
        return Err(Error::new(
            ErrorKind::Storage,
            what,
            "give another folder with --to, or move the model away",
        ));
    }
    for folder in &stale {
        for path in MODEL_FILES.map(|name| folder.join(name)).iter().filter(|path| path.exists()) {
            std::fs::remove_file(path).map_err(|error| Error::storage(path, "remove", error))?;
        }
        // Stays where somebody else has put a file into it.
        let _ = std::fs::remove_dir(folder);
    }
    let _ = std::fs::remove_dir(to.join(TASKS_FOLDER));
    Ok(())
}

/// The fine-tuned models that the trial kept, with the folder for each.
fn finetuned(
    spec: &TrialSpec,
    vocab: usize,
    folder: &TrialFolder,
    to: &Path,
) -> Result<Vec<(PathBuf, TrainedNetwork)>> {
    let network = EncoderNetwork::of_spec(&spec.model, vocab);
    let mut kept = Vec::new();
    // The paper's head on SQuAD fits no class of transformers; the weights stay in the trial's folder.
    for &task in spec.evaluate.tasks.iter().filter(|task| !task.is_squad()) {
        for seed in 1..=u64::from(spec.evaluate.finetune_seeds) {
            let path = folder.finetuned(task, seed);
            if !path.is_file() {
                continue;
            }
            let (labels, head) = (task_info(task).labels, spec.evaluate.finetune.head);
            let parameters = classifier_parameters(&network, labels, head)?;
            Checkpoint::read(&path)?.load_parameters(&parameters, |_| true)?;
            let names = match labels {
                LabelKind::Classes(names) => names.iter().map(|name| name.to_string()).collect(),
                LabelKind::Score { .. } => vec!["score".into()],
            };
            let classifier = TrainedNetwork::classifier(network, head, names, &parameters);
            kept.push((to.join(TASKS_FOLDER).join(format!("{task}-{seed}")), classifier));
        }
    }
    Ok(kept)
}

/// Refuses a tokenizer other than the one that the weights were trained with.
fn check_tokenizer(record: &TrialRecord, tokenizer: &Tokenizer) -> Result<()> {
    let then = &record.provenance.corpus.tokenizer_hash;
    if then == tokenizer.hash() {
        return Ok(());
    }
    let what = format!(
        "trial {} was trained with another tokenizer (hash {then}, now {})",
        record.id,
        tokenizer.hash()
    );
    let hint = "restore the tokenizer that trial.json names, or run the trial afresh with --force";
    Err(Error::new(ErrorKind::Data, what, hint))
}

#[cfg(test)]
mod tests;
