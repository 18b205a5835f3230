//! Downloads from a server on the loopback address.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::loopback::{Request, Response, Server};
use super::*;
use crate::error::{Error, ErrorKind, Result};

const COMMIT: &str = "1111111111111111111111111111111111111111";
const BODY: &str = "the bytes of a shard";

/// A hub with one data set, `o/n`, of two files; `special` may replace an answer.
fn hub_server(special: impl Fn(&Request) -> Option<Response> + Send + 'static) -> Server {
    Server::start(move |request, address| {
        special(request).unwrap_or_else(|| normal_answer(request, address, COMMIT))
    })
}

fn normal_answer(request: &Request, address: &str, commit: &str) -> Response {
    let file = format!("/datasets/o/n/resolve/{commit}/data/train-0.parquet");
    match request.path.as_str() {
        "/api/datasets/o/n/revision/main" => {
            Response::ok(format!("{{\"id\": \"o/n\", \"sha\": \"{commit}\"}}"))
        }
        path if path == format!("/api/datasets/o/n/tree/{commit}") => Response::ok(format!(
            r#"[{{"type":"directory","oid":"d","path":"data"}},
                {{"type":"file","oid":"1","size":{},"path":"data/train-0.parquet"}},
                {{"type":"file","oid":"2","size":7,"path":"README.md"}}]"#,
            BODY.len()
        )),
        // As the hub does for large files: the metadata here, the bytes from another address.
        path if path == file => Response { status: 302, ..Response::default() }
            .header(format!("Location: {address}/cdn/train-0"))
            .header(format!("X-Repo-Commit: {commit}"))
            .header("X-Linked-Etag: \"abc\"")
            .header(format!("X-Linked-Size: {}", BODY.len())),
        "/cdn/train-0" => Response::ok(BODY),
        _ => Response::error(404, "EntryNotFound"),
    }
}

fn hub(endpoint: &str, cache: &Path) -> Hub {
    Hub::new(HubConfig {
        endpoint: Some(endpoint.to_string()),
        cache: Some(cache.to_path_buf()),
        token: Some("secret-token".into()),
        offline: false,
        offline_by: None,
        retries: 1,
        retry_delay: Duration::from_millis(1),
    })
}

fn train_files(hub: &Hub) -> Result<HubFiles> {
    hub.files(RepoKind::Dataset, "o/n", "main", "**/train-*.parquet")
}

/// The error when the hub answers requests for `path` with `response`; checks that nothing was cached.
fn error_of(path: &'static str, response: Response) -> String {
    let cache = tempfile::tempdir().unwrap();
    let server = hub_server(move |request| request.path.starts_with(path).then(|| response.clone()));
    let error = train_files(&hub(&server.address, cache.path())).unwrap_err();
    assert!(!error.to_string().contains("secret-token"));
    let offline =
        Hub::new(HubConfig { cache: Some(cache.path().into()), offline: true, ..HubConfig::default() });
    assert!(train_files(&offline).is_err(), "a failed download was cached");
    error.to_string()
}

#[test]
fn a_file_is_downloaded_through_a_redirect_and_then_cached() {
    let cache = tempfile::tempdir().unwrap();
    let elsewhere = Server::start(|_, _| Response::ok(BODY));
    let target = elsewhere.address.clone();
    let server = hub_server(move |request| {
        let redirect = request.path.contains("/resolve/");
        redirect.then(|| normal_answer(request, &target, COMMIT))
    });
    let files = train_files(&hub(&server.address, cache.path())).unwrap();
    assert_eq!(files.revision, COMMIT);
    assert_eq!(files.paths.len(), 1);
    assert_eq!(files.paths[0].0, "data/train-0.parquet");
    assert_eq!(std::fs::read_to_string(&files.paths[0].1).unwrap(), BODY);
    // The token is sent to the hub and to no other server.
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.headers.contains("authorization: bearer secret-token"))
    );
    assert!(elsewhere.requests().iter().all(|request| !request.headers.contains("secret-token")));
    assert_eq!(elsewhere.requests().len(), 1);
    // A second request transfers nothing, and an offline one finds the same files.
    assert_eq!(train_files(&hub(&server.address, cache.path())).unwrap(), files);
    assert_eq!(elsewhere.requests().len(), 1);
    let n_requests = server.requests().len();
    let config = HubConfig { offline: true, ..hub(&server.address, cache.path()).config };
    assert_eq!(train_files(&Hub::new(config)).unwrap(), files);
    assert_eq!(server.requests().len(), n_requests);
}

#[test]
fn errors_name_a_remedy() {
    let api = "/api/datasets/o/n/revision";
    insta::assert_snapshot!(error_of(api, Response::error(401, "")), @r"
    the hub needs a valid token for dataset o/n (401), or there is no such repository
    hint: check the name; if it is private or gated, set HF_TOKEN to a token that may read it
    ");
    insta::assert_snapshot!(error_of(api, Response::error(403, "GatedRepo")), @r"
    the hub does not allow this token to read dataset o/n (403)
    hint: accept the repository's terms on huggingface.co, and set HF_TOKEN to a token that may read it
    ");
    insta::assert_snapshot!(error_of(api, Response::error(404, "RepoNotFound")), @r#"
    the hub has no dataset o/n with a revision "main" (404)
    hint: check owner, name and revision on huggingface.co; if it is private, set HF_TOKEN
    "#);
    insta::assert_snapshot!(error_of(api, Response::error(404, "RevisionNotFound")), @r#"
    dataset o/n has no revision "main" (404)
    hint: name a branch, a tag or a full commit of it; most repositories have main
    "#);
    insta::assert_snapshot!(error_of(api, Response::error(429, "").header("Retry-After: 42")), @r"
    the hub answered 429 to a request for dataset o/n: too many requests
    hint: wait 42 seconds and run the command again; with a token (HF_TOKEN) the hub allows more
    ");
    insta::assert_snapshot!(error_of(api, Response::error(503, "")), @r"
    the hub answered 503 to a request for dataset o/n
    hint: try again later; see https://status.huggingface.co
    ");
    insta::assert_snapshot!(error_of(api, Response::ok("<html>")), @r"
    the hub's answer about dataset o/n is not in the expected format: expected value at line 1 column 1
    hint: check HF_ENDPOINT and any proxy in between, then try again
    ");
    let tree = "/api/datasets/o/n/tree";
    assert!(error_of(tree, Response::error(401, "")).contains("(401)"));
    assert!(error_of(tree, Response::error(429, "")).contains("429"));
    let escaping = r#"[{"type":"file","oid":"1","size":1,"path":"../../train-0.parquet"}]"#;
    assert!(error_of(tree, Response::ok(escaping)).contains("not in the expected format"));
    let others = r#"[{"type":"file","oid":"1","size":1,"path":"data/test-0.parquet"}]"#;
    insta::assert_snapshot!(error_of(tree, Response::ok(others)), @r"
    no file of dataset o/n at main matches **/train-*.parquet; it has data/test-0.parquet
    hint: name one of its files; `*` matches within a name, `**/` matches any folders
    ");
    assert!(error_of("/datasets/o/n/resolve", Response::error(403, "")).contains("(403)"));
}

#[test]
fn an_incomplete_download_is_an_error() {
    let whole = Response::ok(BODY);
    let cut_off =
        Response { body: BODY.as_bytes()[..9].to_vec(), content_length: Some(BODY.len()), ..whole.clone() };
    insta::assert_snapshot!(error_of("/cdn", cut_off), @r"
    data/train-0.parquet of dataset o/n could not be downloaded completely in 3 attempts: the connection broke
    hint: run the command again: complete files are kept
    ");
    // Without a Content-Length, only the size in the listing shows that bytes are missing.
    let short = Response { body: BODY.as_bytes()[..9].to_vec(), without_length: true, ..whole };
    assert!(error_of("/cdn", short).contains("got 9 bytes, expected 20"));
    // An error page behind the redirect is not taken for the file.
    assert!(error_of("/cdn", Response::error(403, "")).contains("could not be downloaded completely"));
}

#[test]
fn a_download_that_breaks_off_is_repeated() {
    let cache = tempfile::tempdir().unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let server = hub_server(move |request| {
        let first = request.path == "/cdn/train-0" && count.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Response { content_length: Some(BODY.len()), ..Response::ok("the") })
    });
    let files = train_files(&hub(&server.address, cache.path())).unwrap();
    assert_eq!(std::fs::read_to_string(&files.paths[0].1).unwrap(), BODY);
    assert_eq!(served.load(Ordering::SeqCst), 2);
    // A cached file that was damaged later is downloaded again.
    std::fs::write(&files.paths[0].1, "the byt").unwrap();
    let again = train_files(&hub(&server.address, cache.path())).unwrap();
    assert_eq!(std::fs::read_to_string(&again.paths[0].1).unwrap(), BODY);
}

#[test]
fn a_moved_branch_gives_the_new_commit() {
    let cache = tempfile::tempdir().unwrap();
    let commit = Arc::new(Mutex::new(COMMIT.to_string()));
    let current = commit.clone();
    let server =
        Server::start(move |request, address| normal_answer(request, address, &current.lock().unwrap()));
    let hub = hub(&server.address, cache.path());
    assert_eq!(train_files(&hub).unwrap().revision, COMMIT);
    let moved = "2".repeat(40);
    commit.lock().unwrap().clone_from(&moved);
    assert_eq!(train_files(&hub).unwrap().revision, moved);
    let offline = Hub::new(HubConfig { offline: true, ..hub.config });
    assert_eq!(train_files(&offline).unwrap().revision, moved);
    // The old commit is still found by its name.
    let old = offline.files(RepoKind::Dataset, "o/n", COMMIT, "**/train-*.parquet").unwrap();
    assert_eq!(old.revision, COMMIT);
}

#[test]
fn without_network_a_complete_cache_is_enough() {
    let cache = tempfile::tempdir().unwrap();
    let server = hub_server(|_| None);
    let files = train_files(&hub(&server.address, cache.path())).unwrap();
    // A port that was just closed refuses connections.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = hub(&format!("http://{closed}"), cache.path());
    assert_eq!(train_files(&dead).unwrap(), files);
    let error = dead.files(RepoKind::Model, "o/n", "main", "tokenizer.json").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network);
    let start = "cannot reach the hub for model o/n, and the cache does not have it: Connection refused";
    assert!(error.message.starts_with(start), "{error}");
}

#[test]
fn offline_errors_name_the_setting() {
    let cache = tempfile::tempdir().unwrap();
    let error = |by| {
        let cache = Some(cache.path().to_path_buf());
        let config = HubConfig { cache, offline: true, offline_by: Some(by), ..HubConfig::default() };
        train_files(&Hub::new(config)).unwrap_err()
    };
    let option = error(OfflineBy::Option);
    assert!(option.message.starts_with("offline (by --offline), and dataset o/n is not in "), "{option}");
    assert!(option.hint.starts_with("leave out --offline to allow the download, or run "), "{option}");
    let variable = error(OfflineBy::Variable);
    assert!(variable.message.starts_with("offline (by HF_HUB_OFFLINE), and "), "{variable}");
    assert!(variable.hint.starts_with("unset HF_HUB_OFFLINE to allow the download, or run "), "{variable}");
}

#[test]
fn offline_errors_of_an_empty_cache() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::new(HubConfig { cache: Some(cache.path().into()), offline: true, ..HubConfig::default() });
    let show = |error: Error| error.to_string().replace(&cache.path().display().to_string(), "CACHE");
    insta::assert_snapshot!(show(train_files(&hub).unwrap_err()), @r"
    offline, and dataset o/n is not in the cache CACHE
    hint: run `electra-lab fetch EXPERIMENT` on a machine with network and copy its cache here, or set HF_HUB_CACHE to a cache that has the files
    ");
    for repo in ["../o/n", "o/../n", "", "o//n", "a/b/c", "o/n?x", ".."] {
        let error = hub.files(RepoKind::Dataset, repo, "main", "*").unwrap_err();
        assert!(error.message.ends_with("is not the name of a repository"), "{repo}: {error}");
    }
    for revision in ["", "../main", "/etc"] {
        let error = hub.files(RepoKind::Dataset, "o/n", revision, "*").unwrap_err();
        assert!(error.message.contains("is not a revision"), "{revision}: {error}");
    }
}

#[test]
#[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
fn a_real_cache_is_read() {
    let cache = crate::hub::test_hub();
    let hub = Hub::new(HubConfig { cache: Some(cache), offline: true, ..HubConfig::default() });
    let files =
        hub.files(RepoKind::Model, "google-bert/bert-base-uncased", "main", "tokenizer.json").unwrap();
    assert_eq!(files.revision, "05caf51f05a7e4d1089e97dc9fd42086147086b1");
    let tokenizer = crate::text::Tokenizer::from_file(&files.paths[0].1).unwrap();
    assert_eq!(tokenizer.vocab_size(), 30_522);
    assert_eq!(tokenizer.encode("Hello, world!").unwrap(), [7592, 1010, 2088, 999]);
    // The same vocabulary as a plain list gives the same ids.
    let list = hub.files(RepoKind::Model, "google-bert/bert-base-uncased", "main", "vocab.txt").unwrap();
    let plain = crate::text::Tokenizer::from_file(&list.paths[0].1).unwrap();
    let text = "Élan vital: naïve co-operation (1907), 東京, [SEP] & \u{2014} unaffable!";
    assert_eq!(plain.encode(text).unwrap(), tokenizer.encode(text).unwrap());
}
