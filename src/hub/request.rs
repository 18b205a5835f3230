//! Requests for files of the hub, and their results.

use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    /// A data set.
    Dataset,
    /// A model.
    Model,
}

/// Files of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFiles {
    /// The commit of the revision.
    pub revision: String,
    /// Name in the repository and path on this disk, sorted by name; never empty.
    pub paths: Vec<(String, PathBuf)>,
}

impl HubFiles {
    /// The paths alone.
    pub fn into_paths(self) -> Vec<PathBuf> {
        self.paths.into_iter().map(|(_, path)| path).collect()
    }
}

/// A request for the files of one revision whose names match a pattern.
#[derive(Clone, Copy)]
pub struct FileRequest<'a> {
    /// Data set or model.
    pub kind: RepoKind,
    /// `owner/name`.
    pub repo: &'a str,
    /// Branch, tag or commit.
    pub revision: &'a str,
    /// Pattern of file names; see `pattern.rs`.
    pub pattern: &'a str,
}

/// The repository, for messages: `dataset nyu-mll/glue`.
impl std::fmt::Display for FileRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            RepoKind::Dataset => "dataset",
            RepoKind::Model => "model",
        };
        write!(f, "{kind} {}", self.repo)
    }
}

impl FileRequest<'_> {
    /// Rejects names that would point outside the cache or the repository.
    pub fn check_names(&self) -> Result<()> {
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let is_name =
            self.repo.split('/').all(|part| !part.is_empty() && is_plain(part) && !part.starts_with('.'))
                && self.repo.split('/').count() <= 2;
        if !is_name {
            return Err(Error::new(
                ErrorKind::Data,
                format!("\"{}\" is not the name of a repository", self.repo),
                "write owner/name as on huggingface.co, such as nyu-mll/glue",
            ));
        }
        if self.revision.is_empty() || !stays_inside(self.revision) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("\"{}\" is not a revision of {self}", self.revision),
                "write a branch, a tag or a commit, such as main",
            ));
        }
        Ok(())
    }
}

/// Whether a name with folders stays below the folder that it is joined to, and is the name of a file there.
/// Names come from the hub, so each is checked before it becomes a path.
pub fn stays_inside(name: &str) -> bool {
    let is_plain = |part: &str| {
        let has_drive = cfg!(windows) && part.contains(':');
        !["", ".", ".."].contains(&part)
            && !part.contains('\\')
            && !part.chars().any(char::is_control)
            && !has_drive
    };
    name.split('/').all(is_plain)
}

/// Whether a text is the full name of a commit.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leaves_its_folder_is_refused() {
        for name in ["a", "a/b.txt", ".hidden", "a..b", "fünf/α β"] {
            assert!(stays_inside(name), "{name}");
        }
        for name in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "a/../b",
            "../a",
            ".",
            "a//b",
            "a/",
            "a\\b",
            "a\nb",
            "a\0b",
            "a/./b",
        ] {
            assert!(!stays_inside(name), "{name:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_leaves_its_folder(name in r"([./\\\PC]|\.\./){0,12}") {
            use std::path::{Component, Path};
            let joined = Path::new("/cache/snapshot").join(&name);
            let below = joined.strip_prefix("/cache/snapshot").ok();
            let is_below = below.is_some_and(|path| {
                let mut parts = path.components();
                path.file_name().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
            });
            proptest::prop_assert!(is_below || !stays_inside(&name));
        }
    }

    #[test]
    fn a_commit_is_a_full_hash() {
        assert!(is_commit(&"0123456789abcdef".repeat(3)[..40]));
        let paths = [
            "main",
            "",
            "/tmp/0123456789abcdef0123456789abcdef012345",
            "../456789abcdef0123456789abcdef01234567",
        ];
        assert!(!paths.into_iter().any(is_commit));
    }
}
