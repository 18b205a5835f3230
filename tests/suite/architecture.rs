//! Who may import whom, read from the sources. `ARCHITECTURE.md` says why.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Module → the modules of the crate that it may import. Everyone may import `error`, `disk` and `rng`.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("cli", &["run", "report", "spec", "track", "data"]),
    ("run", &["train", "task", "track", "spec", "data", "objective", "model"]),
    ("report", &["track", "spec"]),
    ("task", &["train", "objective", "model", "nn", "ops", "data", "track", "spec"]),
    ("train", &["objective", "track", "nn", "ops", "data", "spec"]),
    ("objective", &["model", "nn", "ops", "data", "spec"]),
    ("model", &["nn", "ops", "spec"]),
    ("nn", &["ops", "spec"]),
    ("ops", &[]),
    ("data", &["spec", "track"]),
    ("track", &["spec"]),
    ("spec", &[]),
    ("rng", &[]),
];

/// Text that may stand in some files only, with the beginnings of their paths.
const ONE_HOME: [(&str, &[&str]); 7] = [
    ("hf_hub", &["data/hub"]),
    ("plotters", &["report/plot"]),
    ("zip::write", &["run/submission", "data/parcel"]),
    ("process::exit", &["main.rs"]),
    ("println!", &["cli/", "main.rs"]),
    ("print!(", &["cli/", "main.rs"]),
    ("SystemTime", &["run/provenance.rs"]),
];

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The code of a file without its unit tests and comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test_file(name: &str) -> bool {
    ["tests.rs", "/tests/", "fixture", "testing.rs", "refusals.rs", "loopback.rs"]
        .iter()
        .any(|mark| name.contains(mark))
}

/// The first path segments that follow `crate::`, braces included.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        let list = match after.strip_prefix('{') {
            Some(inner) => inner.split('}').next().unwrap_or_default().to_string(),
            None => after.to_string(),
        };
        let segments = if after.starts_with('{') { list.split(',').collect() } else { vec![list.as_str()] };
        for segment in segments {
            let word: String =
                segment.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !word.is_empty() {
                found.push(word);
            }
        }
    }
    found
}

#[test]
fn modules_import_in_one_direction() {
    let rules: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let module = name.split('/').next().unwrap().trim_end_matches(".rs");
        if ["lib", "main", "error", "disk", "tensor_file"].contains(&module) || is_test_file(&name) {
            continue;
        }
        let allowed = rules.get(module).unwrap_or_else(|| panic!("no rule for the module `{module}`"));
        for import in imports(&code(&text)) {
            let own = import == module || ["error", "rng", "disk"].contains(&import.as_str());
            if rules.contains_key(import.as_str()) && !own && !allowed.contains(&import.as_str()) {
                wrong.push(format!("src/{name} imports crate::{import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden imports (see ARCHITECTURE.md):\n{}", wrong.join("\n"));
}

#[test]
fn some_things_have_one_home() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        if is_test_file(&name) {
            continue;
        }
        for (word, homes) in ONE_HOME {
            let at_home = homes.iter().any(|home| name.starts_with(home));
            // eprintln! contains println!, and belongs to the same homes but for the terminal sink.
            let code = code(&text).replace("eprintln!", "");
            if code.contains(word) && !at_home {
                wrong.push(format!("src/{name} uses {word}, which belongs in {}", homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_readable() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| text.lines().count() > 400)
        .map(|(name, text)| format!("src/{name} has {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "files over 400 lines are to be split:\n{}", long.join("\n"));
    for (name, text) in sources() {
        assert!(text.starts_with("//!"), "src/{name} does not open with what it is for (`//!`)");
    }
}
