//! File patterns of an experiment: `*` matches within a name, `**/` matches any folders, all else is literal.
//! As in a shell, neither matches a name that begins with a dot.
//!
//! The crate globset reads `?`, `[…]`, `{…}` and a backslash as patterns too, so it is not used.
//! Must never: follow a pattern out of the folder that it names, or find one file twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Whether `name`, with `/` between folders, matches the pattern.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('/') {
        Some((ANY_FOLDERS, rest)) => {
            let deeper = |(folder, inner): (&str, &str)| !is_hidden(folder) && matches(pattern, inner);
            matches(rest, name) || name.split_once('/').is_some_and(deeper)
        }
        Some((folder, rest)) => name.split_once('/').is_some_and(|(name_folder, name_rest)| {
            matches_name(folder, name_folder) && matches(rest, name_rest)
        }),
        None => !name.contains('/') && matches_name(pattern, name),
    }
}

/// The component of a pattern that stands for any number of folders.
const ANY_FOLDERS: &str = "**";

/// `..` is not hidden: a hub that lists such a name is refused for it, and not overlooked.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != ".."
}

/// One component of a path: `*` stands for any characters, but not for the dot of a hidden file.
fn matches_name(pattern: &str, name: &str) -> bool {
    if is_hidden(name) && !is_hidden(pattern) {
        return false;
    }
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
/// file. Links are followed; a file that is found under several names is listed once, under the first.
///
/// # Errors
/// No file matches, a folder cannot be read, or a link that matches leads nowhere.
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
    if !base.is_dir() {
        return Err(no_file(pattern));
    }
    let walked = Walk::below(&base, &parts[n_literal..])?;
    let named = |name: String| if n_literal == 0 { PathBuf::from(name) } else { base.join(name) };
    let mut found: Vec<PathBuf> = walked.into_iter().map(named).collect();
    found.sort();
    let mut seen = BTreeSet::new();
    found.retain(|path| seen.insert(same_file(path)));
    if found.is_empty() { Err(no_file(pattern)) } else { Ok(found) }
}

/// What two names of one file have in common: its path without links.
pub fn same_file(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

fn no_file(pattern: &str) -> Error {
    Error::new(
        ErrorKind::Data,
        format!("no file matches {pattern}"),
        "give paths from the folder where the command runs; `*` matches within a name, `**/` matches any \
         folders, and neither matches a name that begins with a dot",
    )
}

/// A folder, the name that leads to it, and what is left of the pattern there.
type Step<'p> = (PathBuf, String, &'p [&'p str]);

/// A walk through the folders that a pattern names. Each folder is read once for each rest of the pattern, so
/// links that lead in circles end the walk; folders come before links, so their own names are the ones found.
struct Walk<'p> {
    folders: Vec<Step<'p>>,
    /// By name, so that the names that are found do not depend on the order of a listing.
    links: BTreeMap<(String, usize), Step<'p>>,
    visited: BTreeSet<(PathBuf, usize)>,
    found: BTreeSet<String>,
}

impl<'p> Walk<'p> {
    /// The names of the files below `base` that match the components of a pattern, relative to it.
    fn below(base: &Path, pattern: &'p [&'p str]) -> Result<BTreeSet<String>> {
        let start = (base.to_path_buf(), String::new(), pattern);
        let mut walk = Self {
            folders: vec![start],
            links: BTreeMap::new(),
            visited: BTreeSet::new(),
            found: BTreeSet::new(),
        };
        while let Some((folder, prefix, pattern)) =
            walk.folders.pop().or_else(|| walk.links.pop_first().map(|(_, step)| step))
        {
            if walk.visited.insert((same_file(&folder), pattern.len())) {
                walk.read(&folder, &prefix, pattern)?;
            }
        }
        Ok(walk.found)
    }

    fn read(&mut self, folder: &Path, prefix: &str, pattern: &'p [&'p str]) -> Result<()> {
        let Some((first, rest)) = pattern.split_first() else { return Ok(()) };
        let any_folders = *first == ANY_FOLDERS && !rest.is_empty();
        if any_folders {
            self.folders.push((folder.to_path_buf(), prefix.into(), rest));
        }
        let unreadable = |error| {
            let what = format!("cannot read the folder {}", folder.display());
            Error::new(ErrorKind::Data, what, "check its permissions, or name the files that are wanted")
                .because(error)
        };
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let file_name = entry.file_name();
            let name = file_name.to_string_lossy();
            let fits = if any_folders { !is_hidden(&name) } else { matches_name(first, &name) };
            if !fits {
                continue;
            }
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            // `metadata` follows links.
            let metadata = match std::fs::metadata(entry.path()) {
                Ok(metadata) => metadata,
                // Only the last component names files.
                Err(_) if !rest.is_empty() => continue,
                Err(error) => return Err(no_target(&entry.path()).because(error)),
            };
            if metadata.is_dir() && !rest.is_empty() {
                let below = if any_folders { pattern } else { rest };
                let prefix = format!("{prefix}{}/", utf8(&entry.path(), &file_name)?);
                let step = (entry.path(), prefix.clone(), below);
                if is_link {
                    self.links.insert((prefix, below.len()), step);
                } else {
                    self.folders.push(step);
                }
            } else if metadata.is_file() && rest.is_empty() {
                self.found.insert(format!("{prefix}{}", utf8(&entry.path(), &file_name)?));
            }
        }
        Ok(())
    }
}

fn no_target(path: &Path) -> Error {
    let what = format!("cannot read {}", path.display());
    Error::new(ErrorKind::Data, what, "remove or mend the link, or choose a pattern that does not match it")
}

fn utf8<'a>(path: &Path, name: &'a std::ffi::OsStr) -> Result<&'a str> {
    name.to_str().ok_or_else(|| {
        let what = format!("the name of {} is not UTF-8", path.display());
        Error::new(ErrorKind::Data, what, "rename it, or choose a pattern that does not match it")
    })
}

/// The names of all files below `folder`, relative to it and sorted. A folder that cannot be read has none.
pub(crate) fn names_below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut visited = BTreeSet::new();
    let mut folders = vec![(folder.to_path_buf(), String::new())];
    while let Some((path, prefix)) = folders.pop() {
        if !visited.insert(same_file(&path)) {
            continue;
        }
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let name = format!("{prefix}{name}");
            // `metadata` follows links: the snapshots of a hub cache link to blobs.
            match std::fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_file() => names.push(name),
                Ok(metadata) if metadata.is_dir() => folders.push((entry.path(), format!("{name}/"))),
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
            ("*.txt", ".a.txt", false),
            ("**/*.txt", "a/.a.txt", false),
            ("**/*.txt", ".git/a.txt", false),
            ("**/a.txt", "b/.git/a.txt", false),
            (".*", ".a.txt", true),
            (".git/*", ".git/a.txt", true),
            ("**/.git/*", "b/.git/a.txt", true),
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
    #[test]
    fn every_file_is_found_once_and_no_hidden_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("a/b")).unwrap();
        std::fs::create_dir_all(path("a/.git")).unwrap();
        for name in ["a/1.txt", "a/b/2.txt", "a/.hidden.txt", "a/.git/3.txt"] {
            std::fs::write(path(name), "x").unwrap();
        }
        let find = |pattern: &str| {
            let found = local_files(&format!("{}/{pattern}", folder.path().display()))?;
            let strip = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
            Ok::<_, Error>(found.iter().map(strip).collect::<Vec<_>>())
        };
        assert_eq!(find("**/*.txt").unwrap(), ["a/1.txt", "a/b/2.txt"]);
        assert_eq!(find("a/.git/*").unwrap(), ["a/.git/3.txt"]);
        assert_eq!(find("a/.hidden.txt").unwrap(), ["a/.hidden.txt"]);
        #[cfg(unix)]
        {
            let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, path(name)).unwrap();
            link("..", "a/b/up");
            link("a", "latest");
            link("1.txt", "a/again.txt");
            link("nowhere", "a/folder");
            assert_eq!(find("**/*.txt").unwrap(), ["a/1.txt", "a/b/2.txt"]);
            assert_eq!(find("l*/*.txt").unwrap(), ["latest/1.txt"]);
            assert_eq!(find("latest/**/2.txt").unwrap(), ["latest/b/2.txt"]);
            assert_eq!(
                names_below(&path("a")),
                [".git/3.txt", ".hidden.txt", "1.txt", "again.txt", "b/2.txt"]
            );
            link("nowhere", "a/0.txt");
            let error = find("**/*.txt").unwrap_err();
            assert!(error.message.contains("a/0.txt"), "{error}");
        }
    }
}
