//! Resolves a data section to documents: finds the files, resolves the revision, and identifies the content
//! by a hash.
//!
//! Must never: read a document's text, except to hash local files. Next: `build.rs` packs the documents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::documents::{Documents, is_text};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, SentenceRule};
use crate::formats::parquet::FileOrigin;
use crate::hub::{DataEnv, HubFiles, RepoKind, local_files, same_file};
use crate::records::Sink;
use crate::text::synthetic;

/// Documents of the built-in language that are hashed into its identity.
const LANGUAGE_SAMPLES: u64 = 64;

/// Names the rules of `sentences.rs`; another name with every change of them.
const SPLITTING: &str = "sentences 1";

/// The text of a data section, not yet read.
#[derive(Clone, Debug)]
pub struct TextSource {
    /// Documents to train on; if `held_out` is None, some of them are held out.
    pub documents: Documents,
    /// Separate documents to hold out.
    pub held_out: Option<Documents>,
    /// Hash of everything that decides the documents.
    pub identity: String,
    /// Repository, patterns or `built-in language`.
    pub name: String,
    /// Commit; `local` or `built-in` otherwise.
    pub revision: String,
}

/// Resolves a data section, and downloads missing files.
pub fn open_source(spec: &DataSpec, env: &DataEnv, sink: &dyn Sink) -> Result<TextSource> {
    match spec {
        DataSpec::Language { documents, seed } => Ok(language_source(*seed, *documents)),
        DataSpec::Hub {
            repo, revision, files, validation_files, column, max_documents, sentences, ..
        } => {
            sink.phase(&format!("finding {files} of {repo}"));
            let found = env.hub.files(RepoKind::Dataset, repo, revision, files)?;
            let mut identity = Identity::new("hub", column, *max_documents);
            identity.add_rule(*sentences);
            identity.add_hub(repo, &found)?;
            let documents = |files: HubFiles| Documents::Files {
                paths: files.into_paths(),
                column: column.clone(),
                limit: *max_documents,
                sentences: *sentences,
                origin: FileOrigin::Hub,
            };
            let held_out = if validation_files.is_empty() {
                None
            } else {
                let held_out = env.hub.files(RepoKind::Dataset, repo, revision, validation_files)?;
                identity.add("validation");
                identity.add_hub(repo, &held_out)?;
                Some(documents(held_out))
            };
            Ok(TextSource {
                revision: found.revision.clone(),
                documents: documents(found),
                held_out,
                identity: identity.finish(),
                name: format!("{repo} {files}"),
            })
        }
        DataSpec::Files { paths, column, max_documents, sentences, .. } => {
            sink.phase("reading local files");
            let mut found: Vec<PathBuf> = Vec::new();
            let mut seen = BTreeSet::new();
            let mut identity = Identity::new("files", column, *max_documents);
            identity.add_rule(*sentences);
            for path in paths {
                for file in local_files(path)? {
                    check_ending(&file)?;
                    // Two patterns may name one file, `a.txt` and `./a.txt` too: it is read once.
                    if seen.insert(same_file(&file)) {
                        identity.add_content(&file)?;
                        found.push(file);
                    }
                }
            }
            Ok(TextSource {
                documents: Documents::Files {
                    paths: found,
                    column: column.clone(),
                    limit: *max_documents,
                    sentences: *sentences,
                    origin: FileOrigin::Local,
                },
                held_out: None,
                identity: identity.finish(),
                name: paths.join(", "),
                revision: "local".into(),
            })
        }
    }
}

/// Rejects a local file that is neither text nor Parquet by its name.
fn check_ending(path: &Path) -> Result<()> {
    if is_text(path) || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Data,
        format!("{} is not a .txt or .parquet file", path.display()),
        "rename or convert it: .txt has one sentence per line and a blank line between documents, .parquet has a \
         column of texts",
    ))
}

/// The language is code, so a sample of its documents is hashed: the hash changes when the code changes.
fn language_source(seed: u64, n: u64) -> TextSource {
    let mut identity = Identity::new("language", "", Some(n));
    identity.add(&seed.to_string());
    let step = (n / LANGUAGE_SAMPLES).max(1) as usize;
    for index in (0..n).step_by(step) {
        identity.add(&synthetic::document(seed, index).join("\n"));
    }
    TextSource {
        documents: Documents::Language { seed, n },
        held_out: None,
        identity: identity.finish(),
        name: "built-in language".into(),
        revision: "built-in".into(),
    }
}

/// A hash over length-prefixed parts.
struct Identity(blake3::Hasher);

impl Identity {
    fn new(kind: &str, column: &str, limit: Option<u64>) -> Self {
        let mut identity = Self(blake3::Hasher::new());
        identity.add(kind);
        identity.add(column);
        identity.add(&format!("{limit:?}"));
        identity
    }

    /// A rule that is not the default; that one was there before the others.
    fn add_rule(&mut self, rule: SentenceRule) {
        if rule == SentenceRule::Split {
            self.add(SPLITTING);
        }
    }

    fn add(&mut self, part: &str) {
        self.0.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }

    fn add_hub(&mut self, repo: &str, files: &HubFiles) -> Result<()> {
        self.add(repo);
        self.add(&files.revision);
        for (name, path) in &files.paths {
            let size = std::fs::metadata(path).map_err(|error| Error::storage(path, "read", error))?.len();
            self.add(&format!("{name} {size}"));
        }
        Ok(())
    }

    fn add_content(&mut self, path: &Path) -> Result<()> {
        let unreadable = |error| {
            let message = format!("cannot read {}", path.display());
            Error::new(ErrorKind::Data, message, "check the path and its permissions").because(error)
        };
        let mut hasher = blake3::Hasher::new();
        std::fs::File::open(path)
            .and_then(|file| hasher.update_reader(file).map(drop))
            .map_err(unreadable)?;
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        self.add(&format!("{extension} {}", hasher.finalize().to_hex()));
        Ok(())
    }

    fn finish(self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Silent;

    #[test]
    fn identity_follows_content_not_names() {
        let folder = tempfile::tempdir().unwrap();
        let env = DataEnv::at(folder.path());
        let open_by = |name: &str, text: &str, limit: Option<u64>, sentences: SentenceRule| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let spec = DataSpec::Files {
                paths: vec![
                    path.display().to_string(),
                    format!("{}/{name}*", folder.path().display()),
                    format!("{}/./{name}", folder.path().display()),
                ],
                column: "text".into(),
                max_documents: limit,
                sentences,
                tokenizer: Default::default(),
            };
            open_source(&spec, &env, &Silent).unwrap().identity
        };
        let open = |name: &str, text: &str, limit| open_by(name, text, limit, SentenceRule::Line);
        let identity = open("a.txt", "One.", None);
        assert_eq!(open("b.txt", "One.", None), identity);
        assert_ne!(open("a.txt", "Two.", None), identity);
        assert_ne!(open("a.txt", "One.", Some(3)), identity);
        assert_ne!(open_by("a.txt", "One.", None, SentenceRule::Split), identity);
        assert_ne!(language_source(0, 10).identity, language_source(1, 10).identity);
        assert_ne!(language_source(0, 10).identity, language_source(0, 11).identity);
    }

    #[test]
    fn local_files_are_text_or_parquet() {
        check_ending(Path::new("a/b.TXT")).unwrap();
        check_ending(Path::new("a/b.parquet")).unwrap();
        let error = check_ending(Path::new("a/b.jsonl")).unwrap_err();
        insta::assert_snapshot!(error, @r"
        a/b.jsonl is not a .txt or .parquet file
        hint: rename or convert it: .txt has one sentence per line and a blank line between documents, .parquet has a column of texts
        ");
        assert!(check_ending(Path::new("a/txt")).is_err());
    }
}
