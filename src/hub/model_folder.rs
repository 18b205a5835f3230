//! The folder of a published model: a folder on this disk, or a hub repository, downloaded or found in the
//! cache.
//!
//! Must never: read weights. Next: `checkpoint/` reads the files of the folder.

use std::path::{Path, PathBuf};

use super::env::DataEnv;
use super::request::{HubFiles, RepoKind};
use crate::error::{Error, ErrorKind, Result};

/// The file that every model folder has.
const CONFIG_FILE: &str = "config.json";
/// Patterns of weights; the first that matches a file of the repository is used.
const WEIGHTS_FILES: [&str; 2] = ["model*.safetensors*", "pytorch_model*.bin*"];
/// Files of a tokenizer; a repository may lack any of them.
const TOKENIZER_FILES: [&str; 3] = [TOKENIZER_JSON, VOCABULARY, TOKENIZER_SETTINGS];
const TOKENIZER_JSON: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.txt";
const TOKENIZER_SETTINGS: &str = "tokenizer_config.json";

/// Revision of a folder on this disk.
pub const LOCAL: &str = "local";

/// The folder of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFolder {
    /// Its path on this disk.
    pub path: PathBuf,
    /// The commit of a hub repository; `local` for a folder.
    pub revision: String,
}

/// The folder `model` if there is one, or else the hub repository `owner/name` at `revision`, downloaded.
///
/// # Errors
/// `model` is neither a folder nor a repository; the repository has no config.json or no weights.
pub fn model_folder(model: &str, revision: &str, env: &DataEnv) -> Result<ModelFolder> {
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(ModelFolder { path: path.into(), revision: LOCAL.into() });
    }
    let is_repository = model.split('/').count() == 2 && !model.starts_with(['.', '/', '~']);
    if !is_repository {
        let hint =
            "give a folder with config.json and model.safetensors, or a hub repository such as owner/name";
        return Err(Error::new(ErrorKind::Data, format!("there is no folder {model}"), hint));
    }
    let config = env.hub.files(RepoKind::Model, model, revision, CONFIG_FILE)?;
    // By commit, so that all files are of one version even if the branch moves meanwhile. A file that the hub
    // has and cannot give just now is an error: without it another file would be read.
    let files_if_any =
        |pattern: &str| env.hub.files_if_any(RepoKind::Model, model, &config.revision, pattern);
    let [first, second] = WEIGHTS_FILES;
    if files_if_any(first)?.is_none() && files_if_any(second)?.is_none() {
        env.hub.files(RepoKind::Model, model, &config.revision, first)?;
    }
    for name in TOKENIZER_FILES {
        // A missing file is reported when the tokenizer is opened.
        files_if_any(name)?;
    }
    let folder = config.paths.first().and_then(|(_, path)| path.parent()).map(PathBuf::from);
    let path = folder.ok_or_else(|| Error::internal(format!("{model} gave no {CONFIG_FILE}")))?;
    Ok(ModelFolder { path, revision: config.revision })
}

/// The files of a hub repository's tokenizer, its own file first: tokenizer.json, or vocab.txt where there is
/// none; then tokenizer_config.json, if there is one.
///
/// # Errors
/// The repository has neither file, or one of the files cannot be had.
pub fn tokenizer_files(repo: &str, revision: &str, env: &DataEnv) -> Result<HubFiles> {
    let files_if_any =
        |revision: &str, name: &str| env.hub.files_if_any(RepoKind::Model, repo, revision, name);
    let mut found = match files_if_any(revision, TOKENIZER_JSON)? {
        Some(found) => found,
        None => match files_if_any(revision, VOCABULARY)? {
            Some(found) => found,
            None => env.hub.files(RepoKind::Model, repo, revision, TOKENIZER_JSON)?,
        },
    };
    let settings = files_if_any(&found.revision, TOKENIZER_SETTINGS)?;
    found.paths.extend(settings.into_iter().flat_map(|files| files.paths));
    Ok(found)
}
