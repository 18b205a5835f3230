//! What made a run's numbers: code, machine and time. Must never: influence a number.

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

/// The git repository of the current folder.
struct GitState {
    /// Hash of the commit.
    commit: String,
    /// Whether tracked files differ from it.
    dirty: bool,
}

/// Asks `git` once per process; None outside a repository or without `git`.
fn git_state() -> Option<&'static GitState> {
    static STATE: OnceLock<Option<GitState>> = OnceLock::new();
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_string())
    };
    let state = STATE.get_or_init(|| {
        let commit = ask(&["rev-parse", "HEAD"])?;
        // Only changes to tracked files count: results and reports are usually not tracked.
        let changes = ask(&["status", "--porcelain", "--untracked-files=no"])?;
        Some(GitState { commit, dirty: !changes.is_empty() })
    });
    state.as_ref()
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
}
