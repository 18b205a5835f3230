//! Times making a packed corpus: documents are read, tokenised, packed into examples and written.
//!
//! Nothing is reused: the corpus goes into a temporary folder.

use std::time::Instant;

use serde::Serialize;

use super::step::{on_threads, peak_rss_mib};
use crate::error::{Error, Result};
use crate::experiment::TrialSpec;
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::run::PreparedText;
use crate::text::TextOpener;

/// What was timed.
#[derive(Clone, Debug, Serialize)]
pub struct CorpusResult {
    /// Where the text came from.
    pub source: String,
    /// Tokens per example.
    pub seq: usize,
    /// Threads that computed.
    pub threads: usize,
    /// Seconds from opening the files to the finished corpus.
    pub seconds: f64,
    /// Tokens of the training examples, `[CLS]` and `[SEP]` counted.
    pub tokens: u64,
    /// Tokens per second.
    pub tokens_per_s: f64,
    /// Peak resident memory; absent where the system does not report it.
    pub peak_rss_mib: Option<u64>,
    /// Version of this crate.
    pub version: &'static str,
}

/// Makes the corpus of a trial.
pub fn corpus(
    spec: &TrialSpec,
    threads: Option<usize>,
    offline: bool,
    sink: &dyn Sink,
) -> Result<CorpusResult> {
    let mut env = DataEnv::new(offline)?;
    let folder = tempfile::tempdir().map_err(|error| {
        Error::internal("cannot make a folder for the corpus in the system's temporary folder").because(error)
    })?;
    env.cache = folder.path().to_path_buf();
    on_threads(threads, |threads| {
        let began = Instant::now();
        let opener = TextOpener::new(&spec.data, &env);
        let corpus = PreparedText::open(&opener, spec.train.seq_len, sink)?.corpus;
        let seconds = began.elapsed().as_secs_f64();
        Ok(CorpusResult {
            source: corpus.provenance().source,
            seq: spec.train.seq_len,
            threads,
            seconds,
            tokens: corpus.n_tokens(),
            tokens_per_s: corpus.n_tokens() as f64 / seconds,
            peak_rss_mib: peak_rss_mib(),
            version: env!("CARGO_PKG_VERSION"),
        })
    })
}
