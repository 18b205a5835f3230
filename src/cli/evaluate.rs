//! `electra-lab evaluate`: fine-tunes and scores a published checkpoint.

use std::path::PathBuf;

use clap::Args;

use super::experiment_arguments::{Overrides, ReportsArgument, ResultsArgument};
use super::run::{RunArguments, run};
use super::{exit, output};
use crate::disk::{create_folder, write_whole};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{
    TaskName, distinct_evaluation_name, evaluation_file, evaluation_name, is_evaluation_of,
};
use crate::hub::{DataEnv, model_folder};
use crate::run::DeviceChoice;

/// The experiment file in the folder of its results.
const EVALUATION_FILE: &str = "evaluate.yaml";

/// Arguments of `evaluate`.
#[derive(Args, Debug)]
pub struct EvaluateArguments {
    /// Folder with config.json, weights and tokenizer, or a hub repository OWNER/NAME
    #[arg(long, value_name = "DIR_OR_HUB_ID")]
    model: String,

    /// Branch, tag or commit of a hub repository
    #[arg(long, value_name = "NAME", default_value = "main")]
    revision: String,

    /// Tasks to fine-tune on: GLUE tasks, squad, squad2
    #[arg(
        long,
        value_name = "TASK,…",
        value_delimiter = ',',
        default_value = "cola,sst2,mrpc,stsb,qnli,rte"
    )]
    tasks: Vec<String>,

    /// Fine-tuning runs per task; the report shows their median
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: u32,

    /// Overrides a value of the experiment file; repeatable: --set evaluate.finetune.learning_rate=1e-4
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,

    /// Device: auto, cpu, cuda or cuda:N; auto uses a CUDA device if there is one
    #[arg(long, value_name = "DEVICE", default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,

    #[command(flatten)]
    results: ResultsArgument,

    #[command(flatten)]
    reports: ReportsArgument,

    /// Uses only what is in the caches, never the network, like HF_HUB_OFFLINE=1 [default: off]
    #[arg(long)]
    offline: bool,

    /// Deletes the results of earlier runs of the same trial and starts again [default: off, resumes it]
    #[arg(long)]
    force: bool,
}

/// Writes the experiment file, runs it and returns the exit code.
pub fn evaluate(arguments: &EvaluateArguments) -> Result<u8> {
    let tasks = arguments.tasks.iter().map(|word| task(word)).collect::<Result<Vec<_>>>()?;
    // A missing model is an error before anything is written.
    model_folder(&arguments.model, &arguments.revision, &DataEnv::new(arguments.offline)?)?;
    let name = experiment_name(arguments);
    let folder = arguments.results.results.join(&name);
    create_folder(&folder)?;
    let path: PathBuf = folder.join(EVALUATION_FILE);
    let text = evaluation_file(&name, &arguments.model, &arguments.revision, &tasks, arguments.seeds);
    write_whole(&path, text.as_bytes())?;
    let overrides = Overrides { profile: None, sets: arguments.sets.clone() };
    let code = run(&RunArguments {
        files: vec![path.clone()],
        overrides,
        only: Vec::new(),
        threads: None,
        nice: false,
        jobs: Some(1),
        device: arguments.device,
        max_seconds: None,
        results: arguments.results.clone(),
        reports: arguments.reports.clone(),
        offline: arguments.offline,
        force: arguments.force,
        pretrain_only: false,
    })?;
    if code == exit::OK {
        output::note(&format!("the experiment file is {}", path.display()));
    }
    Ok(code)
}

/// The model's last name, or that with a hash if the results have another model of that name.
fn experiment_name(arguments: &EvaluateArguments) -> String {
    let name = evaluation_name(&arguments.model);
    let earlier = arguments.results.results.join(&name).join(EVALUATION_FILE);
    match std::fs::read_to_string(earlier) {
        Ok(text) if !is_evaluation_of(&text, &arguments.model, &arguments.revision) => {
            distinct_evaluation_name(&arguments.model, &arguments.revision)
        }
        Ok(_) | Err(_) => name,
    }
}

fn task(word: &str) -> Result<TaskName> {
    TaskName::ALL.into_iter().find(|task| task.as_str() == word).ok_or_else(|| {
        let known = TaskName::ALL.map(TaskName::as_str).join(", ");
        Error::new(ErrorKind::Spec, format!("--tasks {word}: no such task"), format!("use {known}"))
    })
}
