//! `electra-lab doctor`: what this machine and this build have.

use clap::Args;
use indicatif::BinaryBytes;

use super::{exit, output};
use crate::error::Result;
use crate::tools::{Examination, FolderState, examine};

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArguments {
    /// Prints the findings as JSON [default: one line each]
    #[arg(long)]
    json: bool,
}

/// Prints the findings and returns the exit code.
pub fn doctor(arguments: &DoctorArguments) -> Result<u8> {
    let findings = examine()?;
    if arguments.json {
        output::json(&findings)?
    } else {
        output::data(&text(&findings))?
    }
    Ok(exit::OK)
}

fn text(findings: &Examination) -> String {
    let working = match (&findings.working_commit, findings.working_dirty) {
        (Some(commit), Some(true)) => format!("commit {commit}, with changes"),
        (Some(commit), _) => format!("commit {commit}"),
        (None, _) => "not a git repository".into(),
    };
    let commit = findings.commit.clone().unwrap_or_else(|| "unknown to this build".into());
    let cuda = if findings.built_with_cuda { "built with CUDA" } else { "built without CUDA" };
    let network = match &findings.offline_by {
        Some(variable) => format!("offline, by {variable}"),
        None => "may be used".into(),
    };
    let token = if findings.has_token { "present" } else { "none; public repositories need none" };
    let lines = [
        ("electra-lab", findings.version.clone()),
        ("commit", commit),
        ("platform", findings.platform.clone()),
        ("device", format!("{} ({cuda})", findings.device)),
        ("threads", findings.threads.to_string()),
        ("SIMD", findings.simd.clone()),
        ("text cache", folder_text(&findings.cache)),
        ("hub cache", folder_text(&findings.hub_cache)),
        ("this folder", format!("{}, {working}", folder_text(&findings.current))),
        ("network", network),
        ("hub", findings.endpoint.clone()),
        ("hub token", token.into()),
    ];
    lines.iter().map(|(name, finding)| format!("{name:<12} {finding}\n")).collect()
}

fn folder_text(folder: &FolderState) -> String {
    let mut words = vec![folder.path.display().to_string()];
    match (folder.exists, folder.used_bytes) {
        (false, _) => words.push("not created yet".into()),
        (true, Some(bytes)) => words.push(format!("{} used", BinaryBytes(bytes))),
        (true, None) => {}
    }
    words.extend(folder.free_bytes.map(|bytes| format!("{} free", BinaryBytes(bytes))));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_a_table() {
        let folder = |path: &str, exists, used_bytes| FolderState {
            path: path.into(),
            exists,
            used_bytes,
            free_bytes: Some(5 << 30),
        };
        let findings = Examination {
            version: "1.2.3".into(),
            commit: Some("89ef012".into()),
            working_commit: Some("0123abc".into()),
            working_dirty: Some(true),
            platform: "linux x86_64".into(),
            device: "cpu".into(),
            built_with_cuda: false,
            threads: 2,
            simd: "avx512f".into(),
            cache: folder("/home/me/.cache/electra-lab", false, Some(0)),
            hub_cache: folder("/home/me/.cache/huggingface/hub", true, Some(3 << 20)),
            current: folder(".", true, None),
            offline: true,
            offline_by: Some("HF_HUB_OFFLINE".into()),
            endpoint: "https://huggingface.co".into(),
            has_token: false,
        };
        insta::assert_snapshot!(text(&findings), @r#"
        electra-lab  1.2.3
        commit       89ef012
        platform     linux x86_64
        device       cpu (built without CUDA)
        threads      2
        SIMD         avx512f
        text cache   /home/me/.cache/electra-lab, not created yet, 5.00 GiB free
        hub cache    /home/me/.cache/huggingface/hub, 3.00 MiB used, 5.00 GiB free
        this folder  ., 5.00 GiB free, commit 0123abc, with changes
        network      offline, by HF_HUB_OFFLINE
        hub          https://huggingface.co
        hub token    none; public repositories need none
        "#);
    }
}
