//! Downloads everything that an experiment needs, for machines that will be offline.

use crate::error::{Error, Result};
use crate::experiment::{DataSpec, EvaluateSpec, Experiment, TaskSource, TokenizerSpec};
use crate::hub::{DataEnv, HubFiles, RepoKind, model_folder, tokenizer_files};
use crate::records::Sink;
use crate::tasks::{pair_files, split_files, squad_task_files, task_files};
use crate::text::check_folders;

/// Downloads all that an experiment's trials need; returns each file once, as `repository/name` with its size
/// in bytes. Local files of a specification are not listed.
pub fn fetch_experiment(experiment: &Experiment, sink: &dyn Sink) -> Result<Vec<(String, u64)>> {
    let env = DataEnv::new(false)?;
    let mut fetched = Vec::new();
    let mut files: Vec<(String, u64)> = Vec::new();
    for spec in experiment.all_trials().map(|trial| &trial.spec) {
        let initial = spec.init.checkpoints().map(|(_, published)| published);
        for published in spec.published.iter().chain(initial) {
            sink.phase(&format!("fetching {}", published.model));
            model_folder(&published.model, &published.revision, &env)?;
        }
        let sections = (&spec.data, &spec.evaluate);
        if !fetched.contains(&sections) {
            files.extend(fetch(&spec.data, &spec.evaluate, &env, sink)?);
            fetched.push(sections);
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Downloads text, tokenizer and tasks.
fn fetch(
    data: &DataSpec,
    evaluate: &EvaluateSpec,
    env: &DataEnv,
    sink: &dyn Sink,
) -> Result<Vec<(String, u64)>> {
    let mut fetched = Vec::new();
    if let DataSpec::Hub { repo, revision, files, validation_files, .. } = data {
        check_folders(repo, revision, files, env)?;
        for pattern in [files, validation_files].into_iter().filter(|pattern| !pattern.is_empty()) {
            sink.phase(&format!("fetching {pattern} of {repo}"));
            list(repo, &env.hub.files(RepoKind::Dataset, repo, revision, pattern)?, &mut fetched)?;
        }
    }
    if let DataSpec::Hub { tokenizer, .. } | DataSpec::Files { tokenizer, .. } = data
        && let TokenizerSpec::Hub { repo, revision } = tokenizer
    {
        sink.phase(&format!("fetching the tokenizer {repo}"));
        list(repo, &tokenizer_files(repo, revision, env)?, &mut fetched)?;
    }
    for set in &evaluate.minimal_pairs {
        if let Some((repo, revision)) = set.on_hub() {
            sink.phase(&format!("fetching the minimal pairs {}", set.word()));
            list(repo, &pair_files(repo, revision, env)?, &mut fetched)?;
        }
    }
    if let TaskSource::Hub { repo, revision } = &evaluate.source {
        for task in evaluate.tasks_to_read() {
            if task.is_squad() {
                let repo = evaluate.squad.repository(task).0;
                sink.phase(&format!("fetching {task} of {repo}"));
                list(repo, &squad_task_files(&evaluate.squad, task, env)?, &mut fetched)?;
                continue;
            }
            sink.phase(&format!("fetching {task} of {repo}"));
            let files = task_files(repo, revision, task, env)?;
            list(repo, &files, &mut fetched)?;
            for (_, files) in split_files(repo, &files.revision, task, evaluate.predict_test, env)? {
                list(repo, &files, &mut fetched)?;
            }
        }
    }
    Ok(fetched)
}

fn list(repo: &str, files: &HubFiles, fetched: &mut Vec<(String, u64)>) -> Result<()> {
    for (name, path) in &files.paths {
        let size = std::fs::metadata(path).map_err(|error| Error::storage(path, "read", error))?.len();
        fetched.push((format!("{repo}/{name}"), size));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::TaskName;
    use crate::hub::{Hub, HubConfig};
    use crate::records::Silent;

    #[test]
    fn built_in_data_needs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let env = DataEnv::at(folder.path());
        let evaluate = EvaluateSpec { tasks: TaskName::ALL.to_vec(), ..Default::default() };
        let fetched = fetch(&DataSpec::default(), &evaluate, &env, &Silent);
        assert_eq!(fetched.unwrap(), []);
    }

    #[test]
    #[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
    fn real_files_are_listed() {
        let hub = crate::hub::test_hub();
        let config = HubConfig { cache: Some(hub.clone()), offline: true, ..HubConfig::default() };
        let env = DataEnv { hub: Hub::new(config), cache: hub };
        let data = DataSpec::Files {
            paths: vec!["local.txt".into()],
            column: "text".into(),
            max_documents: None,
            sentences: Default::default(),
            tokenizer: TokenizerSpec::default(),
        };
        let source = TaskSource::Hub { repo: "nyu-mll/glue".into(), revision: "main".into() };
        let mut evaluate =
            EvaluateSpec { source, tasks: vec![TaskName::Cola, TaskName::Squad2], ..Default::default() };
        evaluate.squad.repo_v2 = "rajpurkar/squad_v2-subset".into();
        let fetched = fetch(&data, &evaluate, &env, &Silent).unwrap();
        let shown: Vec<String> = fetched.iter().map(|(name, bytes)| format!("{name} {bytes}")).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        google-bert/bert-base-uncased/tokenizer.json 466062
        google-bert/bert-base-uncased/tokenizer_config.json 49
        nyu-mll/glue/cola/train-00000-of-00001.parquet 246648
        nyu-mll/glue/cola/validation-00000-of-00001.parquet 36162
        rajpurkar/squad_v2-subset/squad_v2/train-00000-of-00001.parquet 545567
        rajpurkar/squad_v2-subset/squad_v2/validation-00000-of-00001.parquet 771715
        ");
    }
}
