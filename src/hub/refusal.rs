//! What the hub or its cache refuses, in words: every error names the repository and a remedy.
//!
//! Must never: show a token. Next: `hub.rs` maps hf-hub's errors here.

use std::path::{Component, Path};

use super::cache::Missing;
use super::{OfflineBy, RepoKind};
use crate::error::{Error, ErrorKind, Result};

/// Remedy of everything that only the network could give.
pub const FETCH_HINT: &str = "run `electra-lab fetch SPEC` on a machine with network and copy its cache here, \
    or set HF_HUB_CACHE to a cache that has the files";

/// What is being asked for, for messages.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Data set or model.
    pub kind: RepoKind,
    /// `owner/name`.
    pub repo: &'a str,
    /// Branch, tag or commit.
    pub revision: &'a str,
    /// Names of files.
    pub pattern: &'a str,
}

impl std::fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.repo)
    }
}

/// Refuses names that would leave the cache or the repository.
pub fn check_names(wanted: Wanted<'_>) -> Result<()> {
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let repo_fits =
        wanted.repo.split('/').all(|part| !part.is_empty() && plain(part) && !part.starts_with('.'))
            && wanted.repo.split('/').count() <= 2;
    if !repo_fits {
        return Err(Error::new(
            ErrorKind::Data,
            format!("\"{}\" is not the name of a repository", wanted.repo),
            "write owner/name as on huggingface.co, such as nyu-mll/glue",
        ));
    }
    if wanted.revision.is_empty() || !stays_inside(wanted.revision) {
        return Err(Error::new(
            ErrorKind::Data,
            format!("\"{}\" is not a revision of {wanted}", wanted.revision),
            "write a branch, a tag or a commit, such as main",
        ));
    }
    Ok(())
}

/// Whether a name with folders stays below the folder that it is joined to.
pub fn stays_inside(name: &str) -> bool {
    Path::new(name).components().all(|component| matches!(component, Component::Normal(_)))
}

/// The first few names, and how many more.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len() {
        0 => "nothing".into(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}

/// Names with the pattern's ending, or all where there is none.
fn alike(wanted: Wanted<'_>, names: &[String]) -> Vec<String> {
    let ending = wanted.pattern.rsplit('.').next().unwrap_or_default();
    let alike: Vec<String> = names.iter().filter(|name| name.ends_with(ending)).cloned().collect();
    if alike.is_empty() { names.to_vec() } else { alike }
}

/// The error of a repository without a matching file, and what it has instead.
pub fn no_match(wanted: Wanted<'_>, names: &[String]) -> Error {
    let shown = shortened(&alike(wanted, names));
    Error::new(
        ErrorKind::Data,
        format!("{}; it has {shown}", nothing_matches(wanted)),
        "name one of its files; `*` matches within a name, `**/` any folders",
    )
}

/// Whether an error is [`no_match`] of what was wanted, and not that the repository or a listed file is missing.
pub fn is_no_match(error: &Error, wanted: Wanted<'_>) -> bool {
    error.kind == ErrorKind::Data && error.message.starts_with(&nothing_matches(wanted))
}

fn nothing_matches(wanted: Wanted<'_>) -> String {
    format!("no file of {wanted} at {} matches {}", wanted.revision, wanted.pattern)
}

/// The error of an answer that cannot be understood.
pub fn strange(wanted: Wanted<'_>) -> Error {
    Error::new(
        ErrorKind::Network,
        format!("the hub's answer about {wanted} makes no sense"),
        "check HF_ENDPOINT and any proxy in between, then try again",
    )
}

/// The error of a cache that cannot serve.
pub fn not_cached(cache: &Path, wanted: Wanted<'_>, missing: Missing, by: Option<OfflineBy>) -> Error {
    let what = match missing {
        Missing::Repository => format!("{wanted} is not in the cache {}", cache.display()),
        Missing::Revision { cached } => format!(
            "revision {} of {wanted} is not in the cache {} (it has {})",
            wanted.revision,
            cache.display(),
            shortened(&cached)
        ),
        Missing::Files { cached } => format!(
            "no file of {wanted} in the cache {} matches {} (it has {})",
            cache.display(),
            wanted.pattern,
            shortened(&alike(wanted, &cached))
        ),
        Missing::Shards { names } => {
            format!("the cache {} lacks {} of {wanted}", cache.display(), shortened(&names))
        }
    };
    let (switch, remedy) = match by {
        Some(OfflineBy::Option) => (" (by --offline)", "leave out --offline to allow the download, or "),
        Some(OfflineBy::Variable) => {
            (" (by HF_HUB_OFFLINE)", "unset HF_HUB_OFFLINE to allow the download, or ")
        }
        Some(OfflineBy::Both) => (
            " (by --offline and HF_HUB_OFFLINE)",
            "leave out --offline and unset HF_HUB_OFFLINE to allow the download, or ",
        ),
        None => ("", ""),
    };
    Error::new(ErrorKind::Network, format!("offline{switch}, and {what}"), format!("{remedy}{FETCH_HINT}"))
}

/// An answer with an error status; `code` is the hub's own word for it, where it gave one.
pub fn status_error(status: u16, code: Option<&str>, wanted: Wanted<'_>) -> Error {
    let data = |message: String, hint: &str| Error::new(ErrorKind::Data, message, hint);
    let network = |message: String, hint: &str| Error::new(ErrorKind::Network, message, hint);
    match (status, code) {
        (404, Some("RevisionNotFound")) => data(
            format!("{wanted} has no revision \"{}\" (404)", wanted.revision),
            "name a branch, a tag or a full commit of it; most repositories have main",
        ),
        (404, _) => data(
            format!("the hub has no {wanted} with a revision \"{}\" (404)", wanted.revision),
            "check owner, name and revision on huggingface.co; if it is private, set HF_TOKEN",
        ),
        (401, _) => network(
            format!("the hub wants a valid token for {wanted} (401), or there is no such repository"),
            "check the name; if it is private or gated, set HF_TOKEN to a token that may read it",
        ),
        (403, _) => network(
            format!("the hub refuses {wanted} to this token (403)"),
            "accept the repository's terms on huggingface.co, and set HF_TOKEN to a token that may read it",
        ),
        (429, _) => network(
            format!("the hub answered 429 to a request for {wanted}: too many requests"),
            "wait a few minutes and run the command again; with a token (HF_TOKEN) the hub allows more",
        ),
        _ => network(
            format!("the hub answered {status} to a request for {wanted}"),
            "try again later; see https://status.huggingface.co",
        ),
    }
}
