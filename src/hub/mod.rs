//! Files of the Hugging Face hub: downloaded, or found in its cache. The only file that knows hf-hub.
//!
//! hf-hub 1.0 leaves three things to its caller, which are done here: it does not read HF_HUB_OFFLINE; it does not
//! look at the status of a download that was redirected (an error page would be cached as the file); and it does
//! not compare sizes. Every file is therefore checked against the size that the hub's listing gives, and what is
//! short or long is fetched again, then removed and reported.
//! Must never: be touched by a run on built-in or local data, nor show a token.

pub mod cache;
pub mod env;
pub mod model_folder;
pub mod pattern;
pub mod refusal;

pub use env::DataEnv;
pub use model_folder::model_folder;

use std::path::PathBuf;
use std::time::Duration;

use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFClientSync, HFError, HFRepositorySync, RepoType, split_id};

use crate::error::{Error, ErrorKind, Result};
use cache::Missing;
use refusal::{FETCH_HINT, Wanted, check_names, no_match, status_error, stays_inside, strange};

/// Downloads of one file before its transfer is given up.
const TRANSFERS: u32 = 3;
/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoKind {
    /// A data set.
    Dataset,
    /// A model.
    Model,
}

impl RepoKind {
    fn word(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Model => "model",
        }
    }
}

/// What keeps this process off the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineBy {
    /// `--offline`.
    Option,
    /// HF_HUB_OFFLINE.
    Variable,
    /// Both.
    Both,
}

/// How to reach the hub. What is None is taken from the environment as Hugging Face's libraries do: HF_ENDPOINT,
/// HF_HUB_CACHE or HF_HOME, HF_TOKEN or the token file.
#[derive(Clone)]
pub struct HubConfig {
    /// Address of the hub.
    pub endpoint: Option<String>,
    /// Folder of the hub's cache.
    pub cache: Option<PathBuf>,
    /// Token for private and gated repositories.
    pub token: Option<String>,
    /// Never use the network.
    pub offline: bool,
    /// What a person set to be offline, for messages; None where that is not known.
    pub offline_by: Option<OfflineBy>,
    /// Repetitions of a request that the hub could not serve just now.
    pub retries: usize,
    /// Wait before the first repetition; it doubles each time.
    pub retry_delay: Duration,
}

impl Default for HubConfig {
    fn default() -> Self {
        let retry_delay = Duration::from_millis(500);
        Self {
            endpoint: None,
            cache: None,
            token: None,
            offline: false,
            offline_by: None,
            retries: 4,
            retry_delay,
        }
    }
}

/// Files of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFiles {
    /// The commit that the revision stands for.
    pub revision: String,
    /// Name in the repository and path here, sorted by name; never empty.
    pub paths: Vec<(String, PathBuf)>,
}

impl HubFiles {
    /// The paths alone.
    pub fn into_paths(self) -> Vec<PathBuf> {
        self.paths.into_iter().map(|(_, path)| path).collect()
    }
}

/// The hub and its cache on this machine.
#[derive(Clone)]
pub struct Hub {
    config: HubConfig,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("cache", &self.cache()).field("offline", &self.config.offline).finish()
    }
}

impl Hub {
    /// A hub; nothing is contacted before the first file is asked for.
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

    /// All files of a repository whose names match `pattern` (see `pattern.rs`), downloaded where the cache lacks
    /// them. Where the hub cannot be reached, a complete cache will do.
    ///
    /// # Errors
    /// Network, hub or cache refuse, or nothing matches; the message says which and what to do.
    pub fn files(&self, kind: RepoKind, repo: &str, revision: &str, pattern: &str) -> Result<HubFiles> {
        let wanted = Wanted { kind, repo, revision, pattern };
        check_names(wanted)?;
        if self.config.offline {
            return self.cached(wanted).map_err(|missing| {
                refusal::not_cached(&self.cache(), wanted, missing, self.config.offline_by)
            });
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
            Ok(None) => return Err(strange(wanted).because("it names no commit")),
            Err(error) if unreachable(&error) => {
                return self.cached(wanted).map_err(|_| hub_error(error, wanted));
            }
            Err(error) => return Err(hub_error(error, wanted)),
        };
        let files = match kind {
            RepoKind::Dataset => self.download(&client.dataset(owner, name), &commit, wanted),
            RepoKind::Model => self.download(&client.model(owner, name), &commit, wanted),
        }?;
        cache::write_ref(&self.cache(), wanted, &commit)?;
        Ok(files)
    }

    /// The same, or None where the revision is there and none of its files matches.
    pub fn files_if_any(
        &self,
        kind: RepoKind,
        repo: &str,
        revision: &str,
        pattern: &str,
    ) -> Result<Option<HubFiles>> {
        let wanted = Wanted { kind, repo, revision, pattern };
        match self.files(kind, repo, revision, pattern) {
            Ok(files) => Ok(Some(files)),
            Err(_) if self.config.offline && matches!(self.cached(wanted), Err(Missing::Files { .. })) => {
                Ok(None)
            }
            Err(error) if refusal::is_no_match(&error, wanted) => Ok(None),
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
                "the connection to the hub cannot be set up",
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
        wanted: Wanted<'_>,
    ) -> Result<HubFiles> {
        let entries = repository.list_tree().revision(commit).recursive(true).send();
        let mut listed: Vec<(String, u64)> = entries
            .map_err(|error| hub_error(error, wanted))?
            .into_iter()
            .filter_map(|entry| match entry {
                RepoTreeEntry::File { path, size, .. } => Some((path, size)),
                RepoTreeEntry::Directory { .. } => None,
            })
            .collect();
        listed.sort();
        let (matching, others): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|(name, _)| pattern::matches(wanted.pattern, name));
        if matching.is_empty() {
            let names: Vec<String> = others.into_iter().map(|(name, _)| name).collect();
            return Err(no_match(wanted, &names));
        }
        let mut paths = Vec::with_capacity(matching.len());
        for (name, size) in matching {
            // The hub's names become paths below the cache.
            if !stays_inside(&name) {
                return Err(strange(wanted).because(format!("it lists a file named {name}")));
            }
            let path = self.transfer(repository, commit, &name, size, wanted)?;
            paths.push((name, path));
        }
        Ok(HubFiles { revision: commit.to_string(), paths })
    }

    /// Downloads one file unless it is there, until its size is right.
    fn transfer<T: RepoType>(
        &self,
        repository: &HFRepositorySync<T>,
        commit: &str,
        name: &str,
        size: u64,
        wanted: Wanted<'_>,
    ) -> Result<PathBuf> {
        let mut reason = String::new();
        for transfer in 0..TRANSFERS {
            std::thread::sleep(self.config.retry_delay * transfer);
            let sent = repository
                .download_file()
                .filename(name)
                .revision(commit)
                .force_download(transfer > 0)
                .send();
            match sent {
                Ok(path) => match std::fs::metadata(&path) {
                    Ok(metadata) if metadata.len() == size => return Ok(path),
                    Ok(metadata) => {
                        reason = format!("{} bytes came where {size} are expected", metadata.len());
                        if transfer + 1 == TRANSFERS {
                            cache::remove(&path);
                        }
                    }
                    Err(error) => return Err(Error::storage(&path, "read", error)),
                },
                Err(HFError::Request { source, .. }) if source.is_body() || source.is_decode() => {
                    reason = "the connection broke".into();
                }
                Err(error) => return Err(hub_error(error, wanted)),
            }
        }
        Err(Error::new(
            ErrorKind::Network,
            format!("{name} of {wanted} could not be downloaded whole in {TRANSFERS} attempts: {reason}"),
            "run the command again: files that are whole are kept",
        ))
    }

    fn cached(&self, wanted: Wanted<'_>) -> std::result::Result<HubFiles, Missing> {
        cache::find(&self.cache(), wanted)
    }
}

/// Whether the hub did not answer, so that the cache may stand in.
fn unreachable(error: &HFError) -> bool {
    match error {
        HFError::Request { source, .. } => !source.is_decode(),
        HFError::Http { context } => context.status.is_server_error(),
        _ => false,
    }
}

/// hf-hub's error in our words.
fn hub_error(error: HFError, wanted: Wanted<'_>) -> Error {
    let network = |message: String, hint: &str| Error::new(ErrorKind::Network, message, hint);
    match error {
        HFError::RateLimited { retry_after, .. } => {
            let wait =
                retry_after.map_or("a few minutes".into(), |wait| format!("{} seconds", wait.as_secs()));
            network(
                format!("the hub answered 429 to a request for {wanted}: too many requests"),
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
            status_error(context.status.as_u16(), context.error_code.as_deref(), wanted)
        }
        HFError::RepoNotFound { .. } | HFError::RevisionNotFound { .. } => status_error(404, None, wanted),
        HFError::EntryNotFound { path, .. } => Error::new(
            ErrorKind::Data,
            format!("{path} is listed in {wanted} but the hub does not find it (404)"),
            "pin another revision, or try again later",
        ),
        HFError::Request { source, .. } if source.is_decode() => {
            strange(wanted).because(root_cause(&source.without_url()))
        }
        HFError::Request { source, .. } => network(
            format!("the hub cannot be reached for {wanted}, and the cache does not have it"),
            &format!("check network and HF_ENDPOINT, or {FETCH_HINT}"),
        )
        .because(root_cause(&source.without_url())),
        HFError::CacheLockTimeout { path } => Error::new(
            ErrorKind::Busy,
            format!("another process is downloading the same file of {wanted} ({})", path.display()),
            "run the command again when the other one is done",
        ),
        HFError::Io(error) => Error::new(
            ErrorKind::Storage,
            format!("the hub's cache cannot be written while downloading {wanted}"),
            "check the space and the permissions of HF_HUB_CACHE",
        )
        .because(error),
        other => strange(wanted).because(other),
    }
}

/// The innermost reason of an error chain: `Connection refused` says more than `error sending request`.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The hub cache with real data that the ignored tests use.
#[cfg(test)]
pub(crate) fn test_hub() -> PathBuf {
    std::env::var_os("ELECTRA_LAB_TEST_HUB").expect("set ELECTRA_LAB_TEST_HUB to a hub cache").into()
}

#[cfg(test)]
mod loopback;
#[cfg(test)]
mod tests;
