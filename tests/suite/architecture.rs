//! The rules of the source tree, read from the sources themselves: which room may import which, no import
//! cycles between files, one home for printing and for each library that has one, comments within the width.
//!
//! `ARCHITECTURE.md` says why. Nothing is exempt but what a rule names.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};

use crate::source_tree::texts_below;

/// Room → the rooms that its code may import. Every room may import those of [`COMMON`] too.
const MAY_IMPORT: [(&str, &[&str]); 22] = [
    ("main", &["cli"]),
    ("cli", &["run", "tools", "report", "experiment", "records", "tasks", "text", "hub", "build_info"]),
    (
        "tools",
        &[
            "run",
            "tasks",
            "train",
            "objective",
            "checkpoint",
            "model",
            "nn",
            "flops",
            "text",
            "hub",
            "formats",
            "records",
            "experiment",
        ],
    ),
    (
        "run",
        &[
            "tasks",
            "train",
            "objective",
            "checkpoint",
            "model",
            "flops",
            "text",
            "hub",
            "records",
            "experiment",
            "build_info",
        ],
    ),
    ("report", &["records", "papers", "experiment"]),
    (
        "tasks",
        &[
            "train",
            "objective",
            "checkpoint",
            "model",
            "nn",
            "ops",
            "text",
            "hub",
            "formats",
            "records",
            "experiment",
        ],
    ),
    ("train", &["objective", "records", "formats", "nn", "ops", "text", "experiment"]),
    ("objective", &["model", "nn", "ops", "text", "experiment"]),
    ("checkpoint", &["model", "nn", "flops", "formats", "experiment"]),
    ("model", &["nn", "ops", "experiment"]),
    ("flops", &["experiment"]),
    ("nn", &["ops", "experiment"]),
    ("text", &["hub", "formats", "records", "experiment"]),
    ("hub", &["formats", "records", "experiment"]),
    ("records", &["formats", "experiment"]),
    ("formats", &[]),
    ("experiment", &["papers"]),
    ("papers", &[]),
    ("ops", &[]),
    ("build_info", &[]),
    ("rng", &[]),
    ("precision", &[]),
];

/// What every room may import.
const COMMON: [&str; 5] = ["error", "escape", "disk", "rng", "precision"];

/// Text that may stand in some files only, with the beginnings of their paths. Tests are not exempt.
const ONE_HOME: [(&str, &[&str]); 11] = [
    ("hf_hub", &["src/hub/"]),
    ("reqwest", &["src/hub/"]),
    ("plotters", &["src/report/plot"]),
    ("zip::write", &["src/tools/submission", "src/text/corpus/archive"]),
    ("process::exit", &["src/main.rs"]),
    ("println!", &["src/cli/", "src/main.rs"]),
    ("print!", &["src/cli/", "src/main.rs"]),
    ("eprint!", &["src/cli/", "src/main.rs"]),
    ("dbg!", &[]),
    ("SystemTime", &[]),
    ("Utc::now", &["src/run/provenance.rs", "src/cli/ls.rs", "src/cli/show.rs"]),
];

/// Columns of a line of code or comment (`rustfmt.toml` says the same).
const WIDTH: usize = 110;

/// A path of segments, such as `crate::text::Batch` without its `crate`.
type Segments = Vec<String>;

/// A source file without the items that only tests compile.
struct Source {
    /// Path from `src/`.
    name: String,
    /// Module path.
    module: Segments,
    tokens: Vec<TokenTree>,
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

/// Whether an attribute's brackets hold a `cfg` that is true in tests alone.
fn is_test_cfg(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    let text = group.stream().to_string().replace(' ', "");
    text == "test" || text == "cfg(test)" || text.starts_with("cfg(all(test")
}

/// The tokens without items under `#[cfg(test)]`.
fn without_tests(stream: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_punct(tokens.get(at), '#') && is_test_cfg(tokens.get(at + 1)) {
            at += 2;
            // Other attributes of the item, then the item itself: to its `;` or its braces.
            while at < tokens.len() {
                let ends = match &tokens[at] {
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    token => is_punct(Some(token), ';'),
                };
                at += 1;
                if ends {
                    break;
                }
            }
            continue;
        }
        kept.push(match &tokens[at] {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner = without_tests(group.stream()).into_iter().collect();
                TokenTree::Group(proc_macro2::Group::new(Delimiter::Brace, inner))
            }
            token => token.clone(),
        });
        at += 1;
    }
    kept
}

/// Modules that are declared under `#[cfg(test)]`: `tests.rs`, fixtures and their like, with their children.
fn test_modules(module: &[String], stream: TokenStream) -> Vec<Segments> {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if is_punct(tokens.get(at), '#') && is_test_cfg(tokens.get(at + 1)) {
            let rest = &tokens[at + 2..];
            let end = rest.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(rest.len());
            let name = rest[..end].windows(2).find(|pair| ident(Some(&pair[0])).as_deref() == Some("mod"));
            if let Some(name) = name.and_then(|pair| ident(Some(&pair[1]))) {
                found.push([module, &[name]].concat());
            }
        }
    }
    found
}

fn module_of(name: &str) -> Segments {
    let path = name.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|&part| part != "lib").map(String::from).collect()
}

fn sources() -> Vec<Source> {
    let parsed: Vec<(String, Segments, TokenStream)> = texts_below("src", &["rs"])
        .into_iter()
        .map(|(name, text)| {
            let name = name.trim_start_matches("src/").to_string();
            let tokens = text.parse().unwrap_or_else(|error| panic!("src/{name}: {error}"));
            let module = module_of(&name);
            (name, module, tokens)
        })
        .collect();
    let tests: Vec<Segments> =
        parsed.iter().flat_map(|(_, module, tokens)| test_modules(module, tokens.clone())).collect();
    let shipped = |module: &Segments| !tests.iter().any(|test| module.starts_with(test));
    parsed
        .into_iter()
        .filter(|(_, module, _)| shipped(module))
        .map(|(name, module, tokens)| Source { name, module, tokens: without_tests(tokens) })
        .collect()
}

/// A `use` tree as its leaves; `*` and `self` end at their parent.
fn leaves(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<(Segments, String)>) {
    for part in tokens.split(|token| is_punct(Some(token), ',')) {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let mut at = 0;
        while at < part.len() {
            match &part[at] {
                TokenTree::Ident(word) if word == "as" => {
                    alias = ident(part.get(at + 1));
                    break;
                }
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    leaves(&inner, &path, found);
                    path.clear();
                }
                _ => {}
            }
            at += 1;
        }
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        if let Some(last) = path.last().cloned() {
            found.push((path, alias.unwrap_or(last)));
        }
    }
}

/// What a file imports by `use` (re-exports apart) and by paths in its code.
#[derive(Default)]
struct Paths {
    imports: Vec<Segments>,
    exports: Vec<(Segments, String)>,
}

fn read_paths(tokens: &[TokenTree], paths: &mut Paths) {
    let mut at: usize = 0;
    let mut public = false;
    while at < tokens.len() {
        let before_is_colon = at > 0 && is_punct(tokens.get(at - 1), ':');
        match &tokens[at] {
            TokenTree::Ident(word) if word == "pub" => public = true,
            TokenTree::Ident(word) if word == "use" => {
                let length =
                    tokens[at..].iter().position(|t| is_punct(Some(t), ';')).unwrap_or(tokens.len() - at);
                let mut found = Vec::new();
                leaves(&tokens[at + 1..at + length], &[], &mut found);
                if public {
                    paths.exports.extend(found);
                } else {
                    paths.imports.extend(found.into_iter().map(|(path, _)| path));
                }
                public = false;
                at += length;
            }
            TokenTree::Ident(word)
                if !before_is_colon && !is_punct(at.checked_sub(1).and_then(|i| tokens.get(i)), '$') =>
            {
                let mut path = vec![word.to_string()];
                while is_punct(tokens.get(at + 1), ':') && is_punct(tokens.get(at + 2), ':') {
                    let Some(next) = ident(tokens.get(at + 3)) else { break };
                    path.push(next);
                    at += 3;
                }
                if path.len() > 1 {
                    paths.imports.push(path);
                }
                public = false;
            }
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                // `pub(crate) use`: the parentheses belong to the visibility.
                let visibility = public && group.delimiter() == Delimiter::Parenthesis;
                if !visibility {
                    read_paths(&inner, paths);
                    public = false;
                }
            }
            _ => public = false,
        }
        at += 1;
    }
}

/// The files of the tree and who imports whom.
struct Graph {
    /// File → the files that define what it imports.
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Self {
        let sources = sources();
        let of_module: BTreeMap<Segments, String> =
            sources.iter().map(|source| (source.module.clone(), source.name.clone())).collect();
        let read = |source: &Source| {
            let mut paths = Paths::default();
            read_paths(&source.tokens, &mut paths);
            paths
        };
        let paths: Vec<Paths> = sources.iter().map(read).collect();
        let mut exports: BTreeMap<(Segments, String), Segments> = BTreeMap::new();
        for (source, paths) in sources.iter().zip(&paths) {
            for (path, name) in &paths.exports {
                if let Some(path) = absolute(&source.module, path, &of_module) {
                    exports.insert((source.module.clone(), name.clone()), path);
                }
            }
        }
        let mut edges = BTreeMap::new();
        for (source, paths) in sources.iter().zip(&paths) {
            let targets: BTreeSet<String> = paths
                .imports
                .iter()
                .filter_map(|path| absolute(&source.module, path, &of_module))
                .map(|path| of_module[&defining_module(path, &of_module, &exports)].clone())
                .filter(|target| *target != source.name && target != "lib.rs")
                .collect();
            edges.insert(source.name.clone(), targets);
        }
        Self { edges }
    }

    /// The groups of files that import each other in a circle.
    fn cycles(&self) -> Vec<Vec<String>> {
        let reachable: BTreeMap<&String, BTreeSet<&String>> =
            self.edges.keys().map(|file| (file, self.reachable(file))).collect();
        let mut groups: BTreeSet<Vec<String>> = BTreeSet::new();
        for (file, targets) in &reachable {
            if targets.contains(*file) {
                let circle = targets.iter().filter(|other| reachable[**other].contains(*file));
                groups.insert(circle.map(|other| (*other).clone()).collect());
            }
        }
        groups.into_iter().collect()
    }

    fn reachable<'a>(&'a self, from: &'a String) -> BTreeSet<&'a String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for target in &self.edges[file] {
                if seen.insert(target) {
                    open.push(target);
                }
            }
        }
        seen
    }
}

/// The path from the crate's root, of a path that leads into the crate.
fn absolute(module: &[String], path: &[String], of_module: &BTreeMap<Segments, String>) -> Option<Segments> {
    match path[0].as_str() {
        "crate" | "electra_lab" => Some(path[1..].to_vec()),
        "super" | "self" => {
            let mut base = module.to_vec();
            let mut at = 0;
            while at < path.len() && (path[at] == "super" || path[at] == "self") {
                if path[at] == "super" {
                    base.pop();
                }
                at += 1;
            }
            Some([base, path[at..].to_vec()].concat())
        }
        first => {
            let child = [module, &[first.to_string()]].concat();
            of_module.contains_key(&child).then(|| [module, path].concat())
        }
    }
}

/// The module of the file in which what a path names is defined: re-exports are followed.
fn defining_module(
    mut path: Segments,
    of_module: &BTreeMap<Segments, String>,
    exports: &BTreeMap<(Segments, String), Segments>,
) -> Segments {
    for _ in 0..8 {
        let (parent, last) = (path[..path.len().saturating_sub(1)].to_vec(), path.last().cloned());
        let whole = last.and_then(|last| exports.get(&(parent, last))).filter(|target| **target != path);
        if let Some(target) = whole {
            path = target.clone();
            continue;
        }
        let length = (0..=path.len()).rev().find(|&n| of_module.contains_key(&path[..n])).unwrap_or(0);
        let (module, rest) = path.split_at(length);
        match rest.first().and_then(|name| exports.get(&(module.to_vec(), name.clone()))) {
            Some(target) if *target != path => path = [target.clone(), rest[1..].to_vec()].concat(),
            _ => return module.to_vec(),
        }
    }
    panic!("re-exports of {} go round in circles", path.join("::"))
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn rooms_import_in_one_direction() {
    let rules: BTreeMap<&str, &[&str]> = MAY_IMPORT.into_iter().collect();
    let mut wrong = Vec::new();
    for (file, targets) in &Graph::read().edges {
        let from = room(file);
        if from == "lib"
            || COMMON.contains(&from) && targets.iter().all(|target| COMMON.contains(&room(target)))
        {
            continue;
        }
        let allowed = rules.get(from).unwrap_or_else(|| panic!("no rule for the room `{from}`"));
        for target in targets {
            let to = room(target);
            if to != from && !COMMON.contains(&to) && !allowed.contains(&to) {
                wrong.push(format!("src/{file} imports src/{target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden imports (see ARCHITECTURE.md):\n{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let cycles = Graph::read().cycles();
    let text: Vec<String> = cycles.iter().map(|files| files.join(", ")).collect();
    assert!(cycles.is_empty(), "import cycles:\n{}", text.join("\n"));
}

#[test]
fn some_things_have_one_home() {
    let mut wrong = Vec::new();
    for (name, text) in texts_below("src", &["rs"]) {
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for (word, homes) in ONE_HOME {
            let used = code.match_indices(word).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            });
            if used && !homes.iter().any(|home| name.starts_with(home)) {
                wrong.push(format!("{name} uses {word}, which belongs in {}", homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    for (name, text) in texts_below("src", &["rs"]) {
        assert!(text.starts_with("//!"), "{name} does not open with what it is for (`//!`)");
    }
}

#[test]
fn comments_stay_within_the_width() {
    let mut wide = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for (name, text) in texts_below(folder, &["rs", "cu", "cuh", "h"]) {
            for (index, line) in text.lines().enumerate() {
                if line.trim_start().starts_with("//") && line.chars().count() > WIDTH {
                    wide.push(format!("{name}:{}", index + 1));
                }
            }
        }
    }
    assert!(wide.is_empty(), "comments over {WIDTH} columns:\n{}", wide.join("\n"));
}

/// The reader of imports, held to a piece of code that is known.
#[test]
fn imports_are_read_from_code_and_not_from_comments_strings_or_tests() {
    let code = r#"
        //! crate::comment::A
        use crate::text::{Batch, corpus::{self, Corpus as C}};
        pub(crate) use super::face::Shown;
        fn f() { let text = "crate::string::B"; crate::inline::call(text); }
        #[cfg(test)]
        #[allow(unused)]
        mod tests { use crate::hidden::D; }
        #[cfg(test)]
        mod fixture;
        fn g() { println!("{}", crate::late::E) }
    "#;
    let tokens: TokenStream = code.parse().unwrap();
    assert_eq!(test_modules(&[], tokens.clone()), [vec!["tests".to_string()], vec!["fixture".to_string()]]);
    let mut paths = Paths::default();
    read_paths(&without_tests(tokens), &mut paths);
    let imports: Vec<String> = paths.imports.iter().map(|path| path.join("::")).collect();
    let expected = [
        "crate::text::Batch",
        "crate::text::corpus",
        "crate::text::corpus::Corpus",
        "crate::inline::call",
        "crate::late::E",
    ];
    assert_eq!(imports, expected);
    assert_eq!(paths.exports.len(), 1);
}
