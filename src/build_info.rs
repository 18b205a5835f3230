//! Which sources this program was built from.

use std::sync::LazyLock;

/// The commit that the program was built from; None where the sources were no git repository. Changes that
/// were not committed are not in it.
pub fn commit() -> Option<&'static str> {
    Some(env!("ELECTRA_LAB_COMMIT")).filter(|commit| !commit.is_empty())
}

/// The version and the commit, for `--version` and bug reports.
pub fn version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| match commit() {
        Some(commit) => format!("{} (commit {commit})", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_string(),
    });
    &TEXT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_a_hash_or_unknown() {
        let is_hash =
            |commit: &str| commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(commit().is_none_or(is_hash), "{:?}", commit());
        let has_repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists();
        assert!(commit().is_some() || !has_repository, "git knows the commit, the program does not");
        assert!(version().contains(commit().unwrap_or_default()), "{}", version());
    }
}
