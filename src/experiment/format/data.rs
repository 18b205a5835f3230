//! The pre-training text and the tokenizer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pre-training text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DataSpec {
    /// The built-in synthetic language: needs no download and has its own vocabulary. Its numbers are marked
    /// synthetic.
    Language {
        /// Documents to generate.
        #[serde(default = "default_documents")]
        #[schemars(range(min = 10, max = 100000000))]
        documents: u64,
        /// Seed of the language's documents and tasks; its world and grammar are fixed.
        #[serde(default)]
        seed: u64,
    },
    /// A Hugging Face data set in Parquet.
    Hub {
        /// Repository, `owner/name`.
        repo: String,
        /// Branch, tag or commit; a commit makes the numbers reproducible.
        #[serde(default = "default_revision")]
        revision: String,
        /// Files of the training split inside the repository; `*` matches within a name.
        #[serde(default = "default_pattern")]
        files: String,
        /// Files of the held-out split; empty holds out a share of the training documents.
        #[serde(default)]
        validation_files: String,
        /// Column that holds the text of a document.
        #[serde(default = "default_column")]
        column: String,
        /// Reads at most this many documents.
        #[serde(default)]
        #[schemars(range(min = 1))]
        max_documents: Option<u64>,
        /// What a sentence is: a line, or a part of a line.
        #[serde(default, skip_serializing_if = "SentenceRule::is_line")]
        #[schemars(extend("default" = "line"))]
        sentences: SentenceRule,
        /// WordPiece tokenizer.
        #[serde(default)]
        tokenizer: TokenizerSpec,
    },
    /// Local text files (`.txt`: one sentence per line, a blank line between documents) or Parquet files.
    Files {
        /// Paths, relative to the folder where the command runs; `*` matches within a name and `**/` any
        /// folders, but not what begins with a dot. A file of several names is read once.
        paths: Vec<String>,
        /// Column that holds the text, for Parquet files.
        #[serde(default = "default_column")]
        column: String,
        /// Reads at most this many documents.
        #[serde(default)]
        #[schemars(range(min = 1))]
        max_documents: Option<u64>,
        /// What a sentence is: a line, or a part of a line.
        #[serde(default, skip_serializing_if = "SentenceRule::is_line")]
        #[schemars(extend("default" = "line"))]
        sentences: SentenceRule,
        /// WordPiece tokenizer.
        #[serde(default)]
        tokenizer: TokenizerSpec,
    },
}

/// What the packer takes as a sentence. It throws away the tokens that do not fit into an example, so a long
/// "sentence" costs more of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SentenceRule {
    /// A line of the text.
    #[default]
    Line,
    /// Lines are paragraphs, and are split by the rules of Unicode (UAX #29), except after abbreviations and
    /// initials.
    Split,
}

impl SentenceRule {
    fn is_line(&self) -> bool {
        *self == Self::Line
    }
}

/// A WordPiece tokenizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TokenizerSpec {
    /// `tokenizer.json` of a model repository.
    Hub {
        /// Repository, `owner/name`.
        #[serde(default = "default_tokenizer_repo")]
        repo: String,
        /// Branch, tag or commit.
        #[serde(default = "default_revision")]
        revision: String,
    },
    /// A local `tokenizer.json` or `vocab.txt`.
    File {
        /// Path, relative to the folder where the command runs.
        path: String,
    },
    /// A vocabulary learnt from the training text, uncased; kept in the cache. For models that see too few
    /// tokens to learn BERT's 30,522.
    Own {
        /// Number of tokens, including special tokens and single letters.
        #[serde(default = "default_vocabulary")]
        #[schemars(range(min = 10, max = 1000000))]
        size: usize,
        /// Learns it from at most this many documents, the first ones.
        #[serde(default = "default_documents")]
        #[schemars(range(min = 1, max = 100000000))]
        documents: u64,
    },
}

fn default_vocabulary() -> usize {
    4096
}

fn default_documents() -> u64 {
    20_000
}

fn default_revision() -> String {
    "main".into()
}

fn default_pattern() -> String {
    "**/train-*.parquet".into()
}

fn default_column() -> String {
    "text".into()
}

fn default_tokenizer_repo() -> String {
    "google-bert/bert-base-uncased".into()
}

impl Default for DataSpec {
    fn default() -> Self {
        Self::Language { documents: default_documents(), seed: 0 }
    }
}

impl Default for TokenizerSpec {
    fn default() -> Self {
        Self::Hub { repo: default_tokenizer_repo(), revision: default_revision() }
    }
}

impl DataSpec {
    /// Whether the text is synthetic (the built-in language): its numbers are marked so.
    pub fn is_synthetic(&self) -> bool {
        matches!(self, Self::Language { .. })
    }

    /// The tokenizer; None for the built-in language, which has its own vocabulary.
    pub fn tokenizer(&self) -> Option<&TokenizerSpec> {
        match self {
            Self::Language { .. } => None,
            Self::Hub { tokenizer, .. } | Self::Files { tokenizer, .. } => Some(tokenizer),
        }
    }

    /// The repository or path of the tokenizer, for messages.
    pub fn tokenizer_name(&self) -> &str {
        match self.tokenizer() {
            None => "of the built-in language",
            Some(TokenizerSpec::Hub { repo, .. }) => repo,
            Some(TokenizerSpec::File { path }) => path,
            Some(TokenizerSpec::Own { .. }) => "of the training text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids of trials hash the data section: a key of later versions is left out where it changes nothing.
    #[test]
    fn the_rule_of_sentences_is_written_only_if_it_splits() {
        let read = |text: &str| serde_json::from_str::<DataSpec>(text).unwrap();
        for data in [r#"{"kind": "hub", "repo": "a/b"}"#, r#"{"kind": "files", "paths": ["a.txt"]}"#] {
            let written = serde_json::to_string(&read(data)).unwrap();
            assert!(!written.contains("sentences"), "{written}");
            let split = data.replace('}', r#", "sentences": "split"}"#);
            let written = serde_json::to_string(&read(&split)).unwrap();
            assert!(written.contains(r#""sentences":"split""#), "{written}");
            assert_eq!(read(&written), read(&split));
        }
    }
}
