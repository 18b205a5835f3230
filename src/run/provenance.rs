//! What made a run's numbers: code, machine and time. Nothing here may influence a number.

use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use candle_core::Device;

use super::device::describe;
use crate::records::Provenance;

/// Code, machine and time of this process; the trial adds its data.
pub fn collect(device: &Device) -> Provenance {
    let git = git_state();
    Provenance {
        crate_version: env!("CARGO_PKG_VERSION").into(),
        git_commit: git.map(|git| git.commit.clone()),
        git_dirty: git.map(|git| git.dirty),
        device: describe(device),
        threads: rayon::current_num_threads(),
        simd: simd().into(),
        started_at: utc_now(),
        ..Provenance::default()
    }
}

/// The working tree of the current folder.
#[derive(Debug, PartialEq, Eq)]
pub struct GitState {
    /// Hash of the commit.
    pub commit: String,
    /// Whether tracked files differ from it.
    pub dirty: bool,
}

/// Asks `git` once a process; None outside a repository or without `git`.
pub fn git_state() -> Option<&'static GitState> {
    static STATE: OnceLock<Option<GitState>> = OnceLock::new();
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_string())
    };
    let state = STATE.get_or_init(|| {
        let commit = ask(&["rev-parse", "HEAD"])?;
        // Results and reports are not tracked while they are made: only a change to a tracked file counts.
        let changes = ask(&["status", "--porcelain", "--untracked-files=no"])?;
        Some(GitState { commit, dirty: !changes.is_empty() })
    });
    state.as_ref()
}

/// The widest instruction set of this processor that the code can use.
pub fn simd() -> &'static str {
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

/// The time, as in `2026-01-31T23:59:59Z`.
pub fn utc_now() -> String {
    // A clock before 1970 is wrong anyway: its time is then written as 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(since.as_secs())
}

/// Seconds since 1970 as RFC 3339, by Hinnant's days-to-civil algorithm: years begin in March there, so that
/// the leap day is the last of its year.
fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468; // days since 0000-03-01
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second % 3600 / 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_calendar() {
        // Each from `date -u -d @SECONDS +%FT%TZ`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn a_process_knows_its_machine() {
        let provenance = collect(&Device::Cpu);
        assert_eq!(provenance.device, "cpu");
        assert!(provenance.threads > 0 && !provenance.simd.is_empty());
        assert!(provenance.started_at.ends_with('Z') && provenance.started_at.as_str() > "2025");
        assert_eq!(provenance.git_commit.is_some(), provenance.git_dirty.is_some());
    }
}
