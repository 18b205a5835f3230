//! Downloads from the hub. The only file that knows hf-hub.
//!
//! hf-hub 1.0 leaves three things to its caller, and this file does them. It does not read HF_HUB_OFFLINE. It
//! does not check the status of a download that was redirected, so it would cache an error page as the file.
//! It does not compare sizes. So every file is checked against the size in the hub's listing; a file of
//! another size is fetched again, then removed and reported. Must never: show a token.

use std::path::PathBuf;

use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFClientSync, HFError, HFRepositorySync, RepoType, split_id};

use super::cache::{self, CacheMiss};
use super::config::HubConfig;
use super::errors::{self, FETCH_HINT, no_match, status_error, unexpected_answer};
use super::pattern;
use super::request::{FileRequest, HubFiles, RepoKind, stays_inside};
use crate::error::{Error, ErrorKind, Result};

/// Attempts to download one file.
const MAX_ATTEMPTS: u32 = 3;

/// The hub and its cache on this machine.
#[derive(Clone)]
pub struct Hub {
    pub(super) config: HubConfig,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("cache", &self.cache()).field("offline", &self.config.offline).finish()
    }
}

impl Hub {
    /// Contacts nothing; the first request for a file does.
    pub fn new(config: HubConfig) -> Self {
        Self { config }
    }

    /// Folder of the hub's cache.
    pub fn cache(&self) -> PathBuf {
        self.config.cache.clone().unwrap_or_else(hf_hub::resolve_cache_dir)
    }

    /// Whether the network is never used.
    pub fn offline(&self) -> bool {
        self.config.offline
    }

    /// All files of a repository whose names match `pattern` (see `pattern.rs`); downloads those that are not
    /// in the cache. If the hub cannot be reached, a complete cache is enough.
    ///
    /// # Errors
    /// The network, the hub or the cache fails, or no name matches; the message says which, with a remedy.
    pub fn files(&self, kind: RepoKind, repo: &str, revision: &str, pattern: &str) -> Result<HubFiles> {
        let request = FileRequest { kind, repo, revision, pattern };
        request.check_names()?;
        if self.config.offline {
            return self
                .find_cached(request)
                .map_err(|miss| errors::not_cached(&self.cache(), request, miss, self.config.offline_by));
        }
        let client = self.client()?;
        let (owner, name) = split_id(repo);
        let resolved = match kind {
            RepoKind::Dataset => {
                client.dataset(owner, name).info().revision(revision).send().map(|info| info.sha)
            }
            RepoKind::Model => {
                client.model(owner, name).info().revision(revision).send().map(|info| info.sha)
            }
        };
        let commit = match resolved {
            Ok(Some(commit)) => commit,
            Ok(None) => return Err(unexpected_answer(request).because("it names no commit")),
            Err(error) if unreachable(&error) => {
                return self.find_cached(request).map_err(|_| hub_error(error, request));
            }
            Err(error) => return Err(hub_error(error, request)),
        };
        let files = match kind {
            RepoKind::Dataset => self.download(&client.dataset(owner, name), &commit, request),
            RepoKind::Model => self.download(&client.model(owner, name), &commit, request),
        }?;
        cache::write_ref(&self.cache(), request, &commit)?;
        Ok(files)
    }

    /// Like [`Self::files`], but None if the revision exists and none of its files matches.
    pub fn files_if_any(
        &self,
        kind: RepoKind,
        repo: &str,
        revision: &str,
        pattern: &str,
    ) -> Result<Option<HubFiles>> {
        let request = FileRequest { kind, repo, revision, pattern };
        match self.files(kind, repo, revision, pattern) {
            Ok(files) => Ok(Some(files)),
            Err(_)
                if self.config.offline
                    && matches!(self.find_cached(request), Err(CacheMiss::Files { .. })) =>
            {
                Ok(None)
            }
            Err(error) if errors::is_no_match(&error, request) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn client(&self) -> Result<HFClientSync> {
        let mut builder = HFClient::builder()
            .cache_dir(self.cache())
            .retry_max_attempts(self.config.retries)
            .retry_base_delay(self.config.retry_delay / 2)
            .user_agent(concat!("electra-lab/", env!("CARGO_PKG_VERSION")));
        if let Some(endpoint) = &self.config.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(token) = &self.config.token {
            builder = builder.token(token);
        }
        builder.build_sync().map_err(|error| {
            Error::new(
                ErrorKind::Network,
                "cannot set up the connection to the hub",
                "check that HF_ENDPOINT is an address such as https://huggingface.co and that certificates are \
                 installed",
            )
            .because(error)
        })
    }

    fn download<T: RepoType>(
        &self,
        repository: &HFRepositorySync<T>,
        commit: &str,
        request: FileRequest<'_>,
    ) -> Result<HubFiles> {
        let entries = repository.list_tree().revision(commit).recursive(true).send();
        let mut listed: Vec<(String, u64)> = entries
            .map_err(|error| hub_error(error, request))?
            .into_iter()
            .filter_map(|entry| match entry {
                RepoTreeEntry::File { path, size, .. } => Some((path, size)),
                RepoTreeEntry::Directory { .. } => None,
            })
            .collect();
        listed.sort();
        let (matching, others): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|(name, _)| pattern::matches(request.pattern, name));
        if matching.is_empty() {
            let names: Vec<String> = others.into_iter().map(|(name, _)| name).collect();
            return Err(no_match(request, &names));
        }
        let mut paths = Vec::with_capacity(matching.len());
        for (name, size) in matching {
            // A name from the hub becomes a path below the cache.
            if !stays_inside(&name) {
                return Err(unexpected_answer(request).because(format!("it lists a file named {name}")));
            }
            let path = self.download_file(repository, commit, &name, size, request)?;
            paths.push((name, path));
        }
        Ok(HubFiles { revision: commit.to_string(), paths })
    }

    /// Downloads one file unless the cache has it, and checks its size.
    fn download_file<T: RepoType>(
        &self,
        repository: &HFRepositorySync<T>,
        commit: &str,
        name: &str,
        size: u64,
        request: FileRequest<'_>,
    ) -> Result<PathBuf> {
        let mut reason = String::new();
        for attempt in 0..MAX_ATTEMPTS {
            std::thread::sleep(self.config.retry_delay * attempt);
            let sent =
                repository.download_file().filename(name).revision(commit).force_download(attempt > 0).send();
            match sent {
                Ok(path) => match std::fs::metadata(&path) {
                    Ok(metadata) if metadata.len() == size => return Ok(path),
                    Ok(metadata) => {
                        reason = format!("got {} bytes, expected {size}", metadata.len());
                        if attempt + 1 == MAX_ATTEMPTS {
                            cache::remove(&path);
                        }
                    }
                    Err(error) => return Err(Error::storage(&path, "read", error)),
                },
                Err(HFError::Request { source, .. }) if source.is_body() || source.is_decode() => {
                    reason = "the connection broke".into();
                }
                Err(error) => return Err(hub_error(error, request)),
            }
        }
        Err(Error::new(
            ErrorKind::Network,
            format!(
                "{name} of {request} could not be downloaded completely in {MAX_ATTEMPTS} attempts: {reason}"
            ),
            "run the command again: complete files are kept",
        ))
    }

    fn find_cached(&self, request: FileRequest<'_>) -> std::result::Result<HubFiles, CacheMiss> {
        cache::find(&self.cache(), request)
    }
}

/// Whether the hub did not answer, so that the cache may be used instead.
fn unreachable(error: &HFError) -> bool {
    match error {
        HFError::Request { source, .. } => !source.is_decode(),
        HFError::Http { context } => context.status.is_server_error(),
        _ => false,
    }
}

/// Translates an error of hf-hub.
fn hub_error(error: HFError, request: FileRequest<'_>) -> Error {
    let network = |message: String, hint: &str| Error::new(ErrorKind::Network, message, hint);
    match error {
        HFError::RateLimited { retry_after, .. } => {
            let wait =
                retry_after.map_or("a few minutes".into(), |wait| format!("{} seconds", wait.as_secs()));
            network(
                format!("the hub answered 429 to a request for {request}: too many requests"),
                &format!(
                    "wait {wait} and run the command again; with a token (HF_TOKEN) the hub allows more"
                ),
            )
        }
        HFError::AuthRequired { context }
        | HFError::Forbidden { context }
        | HFError::Http { context }
        | HFError::RepoNotFound { context: Some(context), .. }
        | HFError::RevisionNotFound { context: Some(context), .. } => {
            status_error(context.status.as_u16(), context.error_code.as_deref(), request)
        }
        HFError::RepoNotFound { .. } | HFError::RevisionNotFound { .. } => status_error(404, None, request),
        HFError::EntryNotFound { path, .. } => Error::new(
            ErrorKind::Data,
            format!("{path} is listed in {request} but the hub does not find it (404)"),
            "pin another revision, or try again later",
        ),
        HFError::Request { source, .. } if source.is_decode() => {
            unexpected_answer(request).because(root_cause(&source.without_url()))
        }
        HFError::Request { source, .. } => network(
            format!("cannot reach the hub for {request}, and the cache does not have it"),
            &format!("check the network and HF_ENDPOINT, or {FETCH_HINT}"),
        )
        .because(root_cause(&source.without_url())),
        HFError::CacheLockTimeout { path } => Error::new(
            ErrorKind::Busy,
            format!("another process is downloading the same file of {request} ({})", path.display()),
            "run the command again when the other one has finished",
        ),
        HFError::Io(error) => Error::new(
            ErrorKind::Storage,
            format!("cannot write the hub's cache while downloading {request}"),
            "check the space and the permissions of HF_HUB_CACHE",
        )
        .because(error),
        other => unexpected_answer(request).because(other),
    }
}

/// The innermost cause of an error: `Connection refused` says more than `error sending request`.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
