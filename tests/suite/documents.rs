//! The documents say what the program does: commands, experiment files, paths, links and quoted code are
//! checked.
//!
//! Must never: judge the wording. A check that fails names the file and what it found there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::source_tree::{files_below, root};

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every page that a reader is sent to.
fn documents() -> Vec<String> {
    let mut names: Vec<String> =
        files_below("docs").into_iter().filter(|name| name.ends_with(".md")).collect();
    for name in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "scripts/README.md", "tests/golden/README.md"]
    {
        names.push(name.into());
    }
    names
}

/// The blocks between fences, each with its language.
fn fences(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                found.push((language.trim().into(), String::new()));
            }
            None if inside => {
                let (_, block) = found.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    found
}

/// The text outside fences.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The spans between single backticks.
fn spans(prose: &str) -> Vec<&str> {
    prose.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Words of a command line as a shell splits them, up to a comment, a pipe or another command.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => word.push(letter),
            (None, '\'' | '"') => (quote, any) = (Some(letter), true),
            (None, '|' | '>' | ';' | '&' | ')') => break,
            (None, '#') if word.is_empty() => break,
            (None, ' ') => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (None, _) => word.push(letter),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The arguments of the program in a command line; none where it runs something else.
fn program_arguments(line: &str) -> Option<Vec<String>> {
    let words = shell_words(line.trim().trim_start_matches("$ "));
    let mut rest = words.iter().skip_while(|word| word.contains('=') && !word.starts_with('-'));
    match rest.next()?.as_str() {
        "electra-lab" | "target/release/electra-lab" | "target/debug/electra-lab" => {}
        "cargo" if rest.next()? == "run" => {
            rest.find(|word| *word == "--")?;
        }
        _ => return None,
    }
    Some(rest.cloned().collect())
}

/// Every command line of a document that runs the program.
fn program_lines(text: &str) -> Vec<(String, Vec<String>)> {
    let mut lines: Vec<String> = Vec::new();
    for (language, block) in fences(text) {
        if ["sh", "bash", "text", "yaml", ""].contains(&language.as_str()) {
            lines.extend(
                block.replace("\\\n", " ").lines().map(|line| line.trim_start_matches("# ").to_string()),
            );
        }
    }
    lines.extend(spans(&prose(text)).into_iter().map(String::from));
    lines.iter().filter_map(|line| Some((line.clone(), program_arguments(line)?))).collect()
}

/// The help of a subcommand by its words; none where there is no such subcommand.
#[derive(Default)]
struct Helps(BTreeMap<Vec<String>, Option<String>>);

impl Helps {
    fn of(&mut self, words: &[String]) -> Option<&str> {
        let entry = self.0.entry(words.to_vec()).or_insert_with(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_electra-lab"));
            command.args(words).arg("--help").env_remove("COLUMNS").env("NO_COLOR", "1");
            let output = command.output().unwrap();
            output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
        });
        entry.as_deref()
    }
}

/// The subcommands that a help lists.
fn subcommands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let own = list.lines().take_while(|line| !line.trim().is_empty());
    let names = own.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(Into::into)
        .collect()
}

/// The long options that a help lists.
fn options(help: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split_whitespace()).filter(|word| word.starts_with("--"));
    words.map(|word| word.chars().take_while(|letter| is_part(*letter)).collect()).collect()
}

/// What is wrong with the arguments of a command line.
fn mistake(helps: &mut Helps, arguments: &[String]) -> Option<String> {
    let mut path: Vec<String> = Vec::new();
    let mut rest = arguments;
    let mut help = helps.of(&path).unwrap().to_string();
    while let Some((word, after)) = rest.split_first() {
        let known = subcommands(&help);
        if known.is_empty() {
            break;
        }
        let is_word = word.starts_with(|letter: char| letter.is_ascii_lowercase());
        match known.contains(word) {
            true => path.push(word.clone()),
            false if is_word => return Some(format!("there is no subcommand `{word}`")),
            false => break,
        }
        help = helps.of(&path)?.to_string();
        rest = after;
    }
    let known = options(&help);
    let given = rest.iter().filter(|word| word.starts_with("--"));
    let unknown = given.map(|word| word.split('=').next().unwrap()).find(|option| !known.contains(*option));
    unknown.map(|option| format!("`{}` has no option {option}", path.join(" ")))
}

#[test]
fn every_command_line_is_the_programs() {
    let (mut helps, mut wrong, mut n) = (Helps::default(), Vec::new(), 0);
    for name in documents() {
        for (line, arguments) in program_lines(&read(&name)) {
            n += 1;
            wrong.extend(mistake(&mut helps, &arguments).map(|what| format!("{name}: {what}: {line}")));
        }
    }
    assert!(n > 60, "only {n} command lines were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The check above must see what it looks for.
#[test]
fn a_wrong_command_line_is_found() {
    let mut helps = Helps::default();
    let mut of = |line: &str| mistake(&mut helps, &program_arguments(line).unwrap());
    assert_eq!(of("HF_HUB_OFFLINE=1 electra-lab run a.yaml --set 'seeds=[1, 2]' | head --lines 3"), None);
    assert_eq!(of("cargo run --release --features cuda -- bench step --size small # --nothing"), None);
    assert_eq!(of("electra-lab"), None);
    assert_eq!(of("electra-lab train a.yaml").unwrap(), "there is no subcommand `train`");
    assert_eq!(of("electra-lab bench leap").unwrap(), "there is no subcommand `leap`");
    assert_eq!(of("cargo run -- run a.yaml --seeds=3").unwrap(), "`run` has no option --seeds");
    assert_eq!(program_arguments("cargo test --locked"), None);
}

/// The commands of the program with their help, as docs/cli.md has them.
fn command_pages() -> String {
    let mut helps = Helps::default();
    let mut pages = String::new();
    let mut paths: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(path) = paths.pop() {
        let help = helps.of(&path).unwrap().to_string();
        if !path.is_empty() {
            let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
            pages.push_str(&format!("## `electra-lab {}`\n\n```text\n", path.join(" ")));
            pages.push_str(&format!("{}\n```\n\n", lines.join("\n").trim_end()));
        }
        let below = subcommands(&help).into_iter().map(|name| [&path[..], &[name]].concat());
        paths.extend(below.collect::<Vec<_>>().into_iter().rev());
    }
    pages
}

/// To write the page anew: UPDATE_DOCUMENTS=1 cargo test --test suite documents
#[test]
fn the_page_of_commands_is_the_programs_help() {
    let (begin, end) = ("<!-- commands:begin -->\n", "<!-- commands:end -->");
    let page = read("docs/cli.md");
    let (head, rest) = page.split_once(begin).expect("docs/cli.md has a mark where the commands begin");
    let (_, tail) = rest.split_once(end).expect("docs/cli.md has a mark where the commands end");
    let wanted = format!("{head}{begin}\n{}{end}{tail}", command_pages());
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(root().join("docs/cli.md"), &wanted).unwrap();
    }
    let committed = read("docs/cli.md");
    let differs = committed.lines().zip(wanted.lines()).find(|(committed, wanted)| committed != wanted);
    assert!(
        committed == wanted,
        "docs/cli.md has drifted from the program: {differs:?}; write it anew with \
         `UPDATE_DOCUMENTS=1 cargo test --test suite documents`"
    );
}

/// Loads a file as `plan` does, which needs no data.
fn plan(folder: &Path, text: &str) -> Result<(), String> {
    let whole = match text.lines().any(|line| line.starts_with("name:")) {
        true => text.to_string(),
        false => format!("name: snippet\nabout: Does it load?\n{text}"),
    };
    fs::write(folder.join("snippet.yaml"), whole).unwrap();
    let (code, _, stderr) = super::cli::run(folder, &["plan", "snippet.yaml"]);
    match code {
        0 => Ok(()),
        _ => Err(format!("exit code {code}: {stderr}")),
    }
}

#[test]
fn every_experiment_file_loads() {
    let (folder, mut wrong, mut n) = (tempfile::tempdir().unwrap(), Vec::new(), 0);
    for name in documents() {
        for (_, block) in fences(&read(&name)).into_iter().filter(|(language, _)| language == "yaml") {
            n += 1;
            let what = plan(folder.path(), &block).err();
            wrong.extend(what.map(|what| format!("{name}: {what}\n{block}")));
        }
    }
    assert!(n > 40, "only {n} files were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(plan(folder.path(), "base: { train: { stepz: 3 } }\n").is_err(), "a wrong key must be seen");
}

/// The fragment that forges and mdBook give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

/// The targets of a page's links, but for those to other hosts.
fn links(prose: &str) -> Vec<String> {
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(Into::into).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (mut wrong, mut n) = (Vec::new(), 0);
    for name in documents() {
        let text = read(&name);
        let folder = root().join(&name).parent().unwrap().to_path_buf();
        for link in links(&prose(&text)) {
            n += 1;
            let (path, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { root().join(&name) } else { folder.join(path) };
            if !target.exists() {
                wrong.push(format!("{name}: {link} does not exist"));
            } else if !fragment.is_empty()
                && !anchors(&fs::read_to_string(&target).unwrap()).contains(fragment)
            {
                wrong.push(format!("{name}: {link} has no such heading"));
            }
        }
    }
    assert!(n > 150, "only {n} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a span names a file of the repository. Results and quick reports are not committed, and a name in
/// capitals stands for any.
fn is_path(span: &str) -> bool {
    let roots =
        ["src/", "docs/", "tests/", "scripts/", "experiments/", "reports/", "benches/", ".ci/", ".github/"];
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "/._-".contains(letter);
    roots.iter().any(|root| span.starts_with(root))
        && span.chars().all(|letter| is_plain(letter) || letter.is_ascii_uppercase())
        && !["NAME", "EXPERIMENT", "PROFILE", "/quick"].iter().any(|mark| span.contains(mark))
}

#[test]
fn every_path_exists() {
    let (mut wrong, mut n) = (Vec::new(), 0);
    for name in documents() {
        let text = read(&name);
        let prose = prose(&text);
        for span in spans(&prose).into_iter().filter(|span| is_path(span)) {
            n += 1;
            if !root().join(span).exists() {
                wrong.push(format!("{name}: `{span}` does not exist"));
            }
        }
    }
    assert!(n > 60, "only {n} paths were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_summary_lists_every_page() {
    let listed: BTreeSet<String> =
        links(&read("docs/SUMMARY.md")).into_iter().map(|link| format!("docs/{link}")).collect();
    let pages: BTreeSet<String> = documents()
        .into_iter()
        .filter(|name| name.starts_with("docs/") && name != "docs/SUMMARY.md")
        .collect();
    assert_eq!(listed, pages, "docs/SUMMARY.md and the pages below docs/ differ");
}

/// A finding has a date in its name, a summary with every row, and a line in the index.
#[test]
fn every_finding_has_its_summary() {
    let index = links(&prose(&read("docs/findings/README.md")));
    let findings: Vec<String> =
        files_below("docs/findings").into_iter().filter(|name| !name.ends_with("README.md")).collect();
    assert!(findings.len() > 30, "only {} findings were found", findings.len());
    for name in findings {
        let file = name.trim_start_matches("docs/findings/");
        let date: Vec<&str> = file.splitn(4, '-').collect();
        let numbers = date.iter().take(3).filter(|part| part.parse::<u32>().is_ok()).count();
        assert!(numbers == 3 && date.len() == 4, "{name} is not called YYYY-MM-DD-title.md");
        assert!(index.iter().any(|link| link == file), "{name} is not in docs/findings/README.md");
        let text = read(&name);
        for row in ["Question", "Setting", "Result", "n", "Command"] {
            assert!(text.contains(&format!("\n| {row} | ")), "{name} has no row \"{row}\" in its summary");
        }
    }
}

/// The guide's code is quoted from files that compile and are tested.
#[test]
fn quoted_code_is_the_examples() {
    let examples: String = files_below("docs/examples").iter().map(|name| read(name)).collect();
    let blocks = fences(&read("docs/extending.md")).into_iter().filter(|(language, _)| language == "rust");
    let mut n = 0;
    for (_, block) in blocks {
        n += 1;
        assert!(
            examples.contains(&block),
            "docs/extending.md quotes what docs/examples/ does not have:\n{block}"
        );
    }
    assert!(n >= 8, "only {n} blocks were found");
}

/// The glossary's last column names files, and types or keys that these files have.
#[test]
fn the_glossary_names_what_is_there() {
    let glossary = read("docs/glossary.md");
    let mut wrong = Vec::new();
    for row in glossary.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| term")) {
        let place = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let (paths, names): (Vec<&str>, Vec<&str>) =
            spans(place).into_iter().partition(|span| span.contains('/'));
        let files = paths.iter().filter(|path| path.ends_with(".rs")).map(|path| read(path));
        let text: String = files.collect();
        wrong.extend(
            names.iter().filter(|name| !has_word(&text, name)).map(|name| format!("`{name}` of: {row}")),
        );
    }
    assert!(wrong.is_empty(), "docs/glossary.md names what its files do not have:\n{}", wrong.join("\n"));
}

/// Whether a text has a name that is not part of a longer one.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// The names that a line places in a file, as `` `name` in `src/file.rs` `` does, each with the file. A list
/// of names counts: `` `one`, `two` in `src/file.rs` ``.
fn placed_names(line: &str) -> Vec<(&str, &str)> {
    let pieces: Vec<&str> = line.split('`').collect();
    let mut placed = Vec::new();
    for at in (3..pieces.len()).step_by(2).filter(|&at| pieces[at - 1] == " in ") {
        let file = pieces[at];
        let is_source = file.starts_with("src/") && file.ends_with(".rs");
        let mut name_at = at - 2;
        while is_source && !pieces[name_at].contains('/') {
            placed.push((pieces[name_at], file));
            if name_at < 3 || ![", ", " and "].contains(&pieces[name_at - 1]) {
                break;
            }
            name_at -= 2;
        }
    }
    placed
}

/// `Type::function` and `macro!` are found by their last part and without the mark.
#[test]
fn names_are_in_the_files_that_documents_name() {
    let (mut wrong, mut n) = (Vec::new(), 0);
    for name in documents() {
        let prose = prose(&read(&name));
        for (symbol, file) in
            prose.lines().flat_map(placed_names).filter(|(_, file)| root().join(file).exists())
        {
            n += 1;
            let last = symbol.rsplit("::").next().unwrap().trim_end_matches('!');
            if !has_word(&read(file), last) {
                wrong.push(format!("{name}: {file} has no `{symbol}`"));
            }
        }
    }
    assert!(n > 20, "only {n} names were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_list_of_names_is_placed_in_its_file() {
    let line =
        "see `one`, `A::two` and `three` in `src/a.rs`, `four` of `src/b.rs`; `src/x.rs` in `src/c.rs`";
    assert_eq!(placed_names(line), [("three", "src/a.rs"), ("A::two", "src/a.rs"), ("one", "src/a.rs")]);
    assert!(has_word("fn one_two() { one() }", "one") && !has_word("fn one_two() {}", "one"));
}

/// The filter of a `cargo test` command on the library: the first word that is no option. None where the
/// command runs all tests, only other tests than the library's, or no tests.
fn test_filter(line: &str) -> Option<String> {
    let words = shell_words(line.trim().trim_start_matches("$ "));
    let mut rest = words.iter().skip_while(|word| word.contains('=') && !word.starts_with('-'));
    if rest.next()? != "cargo" || rest.next()? != "test" {
        return None;
    }
    let mut filter = None;
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--test" | "--bench" | "--doc" => return None,
            "--features" | "--profile" | "--jobs" | "--package" | "--target-dir" | "-p" | "-j" => {
                rest.next();
            }
            option if option.starts_with('-') => {}
            word => {
                filter.get_or_insert_with(|| word.to_string());
            }
        }
    }
    filter
}

/// The paths of the library's tests, `module::test`. A test may be in any module of its file.
fn test_paths() -> Vec<String> {
    let mut paths = Vec::new();
    for name in files_below("src").into_iter().filter(|name| name.ends_with(".rs")) {
        let module = name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let module = module.replace('/', "::");
        let text = read(&name);
        let lines = || text.lines().map(str::trim);
        let inner = lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(" {"));
        let modules: Vec<String> =
            inner.map(|inner| format!("{module}::{inner}")).chain([module.clone()]).collect();
        let mut is_test = false;
        for line in lines() {
            is_test |= line == "#[test]";
            if let (true, Some(rest)) = (is_test, line.strip_prefix("fn ")) {
                let test = rest.split('(').next().unwrap();
                paths.extend(modules.iter().map(|module| format!("{module}::{test}")));
                is_test = false;
            }
        }
    }
    paths
}

/// cargo runs no test and reports success where a filter matches nothing.
#[test]
fn every_test_filter_matches_a_module_or_a_test() {
    let paths = test_paths();
    let is_known = |filter: &str| paths.iter().any(|path| path.contains(filter));
    let (mut wrong, mut n) = (Vec::new(), 0);
    assert!(paths.len() > 300, "only {} tests were found", paths.len());
    for name in documents() {
        let text = read(&name);
        let blocks = fences(&text).into_iter().map(|(_, block)| block).collect::<String>();
        let prose = prose(&text);
        for line in blocks.lines().chain(spans(&prose)) {
            let Some(filter) = test_filter(line) else { continue };
            n += 1;
            if !is_known(&filter) {
                wrong.push(format!("{name}: `{filter}` matches no test: {line}"));
            }
        }
    }
    assert!(n >= 5, "only {n} filters were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(is_known("ops") && is_known("objective::") && !is_known("ops::gpu"));
}

#[test]
fn the_filter_of_a_test_command_is_found() {
    let filter = |line| test_filter(line).unwrap_or_default();
    assert_eq!(filter("cargo test --lib ops::gpu"), "ops::gpu");
    assert_eq!(filter("A=1 cargo test --features cuda kernels_compile # here"), "kernels_compile");
    assert_eq!(filter("cargo test --lib -- objective::"), "objective::");
    assert_eq!(filter("cargo test --locked --lib -- --ignored"), "");
    assert_eq!(filter("cargo test --test suite documents"), "");
    assert_eq!(filter("cargo run -- run a.yaml"), "");
}
