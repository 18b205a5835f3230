//! The errors of the hub and of its cache. Each names the repository and a remedy.
//!
//! Must never: show a token.

use std::path::Path;

use super::cache::CacheMiss;
use super::config::OfflineBy;
use super::download::Trouble;
use super::failure::Failure;
use super::request::FileRequest;
use crate::error::{Error, ErrorKind};

/// The remedy for files that only the network can give.
pub const FETCH_HINT: &str = "run `electra-lab fetch EXPERIMENT` on a machine with network and copy its cache here, \
    or set HF_HUB_CACHE to a cache that has the files";

/// The first few names, and the number of the others.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 6;
    // Names from the hub may hold control characters.
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
    match names.len() {
        0 => "nothing".into(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}

/// The names with the pattern's file extension, or all names if there are none.
fn similar_names(request: FileRequest<'_>, names: &[String]) -> Vec<String> {
    let ending = request.pattern.rsplit('.').next().unwrap_or_default();
    let similar: Vec<String> = names.iter().filter(|name| name.ends_with(ending)).cloned().collect();
    if similar.is_empty() { names.to_vec() } else { similar }
}

/// The error of a repository without a matching file; lists some of its files.
pub fn no_match(request: FileRequest<'_>, names: &[String]) -> Error {
    let shown = shortened(&similar_names(request, names));
    Error::new(
        ErrorKind::Data,
        format!("no file of {request} at {} matches {}; it has {shown}", request.revision, request.pattern),
        "name one of its files; `*` matches within a name, `**/` matches any folders",
    )
}

/// The error of an answer that is not in the expected format.
pub fn unexpected_answer(request: FileRequest<'_>) -> Error {
    Error::new(
        ErrorKind::Network,
        format!("the hub's answer about {request} is not in the expected format"),
        "check HF_ENDPOINT and any proxy in between, then try again",
    )
}

/// The error of a cache that does not have the requested files.
pub fn not_cached(
    cache: &Path,
    request: FileRequest<'_>,
    miss: CacheMiss,
    offline_by: Option<OfflineBy>,
) -> Error {
    let what = match miss {
        CacheMiss::Repository => format!("{request} is not in the cache {}", cache.display()),
        CacheMiss::Revision { cached } => format!(
            "revision {} of {request} is not in the cache {} (it has {})",
            request.revision,
            cache.display(),
            shortened(&cached)
        ),
        CacheMiss::Files { cached, .. } => format!(
            "no file of {request} in the cache {} matches {} (it has {})",
            cache.display(),
            request.pattern,
            shortened(&similar_names(request, &cached))
        ),
        CacheMiss::Missing { names } => {
            format!("the cache {} lacks {} of {request}", cache.display(), shortened(&names))
        }
    };
    let (switch, remedy) = match offline_by {
        Some(OfflineBy::Option) => {
            (" (by --offline)".into(), "leave out --offline to allow the download, or ".into())
        }
        Some(OfflineBy::Variable(name)) => {
            (format!(" (by {name})"), format!("unset {name} to allow the download, or "))
        }
        Some(OfflineBy::Both(name)) => (
            format!(" (by --offline and {name})"),
            format!("leave out --offline and unset {name} to allow the download, or "),
        ),
        None => (String::new(), String::new()),
    };
    Error::new(ErrorKind::Network, format!("offline{switch}, and {what}"), format!("{remedy}{FETCH_HINT}"))
}

/// The error of a download.
pub fn of_trouble(trouble: Trouble, request: FileRequest<'_>) -> Error {
    match trouble {
        Trouble::Local(error) => error,
        Trouble::Hub(failure) => of_failure(failure, request),
        Trouble::File(name, Failure::Status { status: 404, host: None, .. }) => Error::new(
            ErrorKind::Data,
            format!("{name} is listed in {request} but the hub does not find it (404)"),
            "pin another revision, or try again later",
        ),
        Trouble::File(name, failure) if failure.is_temporary() => Error::new(
            ErrorKind::Network,
            format!("{name} of {request} could not be downloaded: {}", failure.reason()),
            "run the command again: what is complete is kept, and large files are continued",
        ),
        Trouble::File(_, failure) => of_failure(failure, request),
    }
}

/// The error of a request.
fn of_failure(failure: Failure, request: FileRequest<'_>) -> Error {
    let network = |message: String, hint: &str| Error::new(ErrorKind::Network, message, hint);
    match failure {
        Failure::Interrupted => interrupted(),
        Failure::Status { status: 429, retry_after, host: None, .. } => {
            let wait =
                retry_after.map_or("a few minutes".into(), |wait| format!("{} seconds", wait.as_secs()));
            network(
                format!("the hub answered 429 to a request for {request}: too many requests"),
                &format!(
                    "wait {wait} and run the command again; with a token (HF_TOKEN) the hub allows more"
                ),
            )
        }
        Failure::Status { status, code, host: None, .. } => status_error(status, code.as_deref(), request),
        Failure::Malformed(reason) => unexpected_answer(request).because(reason),
        Failure::Disk(reason) => Error::new(
            ErrorKind::Storage,
            format!("cannot write the hub's cache while downloading {request}"),
            "check the space and the permissions of HF_HUB_CACHE",
        )
        .because(reason),
        Failure::Unreachable(reason) => network(
            format!("cannot reach the hub for {request}, and the cache does not have it"),
            &format!("check the network and HF_ENDPOINT, or {FETCH_HINT}"),
        )
        .because(reason),
        other => network(
            format!("the hub does not give {request}"),
            "check HF_ENDPOINT and any proxy in between, then try again",
        )
        .because(other.reason()),
    }
}

/// The error of a download that a person or a time limit stopped.
pub fn interrupted() -> Error {
    Error::new(
        ErrorKind::Interrupted,
        "interrupted while downloading",
        "run the same command again to continue",
    )
}

/// The error of an HTTP status; `code` is the hub's own error code, if it sent one.
pub fn status_error(status: u16, code: Option<&str>, request: FileRequest<'_>) -> Error {
    let data = |message: String, hint: &str| Error::new(ErrorKind::Data, message, hint);
    let network = |message: String, hint: &str| Error::new(ErrorKind::Network, message, hint);
    match (status, code) {
        (404, Some("RevisionNotFound")) => data(
            format!("{request} has no revision \"{}\" (404)", request.revision),
            "name a branch, a tag or a full commit of it; most repositories have main",
        ),
        (404, _) => data(
            format!("the hub has no {request} with a revision \"{}\" (404)", request.revision),
            "check owner, name and revision on huggingface.co; if it is private, set HF_TOKEN",
        ),
        (401, _) => network(
            format!("the hub needs a valid token for {request} (401), or there is no such repository"),
            "check the name; if it is private or gated, set HF_TOKEN to a token that may read it",
        ),
        (403, _) => network(
            format!("the hub does not allow this token to read {request} (403)"),
            "accept the repository's terms on huggingface.co, and set HF_TOKEN to a token that may read it",
        ),
        _ => network(
            format!("the hub answered {status} to a request for {request}"),
            "try again later; see https://status.huggingface.co",
        ),
    }
}
