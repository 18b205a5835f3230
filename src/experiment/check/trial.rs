//! Checks that the values of a trial agree: a warm-up not longer than the run, heads that divide the width,
//! tasks in the language of the text.
//!
//! Every function looks at one trial; `expand` reports each distinct violation once. Must never: repeat what
//! the schema states (types, ranges, words).

mod contrast;
mod init;
mod sharing;
mod stages;

use super::evaluate::check_evaluate;
use super::positions::too_long;
use super::repository::repository;
use super::squad::check_squad;
use super::violation::{Violation, violation};
use crate::experiment::format::data::{DataSpec, TokenizerSpec};
use crate::experiment::format::evaluate::TaskSource;
use crate::experiment::format::model::ModelSpec;
use crate::experiment::format::model_fit::ratio_for;
use crate::experiment::format::objective::ObjectiveSpec;
use crate::experiment::format::objective::choices::GeneratorKind;
use crate::experiment::format::task_name::TaskName;
use crate::experiment::format::train::{Budget, TrainSpec};
use crate::experiment::trial::TrialSpec;

/// All violations of a trial.
pub(crate) fn check_trial(trial: &TrialSpec) -> Vec<Violation> {
    let mut violations = Vec::new();
    // A published checkpoint has its own shape and vocabulary, and is not pre-trained here.
    if trial.published.is_none() {
        violations.extend(amount(&trial.train));
        violations.extend(warmup(trial));
        violations.extend(lengths(trial));
        violations.extend(heads(&trial.model));
        if trial.objective.has_generator() {
            violations.extend(generator(&trial.model));
        }
        violations.extend(stages::two_stages(trial));
        violations.extend(final_temperature(trial));
        violations.extend(contrast::coco_lm(trial));
        violations.extend(sharing::sharing(trial));
        violations.extend(language(trial));
    }
    violations.extend(init::init(trial));
    violations.extend(check_squad(trial));
    violations.extend(sources(trial));
    violations.extend(tasks_of_the_language(trial));
    violations.extend(repeated_tasks(trial));
    violations.extend(check_evaluate(trial));
    violations
}

fn warmup(trial: &TrialSpec) -> Option<Violation> {
    let (warmup, steps) = (trial.train.warmup, trial.train.steps);
    // In units of replaced-token detection, its own budget is `steps` steps; a cheaper objective gets more
    // steps.
    let is_converted = trial.train.budget != Budget::Steps && !trial.objective.is_budget_reference();
    let may_have_more_steps = is_converted || trial.train.budget.unit().is_some();
    // Without a step there is no schedule.
    (steps > 0 && warmup > steps && !may_have_more_steps).then(|| {
        let what = format!("is longer than train.steps ({steps})");
        let hint = format!("lower train.warmup to at most {steps}, or raise train.steps");
        violation("train.warmup", &["train.steps"], what, hint)
    })
}

/// A budget without its amount, or an amount that has no effect.
fn amount(train: &TrainSpec) -> Option<Violation> {
    match (train.budget.unit(), train.amount) {
        (Some(unit), None) => {
            let what = format!("is a budget of {unit}, and train.amount is missing");
            Some(violation("train.budget", &["train.amount"], what, "set train.amount"))
        }
        (None, Some(_)) => {
            let what = "has no effect: train.steps decides when pre-training ends".into();
            let hint = "remove it, or set train.budget to tokens, flops, paper_flops or seconds";
            Some(violation("train.amount", &["train.budget"], what, hint))
        }
        _ => None,
    }
}

fn lengths(trial: &TrialSpec) -> Vec<Violation> {
    let mut violations: Vec<Violation> =
        too_long(trial, "train.seq_len", trial.train.seq_len).into_iter().collect();
    let evaluate = &trial.evaluate;
    if evaluate.tasks.iter().chain(&evaluate.probe.tasks).any(|task| !task.is_squad()) {
        violations.extend(too_long(trial, "evaluate.finetune.seq_len", evaluate.finetune.seq_len));
    }
    violations
}

fn heads(model: &ModelSpec) -> Option<Violation> {
    let shape = model.discriminator();
    let (hidden, heads) = (shape.hidden, shape.heads);
    if hidden % heads == 0 {
        return None;
    }
    let divisor = |heads: &usize| hidden % heads == 0;
    let fewer = (1..heads).rev().find(divisor);
    let more = (heads + 1..=hidden).find(divisor);
    let near: Vec<String> = [fewer, more].into_iter().flatten().map(|heads| heads.to_string()).collect();
    let near = near.join(" or ");
    Some(if model.heads.is_some() {
        let what = format!("heads do not divide the width, model.hidden ({hidden})");
        violation(
            "model.heads",
            &["model.hidden", "model.size"],
            what,
            format!("use {near} heads, or another width"),
        )
    } else {
        let what = format!("cannot be split into {heads} equal heads (one per 64)");
        let widths: Vec<String> = widths_near(hidden).iter().map(usize::to_string).collect();
        let hint = format!("use {}, or set model.heads to {near}", widths.join(" or "));
        violation("model.hidden", &["model.heads", "model.size"], what, hint)
    })
}

/// A temperature that changes where nothing is sampled from a network.
fn final_temperature(trial: &TrialSpec) -> Option<Violation> {
    let ObjectiveSpec::Rtd { final_temperature: Some(_), generator, .. } = trial.objective else {
        return None;
    };
    (generator != GeneratorKind::Network).then(|| {
        let what = "changes the temperature of a generator network, and there is none".into();
        let hint = "remove it, or set objective.generator to network";
        violation("objective.final_temperature", &["objective.generator"], what, hint)
    })
}

fn generator(model: &ModelSpec) -> Option<Violation> {
    let (full, shape) = (model.discriminator(), model.generator());
    let raw = full.hidden as f64 * model.generator_ratio;
    let with = ["model.hidden", "model.size"];
    if raw < 0.5 {
        let what = format!(
            "gives the generator a width of 0: {raw:.2}, rounded (the discriminator has {})",
            full.hidden
        );
        let hint = format!("use at least {}", ratio_for(1, full.hidden));
        return Some(violation("model.generator_ratio", &with, what, hint));
    }
    if shape.hidden % shape.heads == 0 {
        return None;
    }
    let near = widths_near(shape.hidden).into_iter();
    let near: Vec<String> =
        near.map(|hidden| format!("{} ({hidden} wide)", ratio_for(hidden, full.hidden))).collect();
    let what = format!(
        "makes the generator {} wide, and its {} heads do not divide that",
        shape.hidden, shape.heads
    );
    Some(violation("model.generator_ratio", &with, what, format!("use {}", near.join(" or "))))
}

/// The next smaller and the next larger width that divide into heads, one per 64.
fn widths_near(hidden: usize) -> Vec<usize> {
    let divides = |hidden: &usize| hidden.is_multiple_of((hidden / 64).max(1));
    [(1..hidden).rev().find(divides), (hidden + 1..).find(divides)].into_iter().flatten().collect()
}

/// The built-in language has its own vocabulary: a model of its text needs tasks of its text, and other
/// models do not.
fn language(trial: &TrialSpec) -> Option<Violation> {
    let (text, tasks) = (trial.data.is_synthetic(), trial.evaluate.source.is_synthetic());
    if text == tasks || (trial.evaluate.tasks.is_empty() && trial.evaluate.probe.is_empty()) {
        return None;
    }
    let at = "evaluate.source";
    let with = ["data", "data.kind", "evaluate.source.kind"];
    Some(if tasks {
        let what = "has tasks of the built-in language, but the model is trained on other text".to_string();
        let hint = "set evaluate.source to { kind: hub }, or data to { kind: language }";
        violation(at, &with, what, hint)
    } else {
        let what = "has English tasks, but the model knows only the vocabulary of the built-in language";
        let hint = "set evaluate.source to { kind: language }, or data to { kind: hub, repo: … }";
        violation(at, &with, what.to_string(), hint)
    })
}

/// Tasks for which the built-in language has no examples.
fn tasks_of_the_language(trial: &TrialSpec) -> Vec<Violation> {
    let evaluate = &trial.evaluate;
    let lacking = evaluate
        .tasks
        .iter()
        .enumerate()
        .filter(|_| evaluate.source.is_synthetic())
        .filter(|(_, task)| !TaskName::IN_THE_LANGUAGE.contains(task) && !task.is_squad());
    let report = |(index, task): (usize, &TaskName)| {
        let what = format!("the built-in language has no {task}");
        let known = TaskName::IN_THE_LANGUAGE.map(TaskName::as_str).join(", ");
        let hint = format!("use {known}, squad, squad2, or set evaluate.source to {{ kind: hub }}");
        violation(&format!("evaluate.tasks[{index}]"), &["evaluate.source"], what, hint)
    };
    lacking.map(report).collect()
}

/// Names of repositories and files that cannot exist.
fn sources(trial: &TrialSpec) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut check = |path: &str, repo: &str, revision: &str| {
        let (repo_path, revision_path) = (format!("{path}.repo"), format!("{path}.revision"));
        violations.extend(repository((&repo_path, repo), (&revision_path, revision)));
    };
    if let DataSpec::Hub { repo, revision, .. } = &trial.data {
        check("data", repo, revision);
    }
    if let DataSpec::Hub { tokenizer: TokenizerSpec::Hub { repo, revision }, .. }
    | DataSpec::Files { tokenizer: TokenizerSpec::Hub { repo, revision }, .. } = &trial.data
    {
        check("data.tokenizer", repo, revision);
    }
    if let TaskSource::Hub { repo, revision } = &trial.evaluate.source {
        check("evaluate.source", repo, revision);
    }
    if let DataSpec::Files { paths, .. } = &trial.data
        && (paths.is_empty() || paths.iter().any(String::is_empty))
    {
        let hint = "list text or Parquet files, such as [texts/*.txt]";
        violations.push(violation("data.paths", &[], "names no file".into(), hint));
    }
    if matches!(&trial.data, DataSpec::Hub { files, .. } if files.is_empty()) {
        let hint = "write a pattern such as **/train-*.parquet, or remove the key";
        violations.push(violation("data.files", &[], "names no file".into(), hint));
    }
    violations
}

fn repeated_tasks(trial: &TrialSpec) -> Vec<Violation> {
    let tasks = &trial.evaluate.tasks;
    let repeated =
        tasks.iter().enumerate().filter(|(index, task)| tasks.iter().take(*index).any(|t| t == *task));
    repeated
        .map(|(index, _)| {
            let (what, hint) = ("is listed twice".into(), "remove one of the two");
            violation("evaluate.tasks", &[], what, hint).at_entry(index)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::format::evaluate::EvaluateSpec;
    use crate::experiment::format::objective::ObjectiveSpec;
    use crate::experiment::format::objective::choices::Masking;
    use crate::experiment::format::train::TrainSpec;

    fn spec() -> TrialSpec {
        TrialSpec {
            seed: 1,
            model: ModelSpec::default(),
            objective: ObjectiveSpec::default(),
            data: DataSpec::default(),
            train: TrainSpec::default(),
            published: None,
            init: Default::default(),
            evaluate: EvaluateSpec { tasks: vec![TaskName::Cola], ..Default::default() },
            control: None,
        }
    }

    pub(crate) fn messages(change: impl FnOnce(&mut TrialSpec)) -> String {
        let mut changed = spec();
        change(&mut changed);
        let violations = check_trial(&changed).into_iter();
        violations.map(|found| format!("{}: {} -> {}\n", found.at, found.what, found.hint)).collect()
    }

    #[test]
    fn defaults_agree() {
        assert_eq!(messages(|_| {}), "");
        let amount = messages(|spec| (spec.train.budget, spec.train.amount) = (Budget::Tokens, Some(1e3)));
        assert_eq!(amount, "", "the number of steps is known only with the vocabulary");
        assert_eq!(
            messages(|spec| spec.train.budget = Budget::Seconds),
            "base.train.budget: is a budget of seconds, and train.amount is missing -> set train.amount\n"
        );
        assert_eq!(
            messages(|spec| spec.train.amount = Some(10.0)),
            "base.train.amount: has no effect: train.steps decides when pre-training ends -> remove it, or set \
             train.budget to tokens, flops, paper_flops or seconds\n"
        );
    }

    #[test]
    fn schedules_and_lengths() {
        insta::assert_snapshot!(messages(|spec| spec.train.warmup = 2500), @"base.train.warmup: is longer than train.steps (1000) -> lower train.warmup to at most 1000, or raise train.steps");
        let equal_flops = messages(|spec| (spec.train.warmup, spec.train.budget) = (2500, Budget::RtdFlops));
        assert!(equal_flops.starts_with("base.train.warmup: is longer"), "{equal_flops}");
        let mlm = messages(|spec| {
            (spec.train.warmup, spec.train.budget) = (2500, Budget::RtdFlops);
            spec.objective = ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper };
        });
        assert_eq!(mlm, "");
        insta::assert_snapshot!(messages(|spec| spec.model.positions = 64), @r"
            base.train.seq_len: is longer than the position table, model.positions (64) -> lower it to at most 64, or raise model.positions to 128
            evaluate.finetune.seq_len: is longer than the position table, model.positions (64) -> lower it to at most 64, or raise model.positions to 128
        ");
        let without_tasks = messages(|spec| {
            spec.model.positions = 64;
            spec.evaluate.tasks.clear();
        });
        assert_eq!(without_tasks.lines().count(), 1);
    }

    #[test]
    fn widths() {
        insta::assert_snapshot!(messages(|spec| spec.model.hidden = Some(250)), @"base.model.hidden: cannot be split into 3 equal heads (one per 64) -> use 249 or 252, or set model.heads to 2 or 5");
        insta::assert_snapshot!(messages(|spec| spec.model.heads = Some(3)), @"base.model.heads: heads do not divide the width, model.hidden (128) -> use 2 or 4 heads, or another width");
        let wide = |ratio: f64| {
            messages(|spec| (spec.model.hidden, spec.model.generator_ratio) = (Some(256), ratio))
        };
        insta::assert_snapshot!(wide(0.7), @"base.model.generator_ratio: makes the generator 179 wide, and its 2 heads do not divide that -> use 0.695 (178 wide) or 0.703 (180 wide)");
        for ratio in [0.125, 0.25, 0.5, 0.75, 1.0] {
            assert_eq!(wide(ratio), "", "{ratio}");
        }
        insta::assert_snapshot!(messages(|spec| (spec.model.hidden, spec.model.generator_ratio) = (Some(16), 0.02)), @"base.model.generator_ratio: gives the generator a width of 0: 0.32, rounded (the discriminator has 16) -> use at least 0.06");
        let mlm = messages(|spec| {
            (spec.model.hidden, spec.model.generator_ratio) = (Some(256), 0.7);
            spec.objective = ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper };
        });
        assert_eq!(mlm, "", "there is no generator");
    }

    #[test]
    fn sources_and_tasks() {
        let hub = |repo: &str, revision: &str| DataSpec::Hub {
            repo: repo.into(),
            revision: revision.into(),
            files: "*".into(),
            validation_files: String::new(),
            column: "text".into(),
            max_documents: None,
            sentences: Default::default(),
            tokenizer: TokenizerSpec::default(),
        };
        insta::assert_snapshot!(messages(|spec| spec.data = hub("../x", "")), @r"
            evaluate.source: has tasks of the built-in language, but the model is trained on other text -> set evaluate.source to { kind: hub }, or data to { kind: language }
            base.data.repo: is not the name of a repository -> write owner/name, as in the repository's address
            base.data.revision: is not a revision -> write a branch, a tag or a commit, such as main
        ");
        insta::assert_snapshot!(messages(|spec| spec.evaluate.source = TaskSource::Hub {
            repo: "nyu-mll/glue".into(), revision: "main".into() }), @"evaluate.source: has English tasks, but the model knows only the vocabulary of the built-in language -> set evaluate.source to { kind: language }, or data to { kind: hub, repo: … }");
        insta::assert_snapshot!(messages(|spec| {
            spec.data = DataSpec::Files { paths: vec![], column: "text".into(), max_documents: None,
                sentences: Default::default(), tokenizer: TokenizerSpec::default() };
            spec.evaluate.tasks.clear();
        }), @"base.data.paths: names no file -> list text or Parquet files, such as [texts/*.txt]");
        insta::assert_snapshot!(messages(|spec| spec.evaluate.tasks.push(TaskName::Cola)), @"evaluate.tasks[1]: is listed twice -> remove one of the two");
        insta::assert_snapshot!(messages(|spec| spec.evaluate.tasks.push(TaskName::Mnli)), @r#"evaluate."tasks[1]": the built-in language has no mnli -> use cola, sst2, mrpc, stsb, qnli, rte, squad, squad2, or set evaluate.source to { kind: hub }"#);
    }
}
