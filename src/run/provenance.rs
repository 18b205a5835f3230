//! What made a run's numbers: code, machine and time. Must never: influence a number, or run a command that
//! the current folder names.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use candle_core::Device;
use chrono::{SecondsFormat, Utc};

use super::device::describe;
use crate::build_info;
use crate::records::Provenance;

/// Code, machine and time of this process; the trial adds its data.
pub fn collect(device: &Device) -> Provenance {
    let git = git_state();
    Provenance {
        crate_version: env!("CARGO_PKG_VERSION").into(),
        commit: build_info::commit().map(String::from),
        working_commit: git.map(|git| git.commit.clone()),
        working_dirty: git.map(|git| git.dirty),
        device: describe(device),
        threads: rayon::current_num_threads(),
        simd: simd().into(),
        started_at: utc_now(),
        ..Provenance::default()
    }
}

/// The git repository of a folder.
#[derive(Debug)]
struct GitState {
    /// Hash of the commit.
    commit: String,
    /// Whether tracked files differ from it.
    dirty: bool,
}

/// The state of the current folder, asked for once per process; None outside a repository or without `git`.
fn git_state() -> Option<&'static GitState> {
    static STATE: OnceLock<Option<GitState>> = OnceLock::new();
    STATE.get_or_init(|| git_state_of(Path::new("."))).as_ref()
}

/// Asks `git`. The repository may be of others and its settings may name commands: a monitor of files, hooks,
/// filters of files. None of them runs.
fn git_state_of(folder: &Path) -> Option<GitState> {
    let commit = ask_git(folder, &[], &["rev-parse", "--verify", "HEAD"])?.trim().to_string();
    // Fails where there is no filter.
    let filters = ask_git(folder, &[], &["config", "-z", "--name-only", "--get-regexp", r"^filter\."]);
    let filters = filters.unwrap_or_default();
    // An empty command is none. Files whose times changed are then compared as they are.
    let settings: Vec<(&str, &str)> = filters
        .split_terminator('\0')
        .map(|name| (name, if name.ends_with(".required") { "false" } else { "" }))
        .collect();
    // Only changes to tracked files count: results and reports are usually not tracked.
    let status = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"];
    let changes = ask_git(folder, &settings, &status)?;
    Some(GitState { commit, dirty: !changes.trim().is_empty() })
}

/// What `git` prints, with these settings; None if it fails.
fn ask_git(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Option<String> {
    // Nothing that `git` starts may see a token.
    let is_harmless = |name: &OsString| {
        let name = name.to_string_lossy();
        let own = ["GIT_DIR", "GIT_WORK_TREE", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"];
        let needed = ["PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR", "TEMP", "XDG_CONFIG_HOME"];
        name.starts_with("GIT_CONFIG_") || own.iter().chain(&needed).any(|known| **known == *name)
    };
    let mut git = Command::new("git");
    git.current_dir(folder).env_clear().envs(std::env::vars_os().filter(|(name, _)| is_harmless(name)));
    // Nothing is written into the repository, and nothing is fetched.
    git.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "none");
    // By variables, not by `-c`: the name of a filter may have an equals sign. They come after the user's
    // own.
    let count = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(0usize);
    git.env("GIT_CONFIG_COUNT", (count + settings.len()).to_string());
    for (index, (key, value)) in (count..).zip(settings) {
        git.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    git.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]).args(arguments);
    let output = git.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

/// The widest instruction set of this processor that the code can use.
fn simd() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "avx512f";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "avx2+fma";
        }
        if is_x86_feature_detected!("avx") {
            return "avx";
        }
        "sse2"
    }
    #[cfg(target_arch = "aarch64")]
    {
        "neon"
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        "none"
    }
}

/// The current time, for example `2026-01-31T23:59:59Z`.
pub fn utc_now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_with_seconds() {
        let (now, text) = (Utc::now(), utc_now());
        let read = chrono::DateTime::parse_from_rfc3339(&text).unwrap();
        assert!((read.timestamp() - now.timestamp()).abs() <= 1, "{text}");
        assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
    }

    #[test]
    fn provenance_names_code_and_machine() {
        let provenance = collect(&Device::Cpu);
        assert_eq!(provenance.device, "cpu");
        assert!(provenance.threads > 0 && !provenance.simd.is_empty());
        assert!(provenance.started_at.ends_with('Z') && provenance.started_at.as_str() > "2025");
        assert_eq!(provenance.working_commit.is_some(), provenance.working_dirty.is_some());
        assert_eq!(provenance.commit.as_deref(), build_info::commit());
    }

    #[cfg(unix)]
    #[test]
    fn no_command_of_a_repository_runs() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command
                .current_dir(folder.path())
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_CONFIG_GLOBAL", "/dev/null");
            command.args(["-c", "user.name=a", "-c", "user.email=a@b.c"]).args(arguments);
            command.output().is_ok_and(|output| output.status.success())
        };
        if !git(&["init", "-q"]) {
            eprintln!("skipped: there is no git");
            return;
        }
        std::fs::write(path("file"), "text").unwrap();
        std::fs::write(path(".gitattributes"), "file filter=a=b\n").unwrap();
        assert!(git(&["add", "."]) && git(&["commit", "-qm", "first"]));
        std::fs::create_dir_all(path(".git/hooks")).unwrap();
        let script = format!("#!/bin/sh\ntouch '{}'\nexec cat\n", path("seen").display());
        for name in ["command", ".git/hooks/post-index-change"] {
            std::fs::write(path(name), &script).unwrap();
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let command = path("command").display().to_string();
        assert!(git(&["config", "core.fsmonitor", &command]));
        assert!(
            git(&["config", "filter.a=b.clean", &command]) && git(&["config", "filter.a=b.required", "true"])
        );
        // Another time of the file makes git read it.
        let age = |days: u64| {
            let file = std::fs::File::options().append(true).open(path("file")).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            let time = before - std::time::Duration::from_secs(days * 86_400);
            file.set_modified(time).unwrap();
        };
        age(1);
        let _ = git(&["status"]);
        assert!(path("seen").exists(), "the test's own commands do not run");
        std::fs::remove_file(path("seen")).unwrap();
        age(2);
        let state = git_state_of(folder.path()).unwrap();
        assert!(state.commit.len() == 40 && !state.dirty, "{state:?}");
        std::fs::write(path("file"), "other").unwrap();
        assert!(git_state_of(folder.path()).unwrap().dirty);
        assert!(!path("seen").exists(), "a command of the repository ran");
    }
}
