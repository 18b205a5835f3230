//! The shell command that rebuilds a report. Reports show it.

use std::path::Path;

use crate::experiment::Experiment;

/// The command for one experiment; shows folders only if they are not the default.
pub fn rebuild_command_of(
    experiment: &Experiment,
    sets: &[String],
    results: &Path,
    reports: &Path,
) -> String {
    let mut words = vec!["electra-lab".to_string(), "report".into(), experiment.path.display().to_string()];
    words.extend(["--profile".into(), experiment.profile.clone()]);
    for set in sets {
        words.extend(["--set".into(), set.clone()]);
    }
    for (option, folder, default) in [("--results", results, "results"), ("--reports", reports, "reports")] {
        if folder != Path::new(default) {
            words.extend([option.into(), folder.display().to_string()]);
        }
    }
    as_typed(&words)
}

/// Joins words to a command line of a POSIX shell.
pub fn as_typed(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,@%+".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
