//! The file names of the checkpoints in a trial's folder.

use std::path::Path;

/// The checkpoint after the last step.
pub const FINAL: &str = "final.safetensors";

/// The checkpoint after `step` steps.
pub fn file_name(step: u64) -> String {
    format!("step-{step:09}.safetensors")
}

/// The steps of the checkpoints in a folder, ascending.
pub fn steps(folder: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut steps: Vec<u64> = names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_suffix(".index.json").unwrap_or(&name);
            name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
        })
        .collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}
