//! Requests for files of the hub, and their results.

use std::path::{Component, Path, PathBuf};

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

/// Whether a name with folders stays below the folder that it is joined to.
pub fn stays_inside(name: &str) -> bool {
    Path::new(name).components().all(|component| matches!(component, Component::Normal(_)))
}
