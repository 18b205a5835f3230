//! File patterns of an experiment: `*` matches within a name, `**/` matches any folders, all else is literal.
//!
//! The crate globset reads `?`, `[…]`, `{…}` and a backslash as patterns too, so it is not used.
//! Must never: follow a pattern out of the folder that it names.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Whether `name`, with `/` between folders, matches the pattern.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('/') {
        Some(("**", rest)) => {
            matches(rest, name) || name.split_once('/').is_some_and(|(_, inner)| matches(pattern, inner))
        }
        Some((folder, rest)) => name.split_once('/').is_some_and(|(name_folder, name_rest)| {
            matches_name(folder, name_folder) && matches(rest, name_rest)
        }),
        None => !name.contains('/') && matches_name(pattern, name),
    }
}

/// One component of a path: `*` stands for any characters.
fn matches_name(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|head| name.strip_prefix(head)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((tail, middle)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(tail)
}

/// The local files that match a path, sorted. `*` may stand in its last components; a path without `*` is one
/// file.
///
/// # Errors
/// No file matches.
pub fn local_files(pattern: &str) -> Result<Vec<PathBuf>> {
    let parts: Vec<&str> = pattern.split('/').collect();
    let n_literal = parts.iter().position(|part| part.contains('*')).unwrap_or(parts.len());
    if n_literal == parts.len() {
        let path = PathBuf::from(pattern);
        return if path.is_file() { Ok(vec![path]) } else { Err(no_file(pattern)) };
    }
    let base = match parts[..n_literal].join("/") {
        empty if empty.is_empty() && pattern.starts_with('/') => PathBuf::from("/"),
        empty if empty.is_empty() => PathBuf::from("."),
        folder => PathBuf::from(folder),
    };
    let pattern_below = parts[n_literal..].join("/");
    let mut found: Vec<PathBuf> =
        names_below(&base, pattern_below.split('/').count(), pattern_below.contains("**"))
            .into_iter()
            .filter(|name| matches(&pattern_below, name))
            .map(|name| if n_literal == 0 { PathBuf::from(name) } else { base.join(name) })
            .collect();
    found.sort();
    if found.is_empty() { Err(no_file(pattern)) } else { Ok(found) }
}

fn no_file(pattern: &str) -> Error {
    Error::new(
        ErrorKind::Data,
        format!("no file matches {pattern}"),
        "give paths from the folder where the command runs; `*` matches within a name, `**/` matches any \
         folders",
    )
}

/// The names of the files below `folder`, relative to it and sorted; at most `depth` components deep, unless
/// `all`.
pub(crate) fn names_below(folder: &Path, depth: usize, all: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), String::new(), 1usize)];
    while let Some((path, prefix, level)) = folders.pop() {
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let name = format!("{prefix}{name}");
            // `metadata` follows links: the snapshots of a hub cache link to blobs.
            match std::fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_file() => names.push(name),
                Ok(metadata) if metadata.is_dir() && (all || level < depth) => {
                    folders.push((entry.path(), format!("{name}/"), level + 1));
                }
                _ => {}
            }
        }
    }
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_within_a_name_and_double_stars_match_folders() {
        for (pattern, name, expected) in [
            ("tokenizer.json", "tokenizer.json", true),
            ("tokenizer.json", "a/tokenizer.json", false),
            ("*.parquet", "train.parquet", true),
            ("*.parquet", "a/train.parquet", false),
            ("**/train-*.parquet", "train-0.parquet", true),
            ("**/train-*.parquet", "a/b/train-0.parquet", true),
            ("**/train-*.parquet", "a/b/validation-0.parquet", false),
            ("wiki/*/train*0*", "wiki/en/train-00-of-03", true),
            ("wiki/*/train*0*", "wiki/en/x/train-00", false),
            ("a*b", "ab", true),
            ("a*b", "aba", false),
            ("a*bc*c", "abc", false),
            ("*", "", true),
            ("[x]?.txt", "[x]?.txt", true),
            ("[x]?.txt", "xa.txt", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} against {name}");
        }
    }

    #[test]
    fn local_patterns_find_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("deep/er")).unwrap();
        for name in ["b.txt", "a.txt", "c.md", "deep/d.txt", "deep/er/e.txt"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let find = |pattern: &str| {
            let found = local_files(&format!("{}/{pattern}", folder.path().display()))?;
            let strip = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
            Ok::<_, Error>(found.iter().map(strip).collect::<Vec<_>>())
        };
        assert_eq!(find("*.txt").unwrap(), ["a.txt", "b.txt"]);
        assert_eq!(find("**/*.txt").unwrap(), ["a.txt", "b.txt", "deep/d.txt", "deep/er/e.txt"]);
        assert_eq!(find("*/d.txt").unwrap(), ["deep/d.txt"]);
        assert_eq!(find("c.md").unwrap(), ["c.md"]);
        assert!(find("*.parquet").unwrap_err().message.ends_with("/*.parquet"));
        assert!(find("deep").is_err());
    }
}
