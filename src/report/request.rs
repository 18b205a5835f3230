//! What a report was asked for, beside the report: `report --all` asks for the same again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::write;
use crate::error::{Error, ErrorKind, Result};

/// Name of the file in the folder of a report.
const FILE: &str = "request.json";

/// The experiment, profile and overrides of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// The experiment file, as it was named; empty for a report that was made from records alone.
    pub experiment: PathBuf,
    /// The profile.
    pub profile: String,
    /// The overrides, as typed: `train.steps=5`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
}

impl ReportRequest {
    /// Name of the report's folder below the experiment's: the profile, and what tells its overrides from
    /// others. So a report with overrides never replaces that of the profile.
    pub fn folder(&self) -> String {
        match self.sets.is_empty() {
            true => self.profile.clone(),
            false => {
                let hash = blake3::hash(self.sets.join("\n").as_bytes()).to_hex();
                format!("{}-set-{}", self.profile, &hash[..6])
            }
        }
    }

    /// The profile in words, with a remark where it was changed.
    pub fn profile_text(&self) -> String {
        let changed = if self.sets.is_empty() { "" } else { " (changed by --set)" };
        format!("profile {}{changed}", self.profile)
    }

    /// The requests of the reports below the folder of an experiment's reports, in the order of their
    /// folders.
    ///
    /// # Errors
    /// A request is damaged.
    pub fn all(reports: &Path) -> Result<Vec<(PathBuf, Self)>> {
        let mut folders: Vec<PathBuf> =
            std::fs::read_dir(reports).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        folders.sort();
        let mut found = Vec::new();
        for folder in folders {
            let file = folder.join(FILE);
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let request = serde_json::from_str(&text).map_err(|error| {
                let what = format!("{} is not the request of a report", file.display());
                Error::new(ErrorKind::Storage, what, "delete it, and build the report again").because(error)
            })?;
            found.push((folder, request));
        }
        Ok(found)
    }

    /// Writes the request beside a report, and returns the file. Without an experiment file nothing is
    /// written, and the request of an earlier report is deleted.
    pub(super) fn write(&self, out: &Path) -> Result<Option<PathBuf>> {
        if self.experiment.as_os_str().is_empty() {
            write::remove_stale(out, [FILE.to_string()].into_iter(), &[])?;
            return Ok(None);
        }
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::internal("a request cannot be written as JSON").because(error))?;
        write::bytes(out, FILE, format!("{text}\n").as_bytes()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_have_a_folder_of_their_own() {
        let of = |sets: &[&str]| {
            let sets = sets.iter().map(|set| set.to_string()).collect();
            ReportRequest { experiment: "a.yaml".into(), profile: "quick".into(), sets }
        };
        assert_eq!(of(&[]).folder(), "quick");
        assert_ne!(of(&["seeds=[1]"]).folder(), of(&["seeds=[2]"]).folder());
        assert!(of(&["seeds=[1]"]).folder().starts_with("quick-set-"));

        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("quick");
        std::fs::create_dir(&out).unwrap();
        let request = of(&["seeds=[1]"]);
        request.write(&out).unwrap();
        assert_eq!(ReportRequest::all(folder.path()).unwrap(), [(out.clone(), request)]);
        std::fs::write(out.join(FILE), "{").unwrap();
        assert!(ReportRequest::all(folder.path()).unwrap_err().message.contains("request.json"));
    }
}
