//! The text of a data section with its tokenizer, the text itself, or the record of an imported one.
//!
//! Finding a text may download it and hashes its files, which takes minutes for a large one: a [`TextOpener`]
//! does it at most once, however many tokenizers and corpora are made of it. Next: `build.rs`, which finds or
//! builds its corpus.

use std::cell::OnceCell;
use std::sync::Arc;

use super::imported::{self, ImportedText};
use super::source::{TextSource, open_source};
use crate::error::Result;
use crate::experiment::DataSpec;
use crate::hub::DataEnv;
use crate::records::Sink;
use crate::text::tokenizer::{Tokenizer, open_tokenizer_with};

/// A data section whose source and tokenizer are opened when they are first asked for.
pub struct TextOpener<'a> {
    data: &'a DataSpec,
    env: &'a DataEnv,
    source: OnceCell<Result<TextSource>>,
    tokenizer: OnceCell<Arc<Tokenizer>>,
}

/// A text that a corpus can be built from.
pub(super) struct PretrainingText {
    pub tokenizer: Arc<Tokenizer>,
    /// The documents, or why they are not available; then only imported corpora can be used.
    pub source: Result<TextSource>,
    /// Repository, patterns or `built-in language`.
    pub name: String,
    /// Commit; `local` or `built-in` otherwise.
    pub revision: String,
    /// Hash of everything that decides the documents.
    pub identity: String,
}

impl<'a> TextOpener<'a> {
    /// Opens nothing yet.
    pub fn new(data: &'a DataSpec, env: &'a DataEnv) -> Self {
        Self { data, env, source: OnceCell::new(), tokenizer: OnceCell::new() }
    }

    /// The data section.
    pub fn data(&self) -> &'a DataSpec {
        self.data
    }

    /// Where data comes from and is kept on this machine.
    pub(super) fn env(&self) -> &'a DataEnv {
        self.env
    }

    /// The tokenizer that the data section asks for.
    ///
    /// # Errors
    /// Those of [`open_tokenizer`](crate::text::open_tokenizer).
    pub fn tokenizer(&self, sink: &dyn Sink) -> Result<Arc<Tokenizer>> {
        if let Some(tokenizer) = self.tokenizer.get() {
            return Ok(tokenizer.clone());
        }
        let tokenizer = Arc::new(open_tokenizer_with(self.data, self.env, sink, || self.source(sink))?);
        Ok(self.tokenizer.get_or_init(|| tokenizer).clone())
    }

    /// A hash of everything that decides the documents.
    ///
    /// # Errors
    /// The text is not available.
    pub fn identity(&self, sink: &dyn Sink) -> Result<String> {
        Ok(self.source(sink)?.identity)
    }

    fn source(&self, sink: &dyn Sink) -> Result<TextSource> {
        self.source.get_or_init(|| open_source(self.data, self.env, sink)).clone()
    }

    /// The text with its tokenizer.
    ///
    /// # Errors
    /// The text is not available and was not imported.
    pub(super) fn text(&self, sink: &dyn Sink) -> Result<PretrainingText> {
        let error = match self.source(sink) {
            Ok(source) => {
                let tokenizer = self.tokenizer(sink)?;
                let TextSource { name, revision, identity, .. } = source.clone();
                return Ok(PretrainingText { tokenizer, source: Ok(source), name, revision, identity });
            }
            Err(error) => error,
        };
        let Some(ImportedText { record, tokenizer }) = imported::find(self.data, self.env)? else {
            return Err(error);
        };
        sink.phase(&format!("using the imported corpus of {}", record.name));
        let (name, revision, identity) = (record.name, record.revision, record.identity);
        Ok(PretrainingText { tokenizer: Arc::new(tokenizer), source: Err(error), name, revision, identity })
    }
}
