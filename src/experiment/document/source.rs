//! Reads an experiment file from the disk as one YAML document.
//!
//! A file that cannot be read at all is one error; the list of mistakes comes later. Must never: know a key
//! of the format.

use std::path::Path;

use serde_json::Value;

use super::suggest::nearest;
use super::yaml;
use crate::error::{Error, ErrorKind, Result};

/// The text of an experiment file and its document.
pub(crate) fn read(path: &Path) -> Result<(String, Value)> {
    let file = path.display();
    let refuse = |what: String, hint: String| Err(Error::new(ErrorKind::Spec, format!("{file}{what}"), hint));
    if path.is_dir() {
        return refuse(" is a folder, not an experiment file".into(), files_nearby(path, None));
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new(""));
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            return refuse(": no such file".into(), files_nearby(folder, name.as_deref()));
        }
        Err(error) => return refuse(format!(": cannot be read: {error}"), "check its permissions".into()),
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            let hint = "experiment files are text in UTF-8: save it again in that encoding".into();
            return refuse(format!(":{line}: is not text in UTF-8"), hint);
        }
    };
    // Some Windows editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text);
    match yaml::read(&text) {
        Ok(Value::Null) => {
            let hint =
                "start with `name: …`, `about: …` and `base: …`; `electra-lab schema` prints every key";
            refuse(": is empty, so it holds no experiment".into(), hint.into())
        }
        Ok(document) => Ok((text, document)),
        Err(mistake) => {
            let place =
                mistake.position.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
            refuse(format!("{place}: {}", mistake.what), mistake.hint)
        }
    }
}

/// A remedy that names the experiment files of a folder.
fn files_nearby(folder: &Path, wanted: Option<&str>) -> String {
    let folder_or_here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder_or_here).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    names.sort();
    let shown = |name: &str| folder.join(name).display().to_string();
    if let Some(near) = wanted.and_then(|wanted| nearest(wanted, names.iter().map(String::as_str))) {
        return format!("did you mean {}?", shown(near));
    }
    match names.as_slice() {
        [] => "give the path of an experiment file (YAML), such as experiments/gen_ratio.yaml".into(),
        names => {
            let listed: Vec<String> = names.iter().take(10).map(|name| shown(name)).collect();
            format!("experiment files there: {}", listed.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "\u{feff}name: x\nseeds: [1]\n").unwrap();
        let (text, document) = read(&path).unwrap();
        assert_eq!(text, "name: x\nseeds: [1]\n");
        assert_eq!(document, serde_json::json!({"name": "x", "seeds": [1]}));
        std::fs::write(&path, "\u{feff}name: x\nname: y\n").unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.message.contains("a.yaml:2:1: the key `name` is written twice"), "{error}");
    }
}
