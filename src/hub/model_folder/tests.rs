//! Against a server on the loopback address, which may have fewer files or fail to give one.

use std::time::Duration;

use super::super::client::Hub;
use super::super::config::HubConfig;
use super::super::loopback::{Response, Server};
use super::*;

const COMMIT: &str = "1111111111111111111111111111111111111111";

/// A hub with the model `o/m` of these files, each with its name as content. It cannot give `failing`.
fn server(files: &'static [&'static str], failing: &'static str) -> Server {
    Server::start(move |request, _| {
        let listed = files
            .iter()
            .map(|name| format!(r#"{{"type":"file","oid":"1","size":{},"path":"{name}"}}"#, name.len()));
        match request.path.as_str() {
            "/api/models/o/m/revision/main" => {
                Response::ok(format!("{{\"id\": \"o/m\", \"sha\": \"{COMMIT}\"}}"))
            }
            path if path == format!("/api/models/o/m/revision/{COMMIT}") => {
                Response::ok(format!("{{\"id\": \"o/m\", \"sha\": \"{COMMIT}\"}}"))
            }
            path if path == format!("/api/models/o/m/tree/{COMMIT}") => {
                Response::ok(format!("[{}]", listed.collect::<Vec<_>>().join(",")))
            }
            path => match path.strip_prefix(&format!("/o/m/resolve/{COMMIT}/")) {
                Some(name) if name == failing => Response::error(503, "Unavailable"),
                Some(name) => Response::ok(name)
                    .header(format!("X-Repo-Commit: {COMMIT}"))
                    .header(format!("ETag: \"{}\"", name.replace('.', "-"))),
                None => Response::error(404, "EntryNotFound"),
            },
        }
    })
}

fn env(server: &Server, folder: &Path) -> DataEnv {
    let config = HubConfig {
        endpoint: Some(server.address.clone()),
        cache: Some(folder.join("hub")),
        retries: 1,
        retry_delay: Duration::from_millis(1),
        ..HubConfig::default()
    };
    DataEnv { hub: Hub::new(config), cache: folder.into() }
}

/// The names of a tokenizer's files, or the kind of the error.
fn names(
    files: &'static [&'static str],
    failing: &'static str,
) -> std::result::Result<Vec<String>, ErrorKind> {
    let folder = tempfile::tempdir().unwrap();
    let server = server(files, failing);
    let found = tokenizer_files("o/m", "main", &env(&server, folder.path()));
    found.map(|found| found.paths.into_iter().map(|(name, _)| name).collect()).map_err(|error| error.kind)
}

#[test]
fn a_tokenizer_is_its_json_or_its_vocabulary_with_the_settings() {
    let found = |names: &[&str]| Ok(names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    let all = &["tokenizer.json", "tokenizer_config.json", "vocab.txt"];
    assert_eq!(names(all, ""), found(&["tokenizer.json", "tokenizer_config.json"]));
    assert_eq!(
        names(&["tokenizer_config.json", "vocab.txt"], ""),
        found(&["vocab.txt", "tokenizer_config.json"])
    );
    assert_eq!(names(&["vocab.txt"], ""), found(&["vocab.txt"]));
    assert_eq!(names(&["config.json"], ""), Err(ErrorKind::Data));
    // A file that the hub has and cannot give is not one that it does not have.
    assert_eq!(names(all, "tokenizer.json"), Err(ErrorKind::Network));
    assert_eq!(names(all, "tokenizer_config.json"), Err(ErrorKind::Network));
}

#[test]
fn a_model_without_one_of_its_files_is_no_other_model() {
    const FILES: &[&str] =
        &["config.json", "model.safetensors", "pytorch_model.bin", "tokenizer.json", "vocab.txt"];
    for (failing, expected) in [
        ("", None),
        ("model.safetensors", Some(ErrorKind::Network)),
        ("tokenizer.json", Some(ErrorKind::Network)),
        // Not asked for where there are safetensors.
        ("pytorch_model.bin", None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = server(FILES, failing);
        let found = model_folder("o/m", "main", &env(&server, folder.path()));
        assert_eq!(found.err().map(|error| error.kind), expected, "{failing}");
        let asked = server.requests().iter().any(|request| request.path.ends_with("pytorch_model.bin"));
        assert!(!asked, "{failing}");
    }
}
