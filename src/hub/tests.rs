//! Downloads from a server on the loopback address.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::config::Notices;
use super::loopback::{Request, Response, Server};
use super::*;
use crate::error::{Error, ErrorKind, Result};

const COMMIT: &str = "1111111111111111111111111111111111111111";
const BODY: &str = "the bytes of a shard";
/// SHA-256 of BODY.
const BODY_HASH: &str = "533329e4f44f6f176e7c9059a0717a3bae268fc9a10e2135279d329b3b387ee2";

/// A hub with one data set, `o/n`, of two files; `special` may replace an answer.
fn hub_server(special: impl Fn(&Request) -> Option<Response> + Send + 'static) -> Server {
    Server::start(move |request, address| {
        special(request).unwrap_or_else(|| normal_answer(request, address, COMMIT))
    })
}

fn listing_of(size: usize, oid: &str) -> Response {
    Response::ok(format!(
        r#"[{{"type":"directory","oid":"d","path":"data"}},
            {{"type":"file","oid":"1","size":{size},"path":"data/train-0.parquet",
              "lfs":{{"oid":"{oid}","size":{size},"pointerSize":9}}}},
            {{"type":"file","oid":"2","size":7,"path":"README.md"}}]"#
    ))
}

fn normal_answer(request: &Request, address: &str, commit: &str) -> Response {
    let file = format!("/datasets/o/n/resolve/{commit}/data/train-0.parquet");
    match request.path.as_str() {
        "/api/datasets/o/n/revision/main" => {
            Response::ok(format!("{{\"id\": \"o/n\", \"sha\": \"{commit}\"}}"))
        }
        path if path == format!("/api/datasets/o/n/tree/{commit}") => listing_of(BODY.len(), BODY_HASH),
        // As the hub does for large files: the metadata here, the bytes from another address.
        path if path == file => Response { status: 302, ..Response::default() }
            .header(format!("Location: {address}/cdn/train-0"))
            .header(format!("X-Repo-Commit: {commit}"))
            .header("X-Linked-Etag: \"/etc/passwd\"")
            .header(format!("X-Linked-Size: {}", BODY.len())),
        "/cdn/train-0" => match request.headers.split_once("range: bytes=") {
            Some((_, range)) => {
                let from: usize = range.split_once('-').unwrap().0.parse().unwrap();
                let part = Response { status: 206, ..Response::ok(&BODY.as_bytes()[from..]) };
                part.header(format!("Content-Range: bytes {from}-{}/{}", BODY.len() - 1, BODY.len()))
            }
            None => Response::ok(BODY),
        },
        _ => Response::error(404, "EntryNotFound"),
    }
}

fn config(endpoint: &str, cache: &Path) -> HubConfig {
    HubConfig {
        endpoint: Some(endpoint.to_string()),
        cache: Some(cache.to_path_buf()),
        token: Some("secret-token".into()),
        offline: false,
        offline_by: None,
        retries: 1,
        retry_delay: Duration::from_millis(1),
        patience: Duration::from_secs(1),
        timeout: Some(Duration::from_millis(400)),
        notices: None,
    }
}

fn hub(endpoint: &str, cache: &Path) -> Hub {
    Hub::new(config(endpoint, cache))
}

/// A hub whose notices are kept.
fn noticing(config: HubConfig) -> (Hub, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let kept = said.clone();
    let notices: Notices = Arc::new(move |text: &str| kept.lock().unwrap().push(text.to_string()));
    (Hub::new(HubConfig { notices: Some(notices), ..config }), said)
}

fn offline(cache: &Path) -> Hub {
    Hub::new(HubConfig { cache: Some(cache.into()), offline: true, ..HubConfig::default() })
}

/// Every file and link below a folder, with its size.
fn files_below(folder: &Path) -> Vec<(String, u64)> {
    let names = pattern::names_below(folder);
    let size = |name: &String| std::fs::metadata(folder.join(name)).unwrap().len();
    names.into_iter().map(|name| (name.clone(), size(&name))).collect()
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
    assert!(train_files(&offline(cache.path())).is_err(), "a failed download was cached");
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
    assert_eq!(train_files(&offline(cache.path())).unwrap(), files);
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
    let escaping = r#"[{"type":"file","oid":"1","size":1,"path":"/data/train-0.parquet"}]"#;
    assert!(error_of(tree, Response::ok(escaping)).contains("a name that cannot be one"));
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
    data/train-0.parquet of dataset o/n could not be downloaded: the connection broke
    hint: run the command again: what is complete is kept, and large files are continued
    ");
    // Without a Content-Length, only the size in the listing shows that bytes are missing.
    let short = Response { body: BODY.as_bytes()[..9].to_vec(), without_length: true, ..whole.clone() };
    assert!(error_of("/cdn", short).contains("got 9 bytes, expected 20"));
    // An error page behind the redirect is not taken for the file.
    assert!(error_of("/cdn", Response::error(500, "")).contains("could not be downloaded: it answered 500"));
    let elsewhere = Server::start(|_, _| Response::error(403, ""));
    let redirect = Response { status: 302, ..Response::default() };
    let redirect = redirect.header(format!("Location: {}/expired", elsewhere.address));
    assert!(error_of("/datasets/o/n/resolve", redirect).contains("downloaded: 127.0.0.1 answered 403"));
    // Nor is content of the right size.
    let other = Response::ok(BODY.replace("bytes", "BYTES"));
    assert!(error_of("/cdn", other).contains("another SHA-256 than the listing"));
    let long = Response { without_length: true, ..Response::ok(BODY.repeat(1000)) };
    assert!(error_of("/cdn", long).contains("got more than the 20 bytes"));
    assert!(error_of("/cdn", Response::ok(BODY.repeat(1000))).contains("got an answer of 20000 bytes"));
}

#[test]
fn a_download_that_breaks_off_is_continued() {
    let cache = tempfile::tempdir().unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let server = hub_server(move |request| {
        let first = request.path == "/cdn/train-0" && count.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Response { content_length: Some(BODY.len()), ..Response::ok("the by") })
    });
    let files = train_files(&hub(&server.address, cache.path())).unwrap();
    assert_eq!(std::fs::read_to_string(&files.paths[0].1).unwrap(), BODY);
    assert_eq!(served.load(Ordering::SeqCst), 2);
    assert!(server.requests().iter().any(|request| request.headers.contains("range: bytes=6-")));
    // A cached file that was damaged later is downloaded again.
    std::fs::write(&files.paths[0].1, "the byt").unwrap();
    let again = train_files(&hub(&server.address, cache.path())).unwrap();
    assert_eq!(std::fs::read_to_string(&again.paths[0].1).unwrap(), BODY);
    // What an earlier process left is continued; if it is damaged, the file begins anew.
    for (left, n_requests) in [("the bytes", 1), ("the bit", 2)] {
        std::fs::remove_file(&again.paths[0].1).unwrap();
        let blobs = cache.path().join("datasets--o--n/blobs");
        std::fs::remove_file(blobs.join(BODY_HASH)).unwrap();
        std::fs::write(blobs.join(format!("{BODY_HASH}.incomplete")), left).unwrap();
        let before = served.load(Ordering::SeqCst);
        let again = train_files(&hub(&server.address, cache.path())).unwrap();
        assert_eq!(std::fs::read_to_string(&again.paths[0].1).unwrap(), BODY);
        assert_eq!(served.load(Ordering::SeqCst), before + n_requests);
    }
}

#[test]
fn nothing_from_the_hub_becomes_a_path_outside_of_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    std::fs::write(&outside, "precious").unwrap();
    let path = outside.display().to_string();
    let answers = [
        ("/api/datasets/o/n/revision", Response::ok(format!("{{\"id\": \"o/n\", \"sha\": \"{path}\"}}"))),
        ("/api/datasets/o/n/revision", Response::ok("{\"id\": \"o/n\", \"sha\": \"../../../outside\"}")),
        (
            "/api/datasets/o/n/tree",
            Response::ok(
                r#"[{"type":"file","oid":"1","size":1,"path":"../../../../outside/train-0.parquet"}]"#,
            ),
        ),
        (
            "/api/datasets/o/n/tree",
            Response::ok(format!(
                r#"[{{"type":"file","oid":"1","size":1,"path":"{path}/train-0.parquet"}}]"#
            )),
        ),
        // A hash that is a path names no content: the file gets another name.
        ("/api/datasets/o/n/tree", listing_of(BODY.len(), &path)),
        ("/api/datasets/o/n/tree", listing_of(BODY.len(), "../../../outside")),
    ];
    for (special, response) in answers {
        let cache = folder.path().join("cache");
        let server = hub_server(move |request| request.path.starts_with(special).then(|| response.clone()));
        let _ = train_files(&hub(&server.address, &cache));
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "precious");
        let _ = std::fs::remove_dir_all(&cache);
        assert_eq!(files_below(folder.path()), [("outside".to_string(), 8)]);
    }
}

#[test]
fn the_token_stays_at_the_hub() {
    let cache = tempfile::tempdir().unwrap();
    let others = Server::start(|_, _| Response::ok("[]"));
    // Another port of the same machine, and another name of it.
    for origin in [others.address.clone(), others.address.replace("127.0.0.1", "localhost")] {
        let server = hub_server(move |request| {
            let is_first = request.path.contains("/tree/") && request.query == "recursive=true";
            let next = format!("Link: <{origin}/api/more?page=2>; rel=\"next\"");
            is_first.then(|| listing_of(BODY.len(), BODY_HASH).header(next))
        });
        train_files(&hub(&server.address, cache.path())).unwrap();
        std::fs::remove_dir_all(cache.path().join("datasets--o--n")).unwrap();
    }
    assert_eq!(others.requests().len(), 2);
    assert!(others.requests().iter().all(|request| !request.headers.contains("secret-token")));
    // A redirect of the question itself.
    let target = others.address.clone();
    let server = Server::start(move |request, _| {
        Response { status: 307, ..Response::default() }.header(format!("Location: {target}{}", request.path))
    });
    train_files(&hub(&server.address, cache.path())).unwrap_err();
    assert_eq!(others.requests().len(), 3);
    assert!(others.requests().iter().all(|request| !request.headers.contains("secret-token")));
}

#[test]
fn a_listing_has_pages_and_an_end() {
    let cache = tempfile::tempdir().unwrap();
    let paged = Server::start(|request, address| {
        let next = format!("Link: <{address}{}?page=2>; rel=\"next\"", request.path);
        match (request.path.contains("/tree/"), request.query.as_str()) {
            (true, "recursive=true") => Response::ok("[]").header(next),
            _ => normal_answer(request, address, COMMIT),
        }
    });
    assert_eq!(train_files(&hub(&paged.address, cache.path())).unwrap().paths.len(), 1);
    let cache = tempfile::tempdir().unwrap();
    let circle = Server::start(|request, address| {
        let next = format!("Link: <{address}{}?page=2>; rel=\"next\"", request.path);
        normal_answer(request, address, COMMIT).header(next)
    });
    let error = train_files(&hub(&circle.address, cache.path())).unwrap_err();
    assert!(error.message.ends_with("its list of files does not end"), "{error}");
    assert!(circle.requests().len() < 5);
}

#[test]
fn a_moved_branch_gives_the_new_commit() {
    let cache = tempfile::tempdir().unwrap();
    let commit = Arc::new(Mutex::new(COMMIT.to_string()));
    let current = commit.clone();
    let server =
        Server::start(move |request, address| normal_answer(request, address, &current.lock().unwrap()));
    let asked = hub(&server.address, cache.path());
    assert_eq!(train_files(&asked).unwrap().revision, COMMIT);
    let moved = "2".repeat(40);
    commit.lock().unwrap().clone_from(&moved);
    assert_eq!(train_files(&asked).unwrap().revision, COMMIT, "a process stays with one commit");
    assert_eq!(train_files(&hub(&server.address, cache.path())).unwrap().revision, moved);
    let offline = offline(cache.path());
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
fn a_hub_that_refuses_or_is_silent_does_not_matter_to_a_whole_cache() {
    let cache = tempfile::tempdir().unwrap();
    let server = hub_server(|_| None);
    let files = train_files(&hub(&server.address, cache.path())).unwrap();
    let cut = Response { content_length: Some(1000), ..Response::ok("[{") };
    let answers = [
        ("/api", Response::error(429, "").header("Retry-After: 60")),
        ("/api", Response::error(503, "")),
        ("/api", Response::silence()),
        ("/api", Response::ok("<!DOCTYPE html>")),
        ("/api/datasets/o/n/tree", Response::error(503, "")),
        ("/api/datasets/o/n/tree", cut),
    ];
    for (path, answer) in answers {
        // An older program kept no listing, so that the hub is asked for it.
        let _ = std::fs::remove_dir_all(cache.path().join("datasets--o--n/.electra-lab"));
        let server = hub_server(move |request| request.path.starts_with(path).then(|| answer.clone()));
        let (hub, said) = noticing(config(&server.address, cache.path()));
        for _ in 0..3 {
            assert_eq!(train_files(&hub).unwrap(), files);
        }
        let said = said.lock().unwrap();
        assert!(said.len() == 1 && said[0].ends_with("): using the cache, commit 11111111"), "{said:?}");
        assert!(server.requests().len() <= 4, "the hub is asked again and again");
    }
    // A refusal is an answer.
    let server = hub_server(|request| request.path.starts_with("/api").then(|| Response::error(401, "")));
    assert!(train_files(&hub(&server.address, cache.path())).is_err());
}

#[test]
fn an_outage_of_one_repository_is_none_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let server = hub_server(|_| None);
    train_files(&hub(&server.address, folder.path())).unwrap();
    std::fs::remove_dir_all(folder.path().join("datasets--o--n/.electra-lab")).unwrap();
    let server = Server::start(|request, address| match request.path.as_str() {
        path if path.starts_with("/api/datasets/o/n/tree") => Response::error(503, ""),
        path if path.contains("/o/m/") => model_answer(request, &["config.json"]),
        _ => normal_answer(request, address, COMMIT),
    });
    let (hub, said) = noticing(config(&server.address, folder.path()));
    train_files(&hub).unwrap();
    assert_eq!(said.lock().unwrap().len(), 1);
    hub.files(RepoKind::Model, "o/m", "main", "config.json").unwrap();
}

#[test]
fn a_busy_hub_is_waited_for_as_long_as_it_asks() {
    let folder = tempfile::tempdir().unwrap();
    let asked = Mutex::new(std::collections::BTreeSet::new());
    // The first request for each thing is refused for a second.
    let server =
        Server::start(move |request, address| match asked.lock().unwrap().insert(request.path.clone()) {
            true => Response::error(429, "").header("Retry-After: 1"),
            false => normal_answer(request, address, COMMIT),
        });
    let patience = Duration::from_secs(30);
    let began = Instant::now();
    train_files(&Hub::new(HubConfig { patience, ..config(&server.address, folder.path()) })).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(3));
}

#[test]
fn several_files_are_announced() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|request, _| model_answer(request, &["a.txt", "b.txt", "c.json"]));
    let (hub, said) = noticing(config(&server.address, folder.path()));
    hub.files(RepoKind::Model, "o/m", "main", "*.json").unwrap();
    assert!(said.lock().unwrap().is_empty(), "one small file is no news");
    let names = hub.names(RepoKind::Model, "o/m", "main", "*.txt").unwrap();
    assert_eq!(names, ["a.txt", "b.txt"]);
    hub.files(RepoKind::Model, "o/m", "main", "*.txt").unwrap();
    assert_eq!(*said.lock().unwrap(), ["downloading 2 files (10 B) of model o/m"]);
    let known = offline(folder.path());
    assert_eq!(known.names(RepoKind::Model, "o/m", "main", "*.txt").unwrap(), names);
}

#[test]
fn a_part_of_the_files_is_no_whole_cache() {
    let cache = tempfile::tempdir().unwrap();
    let two = r#"[{"type":"file","size":20,"path":"data/train-0.parquet"},
        {"type":"file","size":20,"path":"data/train-1.parquet"}]"#;
    let is_second = |request: &Request| request.path.ends_with("train-1.parquet");
    let server = hub_server(move |request| match request.path.contains("/tree/") {
        true => Some(Response::ok(two)),
        false => is_second(request).then(|| Response::error(503, "")),
    });
    // One file is asked for, then both.
    let hub = hub(&server.address, cache.path());
    hub.files(RepoKind::Dataset, "o/n", "main", "data/train-0.parquet").unwrap();
    let error = train_files(&hub).unwrap_err();
    assert!(
        error.message.starts_with("data/train-1.parquet of dataset o/n could not be downloaded"),
        "{error}"
    );
    let error = train_files(&offline(cache.path())).unwrap_err();
    assert!(error.message.ends_with("lacks data/train-1.parquet of dataset o/n"), "{error}");
}

#[test]
fn a_request_to_stop_ends_a_download() {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| Response::silence());
    let timeout = Some(Duration::from_secs(60));
    let mut hub = Hub::new(HubConfig { timeout, ..config(&server.address, cache.path()) });
    let began = Instant::now();
    hub.stop_when(move || began.elapsed() > Duration::from_millis(50));
    assert_eq!(train_files(&hub).unwrap_err().kind, ErrorKind::Interrupted);
    assert!(began.elapsed() < Duration::from_secs(10));
    // Without one, silence is an error after a while.
    let error = train_files(&super::Hub::new(config(&server.address, cache.path()))).unwrap_err();
    assert!(error.message.ends_with("no answer within 0.4 s"), "{error}");
}

#[test]
fn a_download_waits_for_that_of_another_process() {
    let cache = tempfile::tempdir().unwrap();
    let server = hub_server(|_| None);
    let locks = cache.path().join(".locks/datasets--o--n");
    std::fs::create_dir_all(&locks).unwrap();
    let lock = std::fs::File::create(locks.join(format!("{BODY_HASH}.lock"))).unwrap();
    lock.lock().unwrap();
    let (hub, said) = noticing(config(&server.address, cache.path()));
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        drop(lock);
    });
    train_files(&hub).unwrap();
    other.join().unwrap();
    let expected = "waiting for another process that downloads data/train-0.parquet of dataset o/n";
    assert_eq!(*said.lock().unwrap(), [expected]);
}

#[test]
fn a_process_asks_for_a_revision_once_and_for_a_known_commit_never() {
    let cache = tempfile::tempdir().unwrap();
    let server = hub_server(|_| None);
    let asked = hub(&server.address, cache.path());
    for pattern in ["README.md", "**/train-*.parquet", "**/train-*.parquet", "*.json"] {
        let _ = asked.clone().files(RepoKind::Dataset, "o/n", "main", pattern);
    }
    let n_api = || server.requests().iter().filter(|request| request.path.starts_with("/api")).count();
    assert_eq!(n_api(), 2);
    train_files(&hub(&server.address, cache.path())).unwrap();
    assert_eq!(n_api(), 3, "the listing of a commit is kept");
    let again = hub(&server.address, cache.path());
    again.files(RepoKind::Dataset, "o/n", COMMIT, "**/train-*.parquet").unwrap();
    assert_eq!(n_api(), 3);
}

/// The answer of a hub with one model of these files, each with its name as content.
fn model_answer(request: &Request, names: &[&str]) -> Response {
    let (_, name) = request.path.rsplit_once('/').unwrap();
    match request.path.as_str() {
        "/api/models/o/m/revision/main" => {
            Response::ok(format!("{{\"id\": \"o/n\", \"sha\": \"{COMMIT}\"}}"))
        }
        path if path.contains("/tree/") => {
            let entry = |name: &&str| format!(r#"{{"type":"file","size":{},"path":"{name}"}}"#, name.len());
            let entries: Vec<String> = names.iter().map(entry).collect();
            Response::ok(format!("[{}]", entries.join(",")))
        }
        path if path.starts_with("/o/m/resolve/") && names.contains(&name) => Response::ok(name),
        _ => Response::error(404, "RepoNotFound"),
    }
}

#[test]
fn a_file_that_could_not_be_downloaded_is_not_one_that_does_not_exist() {
    let all = ["config.json", "model.safetensors", "pytorch_model.bin", "vocab.txt", "tokenizer.json"];
    for failing in ["model.safetensors", "tokenizer.json", "vocab.txt"] {
        let cut = Response { content_length: Some(1000), ..Response::ok("x") };
        for answer in [Response::error(503, ""), Response::error(429, ""), cut, Response::silence()] {
            let folder = tempfile::tempdir().unwrap();
            let server = Server::start(move |request, _| match request.path.ends_with(failing) {
                true => answer.clone(),
                false => model_answer(request, &all),
            });
            let env = DataEnv { hub: hub(&server.address, folder.path()), cache: folder.path().into() };
            let error = model_folder("o/m", "main", &env).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Network, "{failing}: {error}");
            let is_other = |request: &Request| request.path.ends_with("pytorch_model.bin");
            assert!(!server.requests().iter().any(is_other), "{failing}");
        }
    }
    // What the repository does not have is not missed.
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|request, _| model_answer(request, &["config.json", "pytorch_model.bin"]));
    let env = DataEnv { hub: hub(&server.address, folder.path()), cache: folder.path().into() };
    let found = model_folder("o/m", "main", &env).unwrap();
    assert_eq!(found.revision, COMMIT);
    assert_eq!(files_below(&found.path).len(), 2);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_name_that_may_be_a_folder_is_called_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|request, _| model_answer(request, &["config.json"]));
    for hub in [hub(&server.address, folder.path()), offline(folder.path())] {
        let env = DataEnv { hub, cache: folder.path().into() };
        let error = model_folder("runs/best", "main", &env).unwrap_err();
        assert!(error.message.starts_with("there is no folder runs/best; "), "{error}");
    }
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
    let variable = error(OfflineBy::Variable("TRANSFORMERS_OFFLINE"));
    assert!(variable.message.starts_with("offline (by TRANSFORMERS_OFFLINE), and "), "{variable}");
    assert!(
        variable.hint.starts_with("unset TRANSFORMERS_OFFLINE to allow the download, or run "),
        "{variable}"
    );
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
