//! The local files that a trial reads, and marks that tell cheaply whether they changed.
//!
//! Must never: read their content. Next: `finished_inputs.rs`, which does where a mark differs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::experiment::{DataSpec, PublishedSpec, TokenizerSpec, TrialSpec};
use crate::hub::local_files;

/// A mark of every local input of a trial, by its path in the specification: a hash of the names, sizes and
/// times of its files. Where a file changes, the mark does; the reverse need not hold.
pub fn stamps(spec: &TrialSpec) -> BTreeMap<String, String> {
    local_files_of(spec).into_iter().map(|(name, files)| (name, stamp(&files))).collect()
}

/// One mark of all; None where there is no local input.
pub fn one_mark(stamps: &BTreeMap<String, String>) -> Option<String> {
    let text = || stamps.iter().map(|(name, stamp)| format!("{name} {stamp}\n")).collect::<String>();
    (!stamps.is_empty()).then(|| blake3::hash(text().as_bytes()).to_hex()[..16].to_string())
}

fn local_files_of(spec: &TrialSpec) -> BTreeMap<String, Vec<PathBuf>> {
    let mut inputs = BTreeMap::new();
    if spec.published.is_none() {
        if let DataSpec::Files { paths, .. } = &spec.data {
            let files = paths.iter().map(|path| (path.clone(), local_files(path).unwrap_or_default()));
            inputs.extend(files);
        }
        if let Some(TokenizerSpec::File { path }) = spec.data.tokenizer() {
            inputs.insert(path.clone(), vec![path.into()]);
        }
    }
    for published in checkpoints(spec).filter(|published| is_local(published)) {
        let entries = std::fs::read_dir(&published.model).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        files.sort();
        inputs.insert(published.model.clone(), files);
    }
    inputs
}

fn stamp(files: &[PathBuf]) -> String {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        // Time as text: nothing here reads a clock, and only equality counts.
        let state = std::fs::metadata(file).map(|data| (data.len(), format!("{:?}", data.modified().ok())));
        hasher.update(format!("{}\n{:?}\n", file.display(), state.ok()).as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_string()
}

fn checkpoints(spec: &TrialSpec) -> impl Iterator<Item = &PublishedSpec> {
    spec.published.iter().chain(spec.init.checkpoints().map(|(_, published)| published))
}

/// Whether a checkpoint is a folder, not a hub repository.
pub fn is_local(published: &PublishedSpec) -> bool {
    Path::new(&published.model).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::a_trial;

    #[test]
    fn a_mark_changes_with_the_files_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let (text, model) = (folder.path().join("a.txt"), folder.path().join("model"));
        std::fs::write(&text, "One.").unwrap();
        std::fs::create_dir(&model).unwrap();
        let mut spec = a_trial(1).spec;
        assert_eq!(one_mark(&stamps(&spec)), None, "the built-in language has no files");
        spec.data = DataSpec::Files {
            paths: vec![folder.path().join("*.txt").display().to_string()],
            column: "text".into(),
            max_documents: None,
            sentences: Default::default(),
            tokenizer: TokenizerSpec::Own { size: 100, documents: 10 },
        };
        let model_name = model.display().to_string();
        spec.init.discriminator = Some(PublishedSpec { model: model_name, revision: "main".into() });
        let first = stamps(&spec);
        assert_eq!((first.len(), &first), (2, &stamps(&spec)));
        std::fs::write(&text, "Two. Three.").unwrap();
        std::fs::write(model.join("config.json"), "{}").unwrap();
        let second = stamps(&spec);
        assert!(first.iter().zip(&second).all(|(one, other)| one.0 == other.0 && one.1 != other.1));
        std::fs::write(folder.path().join("b.txt"), "").unwrap();
        assert_ne!(stamps(&spec), second, "another file matches the pattern");
        // What another machine does not have has a mark too, which is never that of the files.
        spec.data = DataSpec::Files {
            paths: vec!["nowhere/*.txt".into()],
            column: "text".into(),
            max_documents: None,
            sentences: Default::default(),
            tokenizer: TokenizerSpec::Own { size: 100, documents: 10 },
        };
        assert_eq!(stamps(&spec).len(), 2);
    }
}
