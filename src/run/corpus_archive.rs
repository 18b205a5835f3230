//! The corpora of an experiment in one file, and out of it on another machine.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, Experiment};
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::text::{ArchivedCorpus, export_archive, import_archive};

/// Writes the corpora of an experiment's trials into an archive.
///
/// # Errors
/// No trial is pre-trained; a text cannot be had; the file exists or cannot be written.
pub fn export_corpus(
    experiment: &Experiment,
    to: &Path,
    offline: bool,
    sink: &dyn Sink,
) -> Result<Vec<ArchivedCorpus>> {
    let mut texts: Vec<(&DataSpec, Vec<usize>)> = Vec::new();
    for spec in experiment.all_trials().map(|trial| &trial.spec).filter(|spec| spec.published.is_none()) {
        let seq_len = spec.train.seq_len;
        match texts.iter_mut().find(|(data, _)| *data == &spec.data) {
            Some((_, lengths)) if lengths.contains(&seq_len) => {}
            Some((_, lengths)) => lengths.push(seq_len),
            None => texts.push((&spec.data, vec![seq_len])),
        }
    }
    if texts.is_empty() {
        let what = format!("no trial of {} is pre-trained", experiment.path.display());
        return Err(Error::new(ErrorKind::Spec, what, "give an experiment without `published`"));
    }
    export_archive(&texts, to, &DataEnv::new(offline)?, sink)
}

/// Puts the corpora of an archive into the cache.
///
/// # Errors
/// The file is not a corpus archive or is damaged; the cache cannot be written.
pub fn import_corpus(from: &Path, sink: &dyn Sink) -> Result<Vec<ArchivedCorpus>> {
    import_archive(from, &DataEnv::new(true)?, sink)
}
