//! `electra-lab init`: writes a first experiment file with comments.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{exit, output};
use crate::disk::storage_error;
use crate::error::{Error, ErrorKind, Result};

const EXPERIMENT: &str = include_str!("init/experiment.yaml");

/// Arguments of `init`.
#[derive(Args, Debug)]
pub struct InitArguments {
    /// File to write; its name without the ending becomes the experiment's
    #[arg(value_name = "FILE", default_value = "my_question.yaml")]
    file: PathBuf,

    /// Text files to pre-train on, as in 'texts/*.txt'; repeatable [default: the built-in language]
    #[arg(long, value_name = "FILES")]
    text: Vec<String>,
}

/// Writes the file, says what to do with it and returns the exit code.
pub fn init(arguments: &InitArguments) -> Result<u8> {
    let file = &arguments.file;
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    if !is_name(name) {
        return Err(Error::new(
            ErrorKind::Spec,
            format!("{} cannot be the name of an experiment", file.display()),
            "choose a file name of letters, digits, `-` and `_`, such as my_question.yaml",
        ));
    }
    write_new(file, &experiment(name, &arguments.text))?;
    let shown = file.display();
    output::data(&format!(
        "{shown}\n\nNext:\n  electra-lab plan {shown}: what it would do and cost\n  \
         electra-lab run {shown}: pre-trains, scores and reports\n  \
         electra-lab explain KEY: what a key of the file means, as in `explain train`\n"
    ))?;
    Ok(exit::OK)
}

/// Writes a file that must not exist yet.
fn write_new(file: &Path, text: &str) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::new(
            ErrorKind::Storage,
            format!("{} exists already", file.display()),
            "give the new experiment another name: electra-lab init NAME.yaml",
        ),
        _ => storage_error(file, "write", &error),
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
}

/// The experiment file, on the built-in language if no text is given.
fn experiment(name: &str, text: &[String]) -> String {
    let (data, evaluate) = if text.is_empty() {
        (include_str!("init/built_in.yaml").into(), include_str!("init/evaluate_built_in.yaml"))
    } else {
        // JSON's strings are YAML's, so that any character of a path is read back.
        let paths: Vec<String> =
            text.iter().map(|path| serde_json::Value::from(path.as_str()).to_string()).collect();
        (
            include_str!("init/own_text.yaml").replace("{paths}", &paths.join(", ")),
            include_str!("init/evaluate_own_text.yaml"),
        )
    };
    EXPERIMENT
        .replace("{name}", name)
        .replace("{data}", data.trim_end())
        .replace("{evaluate}", evaluate.trim_end())
        .replace("{file}", &format!("{name}.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::load;

    #[test]
    fn both_experiments_are_right() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.yaml");
        std::fs::write(folder.path().join("a \"text\".txt"), "A text.").unwrap();
        let own = folder.path().join("a \"text\".txt").display().to_string();
        for text in [vec![], vec![own]] {
            std::fs::write(&file, experiment("mine", &text)).unwrap();
            let found = load(&file, None, &[]).unwrap();
            assert_eq!((found.spec.name.as_str(), found.trials.len()), ("mine", 10));
            load(&file, Some("longer"), &[]).unwrap();
        }
    }

    #[test]
    fn a_file_is_never_replaced_and_its_name_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = |name: &str| InitArguments { file: folder.path().join(name), text: Vec::new() };
        init(&arguments("mine.yaml")).unwrap();
        let error = init(&arguments("mine.yaml")).unwrap_err();
        assert!(error.message.contains("mine.yaml"), "{}", error.message);
        assert_eq!(init(&arguments("a b.yaml")).unwrap_err().kind, ErrorKind::Spec);
    }
}
