//! The files of the repository, for tests that read them as text.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names from the root of all files below a folder, sorted.
pub fn files_below(folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.push(path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    names.sort();
    names
}

/// Names and texts of the files below a folder that have one of these extensions.
pub fn texts_below(folder: &str, extensions: &[&str]) -> Vec<(String, String)> {
    let wanted = |name: &String| {
        Path::new(name).extension().is_some_and(|e| extensions.iter().any(|&wanted| e == wanted))
    };
    let read = |name: String| {
        let text = fs::read_to_string(root().join(&name)).unwrap();
        (name, text)
    };
    files_below(folder).into_iter().filter(wanted).map(read).collect()
}
