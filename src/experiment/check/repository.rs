//! Whether names of hub repositories and their revisions can be right. Must never: ask the hub.

use super::violation::{Violation, violation};

/// The mistakes in a repository's name and revision; the paths say which values these are.
pub(crate) fn repository(repo: (&str, &str), revision: (&str, &str)) -> Vec<Violation> {
    let mut violations = Vec::new();
    if !is_repo(repo.1) {
        let hint = "write owner/name, as in the repository's address";
        violations.push(violation(repo.0, &[], "is not the name of a repository".into(), hint));
    }
    if !is_revision(revision.1) {
        let hint = "write a branch, a tag or a commit, such as main";
        violations.push(violation(revision.0, &[], "is not a revision".into(), hint));
    }
    violations
}

fn is_repo(text: &str) -> bool {
    let is_part = |part: &str| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        !part.is_empty() && !part.starts_with('.') && !part.contains("..") && part.chars().all(is_letter)
    };
    text.split('/').count() <= 2 && text.split('/').all(is_part)
}

fn is_revision(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    !text.is_empty() && !text.starts_with(['/', '.']) && !text.contains("..") && text.chars().all(is_letter)
}
