//! Files of the hub: found in the cache, or downloaded.
//!
//! The hub is asked for the commit of a revision once per process, and for the files of a commit once. Where
//! it does not answer, a whole cache is used instead, with a word. Must never: show a token; take a file that
//! could not be downloaded for one that does not exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cache::{CacheMiss, RepoCache};
use super::config::HubConfig;
use super::download::{Downloader, Trouble};
use super::errors::{self, no_match};
use super::failure::Failure;
use super::http::{Http, Limits, Stop, Url};
use super::listing::{Entry, ListedFile, Listing};
use super::request::{FileRequest, HubFiles, RepoKind, is_commit};
use super::settings::HubSettings;
use super::{notice, pattern};
use crate::error::{Error, ErrorKind, Result};

/// Patience with the hub where the cache has all that is wanted.
const PATIENCE_WITH_CACHE: Duration = Duration::from_secs(2);
/// How long a hub that did not answer is not asked again.
const OUTAGE: Duration = Duration::from_secs(60);
/// Pages of a listing; the hub has a thousand files a page.
const MAX_PAGES: usize = 1000;
/// Bytes of the names in a listing.
const MAX_LISTING_BYTES: usize = 256 << 20;
/// Time for a listing.
const MAX_LISTING_TIME: Duration = Duration::from_secs(600);

/// The hub and its cache on this machine. It remembers what the hub has answered, and its clones do too.
#[derive(Clone)]
pub struct Hub {
    config: HubConfig,
    settings: HubSettings,
    stop: Stop,
    http: Arc<Mutex<Option<Arc<Http>>>>,
    memory: Arc<Mutex<Memory>>,
}

/// What the hub has answered.
#[derive(Default)]
struct Memory {
    /// Commit of each repository and revision.
    commits: BTreeMap<String, String>,
    /// Listing of each repository and commit.
    listings: BTreeMap<String, Arc<Listing>>,
    /// When the hub did not answer: in general, or for a repository.
    outages: BTreeMap<String, Outage>,
    /// What was said about each repository.
    said: BTreeSet<String>,
}

/// A request that the hub did not answer.
#[derive(Clone)]
struct Outage {
    at: Instant,
    /// How long it was tried.
    patience: Duration,
    failure: Failure,
}

/// What a search for files found.
enum Search {
    Found(HubFiles),
    /// The revision is there and no file matches: the error of who needs one.
    NoMatch(Error),
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("cache", &self.cache()).field("offline", &self.config.offline).finish()
    }
}

impl Hub {
    /// The hub of this process: all that are made so share what it has answered, so that a branch that moves
    /// meanwhile has one commit.
    pub fn of_process(config: HubConfig) -> Self {
        static MEMORY: LazyLock<Arc<Mutex<Memory>>> = LazyLock::new(Arc::default);
        Self { memory: MEMORY.clone(), ..Self::new(config) }
    }

    /// Contacts nothing; the first request for a file does.
    pub fn new(config: HubConfig) -> Self {
        let environment = HubSettings::from_environment();
        let settings = HubSettings {
            endpoint: config.endpoint.clone().unwrap_or(environment.endpoint),
            cache: config.cache.clone().unwrap_or(environment.cache),
            token: config.token.clone().or(environment.token),
            offline_by: environment.offline_by,
            timeout: config.timeout.unwrap_or(environment.timeout),
        };
        Self { config, settings, stop: Arc::new(|| false), http: Arc::default(), memory: Arc::default() }
    }

    /// Ends downloads with an error of the kind `Interrupted` once `stop` says so.
    pub fn stop_when(&mut self, stop: impl Fn() -> bool + Send + Sync + 'static) {
        self.stop = Arc::new(stop);
        self.http = Arc::default();
    }

    /// Folder of the hub's cache.
    pub fn cache(&self) -> PathBuf {
        self.settings.cache.clone()
    }

    /// Whether the network is never used.
    pub fn offline(&self) -> bool {
        self.config.offline
    }

    /// All files of a repository whose names match `pattern` (see `pattern.rs`); downloads those that are not
    /// in the cache. If the hub does not answer, a whole cache is enough.
    ///
    /// # Errors
    /// The network, the hub or the cache fails, or no name matches; the message says which, with a remedy.
    pub fn files(&self, kind: RepoKind, repo: &str, revision: &str, pattern: &str) -> Result<HubFiles> {
        match self.search(FileRequest { kind, repo, revision, pattern })? {
            Search::Found(files) => Ok(files),
            Search::NoMatch(error) => Err(error),
        }
    }

    /// Like [`Self::files`], but None if the revision exists and none of its files matches. A cache without
    /// network counts as the whole revision, unless it has a listing that says otherwise.
    pub fn files_if_any(
        &self,
        kind: RepoKind,
        repo: &str,
        revision: &str,
        pattern: &str,
    ) -> Result<Option<HubFiles>> {
        match self.search(FileRequest { kind, repo, revision, pattern })? {
            Search::Found(files) => Ok(Some(files)),
            Search::NoMatch(_) => Ok(None),
        }
    }

    /// The names of the files that match, without downloading them; those in the cache where the hub does not
    /// answer.
    pub fn names(&self, kind: RepoKind, repo: &str, revision: &str, pattern: &str) -> Result<Vec<String>> {
        let request = FileRequest { kind, repo, revision, pattern };
        request.check_names()?;
        let cached = || match self.repo_cache(request).find(request) {
            Ok(files) => files.paths.into_iter().map(|(name, _)| name).collect(),
            Err(CacheMiss::Missing { names }) => names,
            Err(_) => Vec::new(),
        };
        if self.config.offline {
            return Ok(cached());
        }
        let listed = self.commit(request).and_then(|commit| self.listing(request, &commit));
        match listed {
            Ok(listing) => Ok(matching(&listing, pattern).map(|file| file.name.clone()).collect()),
            Err(Trouble::Hub(failure)) if failure.allows_cache() => Ok(cached()),
            Err(trouble) => Err(errors::of_trouble(trouble, request)),
        }
    }

    fn search(&self, request: FileRequest<'_>) -> Result<Search> {
        request.check_names()?;
        if self.config.offline {
            let miss = match self.repo_cache(request).find(request) {
                Ok(files) => return Ok(Search::Found(files)),
                Err(miss) => miss,
            };
            let is_no_match = matches!(miss, CacheMiss::Files { .. });
            let error = errors::not_cached(&self.cache(), request, miss, self.config.offline_by);
            return if is_no_match { Ok(Search::NoMatch(error)) } else { Err(error) };
        }
        let trouble = match self.search_online(request) {
            Ok(search) => return Ok(search),
            Err(trouble) => trouble,
        };
        let failure = match &trouble {
            Trouble::Hub(failure) | Trouble::File(_, failure) if failure.allows_cache() => failure,
            _ => return Err(errors::of_trouble(trouble, request)),
        };
        match self.repo_cache(request).find(request) {
            Ok(files) => {
                let commit = files.revision.get(..8).unwrap_or(&files.revision);
                let reason = failure.reason();
                self.say_once(
                    request,
                    &format!("the hub does not give {request} ({reason}): using the cache, commit {commit}"),
                );
                Ok(Search::Found(files))
            }
            Err(CacheMiss::Files { cached, all: true }) => Ok(Search::NoMatch(no_match(request, &cached))),
            Err(_) => Err(errors::of_trouble(trouble, request)),
        }
    }

    fn search_online(&self, request: FileRequest<'_>) -> std::result::Result<Search, Trouble> {
        let commit = self.commit(request)?;
        let listing = self.listing(request, &commit)?;
        let files: Vec<&ListedFile> = matching(&listing, request.pattern).collect();
        if files.is_empty() {
            let names: Vec<String> = listing.files.iter().map(|file| file.name.clone()).collect();
            return Ok(Search::NoMatch(no_match(request, &names)));
        }
        let cache = self.repo_cache(request);
        let is_missing = |file: &&ListedFile| cache.cached(&commit, file).is_none();
        let missing: Vec<&ListedFile> = files.iter().copied().filter(is_missing).collect();
        let is_new = !missing.is_empty();
        if is_new {
            let HubConfig { retry_delay, patience, .. } = self.config;
            let http = &*self.http(request)?;
            Downloader { http, cache: &cache, request, commit: &commit, retry_delay, patience }
                .download_all(&missing)?;
        }
        // A cache that is only read serves as it is.
        let kept =
            cache.write_ref(request.revision, &commit).and_then(|()| cache.write_listing(&commit, &listing));
        kept.or_else(|error| if is_new { Err(error) } else { Ok(()) })?;
        let snapshot = cache.snapshot(&commit);
        let path = |file: &&ListedFile| Ok((file.name.clone(), file.path_below(&snapshot)?));
        let paths = files.iter().map(path).collect::<Result<_>>()?;
        Ok(Search::Found(HubFiles { revision: commit, paths }))
    }

    /// The commit of the request's revision.
    fn commit(&self, request: FileRequest<'_>) -> std::result::Result<String, Trouble> {
        if is_commit(request.revision) {
            return Ok(request.revision.into());
        }
        let key = format!("{request} {}", request.revision);
        if let Some(commit) = self.memory().commits.get(&key) {
            return Ok(commit.clone());
        }
        let http = self.http(request)?;
        let named = self.ask(request, |patience| http.commit(request, patience))?;
        let commit = named.ok_or_else(|| Failure::Malformed("it names no commit".into()))?;
        // It becomes the name of a folder.
        if !is_commit(&commit) {
            let error = errors::unexpected_answer(request).because("what it names as the commit is none");
            return Err(error.into());
        }
        self.memory().commits.insert(key, commit.clone());
        Ok(commit)
    }

    /// The files of a commit.
    fn listing(&self, request: FileRequest<'_>, commit: &str) -> std::result::Result<Arc<Listing>, Trouble> {
        let key = format!("{request} {commit}");
        if let Some(listing) = self.memory().listings.get(&key) {
            return Ok(listing.clone());
        }
        let listing = match self.repo_cache(request).listing(commit) {
            Some(listing) => listing,
            None => self.ask_listing(request, commit)?,
        };
        let listing = Arc::new(listing);
        self.memory().listings.insert(key, listing.clone());
        Ok(listing)
    }

    fn ask_listing(&self, request: FileRequest<'_>, commit: &str) -> std::result::Result<Listing, Trouble> {
        let http = self.http(request)?;
        let mut url = api_address(&http, request, ["tree", commit]);
        url.set_query(Some("recursive=true"));
        let (mut next, mut seen, mut entries) = (Some(url), BTreeSet::new(), Vec::new());
        let (mut n_bytes, began) = (0, Instant::now());
        while let Some(url) = next {
            let is_new = seen.insert(url.to_string());
            let is_long = n_bytes > MAX_LISTING_BYTES || began.elapsed() > MAX_LISTING_TIME;
            if !is_new || is_long || seen.len() > MAX_PAGES {
                return Err(Failure::Malformed("its list of files does not end".into()).into());
            }
            let page: Vec<Entry>;
            (page, next) = self.ask(request, |patience| http.json(&url, patience))?;
            n_bytes += page.iter().map(Entry::n_bytes).sum::<usize>();
            entries.extend(page);
        }
        Ok(Listing::new(entries))
    }

    /// Asks the hub, with the patience that it is worth, unless it did not answer a moment ago.
    fn ask<T>(
        &self,
        request: FileRequest<'_>,
        ask: impl FnOnce(Duration) -> std::result::Result<T, Failure>,
    ) -> std::result::Result<T, Failure> {
        let has_cache = self.repo_cache(request).find(request).is_ok();
        let patience = if has_cache { PATIENCE_WITH_CACHE } else { self.config.patience };
        let patience = patience.min(self.config.patience);
        // No connection concerns all repositories, a refusal the one.
        let keys = [String::new(), request.to_string()];
        for outage in keys.iter().filter_map(|key| self.memory().outages.get(key).cloned()) {
            if outage.at.elapsed() < OUTAGE && outage.patience >= patience {
                return Err(outage.failure);
            }
        }
        let answer = ask(patience);
        if let Err(failure) = &answer
            && failure.is_temporary()
        {
            let [all, one] = keys;
            let key = if matches!(failure, Failure::Unreachable(_)) { all } else { one };
            let outage = Outage { at: Instant::now(), patience, failure: failure.clone() };
            self.memory().outages.insert(key, outage);
        }
        answer
    }

    fn http(&self, request: FileRequest<'_>) -> Result<Arc<Http>> {
        let mut connection = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(http) = &*connection {
            return Ok(http.clone());
        }
        let limits = Limits {
            timeout: self.settings.timeout,
            retries: self.config.retries,
            retry_delay: self.config.retry_delay,
        };
        let notices = self.config.notices.clone().unwrap_or_else(|| Arc::new(notice::say));
        let (endpoint, token) = (&self.settings.endpoint, self.settings.token.as_deref());
        let http = Http::new(endpoint, token, limits, self.stop.clone(), notices).map_err(|reason| {
            Error::new(
                ErrorKind::Network,
                format!("cannot set up the connection to the hub for {request}"),
                "check that HF_ENDPOINT is an address such as https://huggingface.co, that HF_TOKEN is one line, \
                 and that certificates are installed",
            )
            .because(reason)
        })?;
        Ok(connection.insert(Arc::new(http)).clone())
    }

    fn repo_cache(&self, request: FileRequest<'_>) -> RepoCache {
        RepoCache::new(&self.settings.cache, request)
    }

    fn say_once(&self, request: FileRequest<'_>, text: &str) {
        if self.memory().said.insert(request.to_string()) {
            match &self.config.notices {
                Some(notices) => notices(text),
                None => notice::say(text),
            }
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn matching<'a>(listing: &'a Listing, pattern: &'a str) -> impl Iterator<Item = &'a ListedFile> {
    listing.files.iter().filter(move |file| pattern::matches(pattern, &file.name))
}

/// `…/api/datasets/owner/name/tree/COMMIT`.
fn api_address(http: &Http, request: FileRequest<'_>, what: [&str; 2]) -> Url {
    let kind = match request.kind {
        RepoKind::Dataset => "datasets",
        RepoKind::Model => "models",
    };
    http.url(["api", kind].into_iter().chain(request.repo.split('/')).chain(what))
}
