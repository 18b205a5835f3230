//! The folder of a published model: one on this disk, or a hub repository's, downloaded or found in the cache.
//!
//! Must never: read weights. Next: `model/published/` reads what lies in the folder.

use std::path::{Path, PathBuf};

use super::RepoKind;
use super::env::DataEnv;
use crate::error::{Error, ErrorKind, Result};

/// The configuration that makes a folder a model's.
const CONFIG_FILE: &str = "config.json";
/// The first that a repository has is read.
const WEIGHTS_FILES: [&str; 2] = ["model*.safetensors*", "pytorch_model*.bin*"];
/// What a tokenizer may need; a repository may lack any of them.
const TOKENIZER_FILES: [&str; 3] = ["tokenizer.json", "vocab.txt", "tokenizer_config.json"];

/// Where a model lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFolder {
    /// On this disk.
    pub path: PathBuf,
    /// The commit of a hub repository; `local` of a folder.
    pub revision: String,
}

/// Finds the folder that `model` names, or downloads the repository `owner/name` at `revision`.
///
/// # Errors
/// Neither a folder nor a repository; a repository without config.json or weights.
pub fn model_folder(model: &str, revision: &str, env: &DataEnv) -> Result<ModelFolder> {
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(ModelFolder { path: path.into(), revision: "local".into() });
    }
    let is_repository = model.split('/').count() == 2 && !model.starts_with(['.', '/', '~']);
    if !is_repository {
        let hint =
            "give a folder with config.json and model.safetensors, or a hub repository such as owner/name";
        return Err(Error::new(ErrorKind::Data, format!("there is no folder {model}"), hint));
    }
    let config = env.hub.files(RepoKind::Model, model, revision, CONFIG_FILE)?;
    // By commit: all files are of one version even if the branch moves in between.
    let files = |pattern: &str| env.hub.files(RepoKind::Model, model, &config.revision, pattern);
    let [first, second] = WEIGHTS_FILES;
    files(first).or_else(|error| files(second).map_err(|_| error))?;
    for name in TOKENIZER_FILES {
        // What is missing here shows when the tokenizer is opened.
        let _ = files(name);
    }
    let folder = config.paths.first().and_then(|(_, path)| path.parent()).map(PathBuf::from);
    let path = folder.ok_or_else(|| Error::internal(format!("{model} gave no {CONFIG_FILE}")))?;
    Ok(ModelFolder { path, revision: config.revision })
}
