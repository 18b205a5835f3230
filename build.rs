//! Hands the commit that the program is built from to `src/build_info.rs`, as the variable
//! `ELECTRA_LAB_COMMIT`.
//!
//! The variable is empty where the sources are no git repository of their own (a released archive, a vendored
//! copy). Whoever builds such sources may set it: `ELECTRA_LAB_COMMIT=… cargo build`. Must never: fail a
//! build.

use std::path::{Path, PathBuf};
use std::process::Command;

const VARIABLE: &str = "ELECTRA_LAB_COMMIT";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    let commit = std::env::var(VARIABLE).ok().filter(|commit| !commit.is_empty());
    let commit = commit.or_else(checked_out_commit).unwrap_or_default();
    println!("cargo:rustc-env={VARIABLE}={commit}");
}

/// The commit of the repository whose root is this package.
fn checked_out_commit() -> Option<String> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    // Without this check git would answer for a repository that merely contains these sources.
    if !root.join(".git").exists() {
        return None;
    }
    let commit = git(&root, &["rev-parse", "HEAD"])?;
    // A commit, a checkout and a packing of references each change one of these files. Cargo would run this
    // program at every build if it were told to watch a file that does not exist.
    let branch = git(&root, &["symbolic-ref", "--quiet", "HEAD"]);
    let watched = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref());
    for name in watched {
        let path = git(&root, &["rev-parse", "--git-path", name]).map(|path| root.join(path));
        if let Some(path) = path.filter(|path| path.exists()) {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    Some(commit)
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}
