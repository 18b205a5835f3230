//! Values that are right one by one and wrong together: a warm-up longer than the run, heads that do not divide
//! the width, tasks in another language than the text.
//!
//! Every function looks at one trial; `expand` tells each distinct finding once. Must never: repeat what the
//! schema states (types, ranges, words).

mod contrast;
mod sharing;
mod stages;

use super::evaluate;
use super::squad::squad;
use crate::experiment::document::value_path::ValuePath;
use crate::experiment::format::data::{DataSpec, TokenizerSpec};
use crate::experiment::format::evaluate::{TaskName, TaskSource};
use crate::experiment::format::model::ModelSpec;
use crate::experiment::format::train::{Budget, TrainSpec};
use crate::experiment::trial::TrialSpec;

/// A mistake in a trial's values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    /// The value that is named, from the top of the document.
    pub at: ValuePath,
    /// The values that it disagrees with.
    pub with: Vec<ValuePath>,
    /// What is wrong, to be read after `path = value: `.
    pub what: String,
    /// The remedy.
    pub hint: String,
}

pub(crate) fn finding(at: &str, with: &[&str], what: String, hint: impl Into<String>) -> Finding {
    let with = with.iter().map(|path| ValuePath::expand(path)).collect();
    Finding { at: ValuePath::expand(at), with, what, hint: hint.into() }
}

/// All findings of a trial.
pub(crate) fn trial(trial: &TrialSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A published checkpoint brings its own shape and vocabulary and is not trained on text.
    if trial.published.is_none() {
        findings.extend(amount(&trial.train));
        findings.extend(warmup(trial));
        findings.extend(lengths(trial));
        findings.extend(heads(&trial.model));
        if trial.objective.has_generator() {
            findings.extend(generator(&trial.model));
        }
        findings.extend(stages::two_stages(trial));
        findings.extend(contrast::coco_lm(trial));
        findings.extend(sharing::sharing(trial));
        findings.extend(language(trial));
    }
    findings.extend(squad(trial));
    findings.extend(sources(trial));
    findings.extend(tasks_of_the_language(trial));
    findings.extend(repeated_tasks(trial));
    findings.extend(evaluate::evaluate(trial));
    findings
}

fn warmup(trial: &TrialSpec) -> Option<Finding> {
    let (warmup, steps) = (trial.train.warmup, trial.train.steps);
    // For replaced-token detection both budgets are `steps` steps; a cheaper objective gets more of them.
    let is_measure = trial.objective.is_the_budgets_measure();
    let buys_others = trial.train.budget != Budget::Steps && !is_measure;
    let buys_more_steps = buys_others || trial.train.budget.unit().is_some();
    (warmup > steps && !buys_more_steps).then(|| {
        let what = format!("is longer than train.steps ({steps})");
        let hint = format!("lower train.warmup to at most {steps}, or raise train.steps");
        finding("train.warmup", &["train.steps"], what, hint)
    })
}

/// A budget that lacks its amount, or an amount that nothing counts.
fn amount(train: &TrainSpec) -> Option<Finding> {
    match (train.budget.unit(), train.amount) {
        (Some(unit), None) => {
            let what = format!("is a budget of {unit}, and train.amount does not say how many");
            Some(finding("train.budget", &["train.amount"], what, "write train.amount"))
        }
        (None, Some(_)) => {
            let what = "counts nothing: train.steps decides when pre-training ends".into();
            let hint = "delete it, or set train.budget to tokens, flops, paper_flops or seconds";
            Some(finding("train.amount", &["train.budget"], what, hint))
        }
        _ => None,
    }
}

fn lengths(trial: &TrialSpec) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        too_long(trial, "train.seq_len", trial.train.seq_len).into_iter().collect();
    if trial.evaluate.tasks.iter().any(|task| !task.is_squad()) {
        findings.extend(too_long(trial, "evaluate.finetune.seq_len", trial.evaluate.finetune.seq_len));
    }
    findings
}

/// A length that the position table does not reach.
pub(crate) fn too_long(trial: &TrialSpec, path: &str, length: usize) -> Option<Finding> {
    let positions = trial.model.positions;
    (length > positions).then(|| {
        let what = format!("is longer than the position table, model.positions ({positions})");
        let hint = format!("lower it to at most {positions}, or raise model.positions to {length}");
        finding(path, &["model.positions"], what, hint)
    })
}

fn heads(model: &ModelSpec) -> Option<Finding> {
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
        finding(
            "model.heads",
            &["model.hidden", "model.size"],
            what,
            format!("use {near} heads, or another width"),
        )
    } else {
        let what = format!("cannot be split into {heads} equal heads (one for each 64)");
        let widths: Vec<String> = widths_near(hidden).iter().map(usize::to_string).collect();
        let hint = format!("use {}, or set model.heads to {near}", widths.join(" or "));
        finding("model.hidden", &["model.heads", "model.size"], what, hint)
    })
}

fn generator(model: &ModelSpec) -> Option<Finding> {
    let (full, shape) = (model.discriminator(), model.generator());
    let raw = full.hidden as f64 * model.generator_ratio;
    let with = ["model.hidden", "model.size"];
    if raw < 0.5 {
        let what = format!("leaves the generator no width: {raw:.2} of {}, rounded to 0", full.hidden);
        let hint = format!("use at least {}", ratio_for(1, full.hidden));
        return Some(finding("model.generator_ratio", &with, what, hint));
    }
    if shape.hidden % shape.heads == 0 {
        return None;
    }
    let near = widths_near(shape.hidden).into_iter();
    let near: Vec<String> =
        near.map(|hidden| format!("{} ({hidden} wide)", ratio_for(hidden, full.hidden))).collect();
    let what =
        format!("makes a generator {} wide, which its {} heads do not divide", shape.hidden, shape.heads);
    Some(finding("model.generator_ratio", &with, what, format!("use {}", near.join(" or "))))
}

/// The next smaller and the next larger width that its heads, one for each 64, divide.
fn widths_near(hidden: usize) -> Vec<usize> {
    let divides = |hidden: &usize| hidden.is_multiple_of((hidden / 64).max(1));
    [(1..hidden).rev().find(divides), (hidden + 1..).find(divides)].into_iter().flatten().collect()
}

/// The shortest decimal ratio that gives a generator this width.
fn ratio_for(width: usize, full: usize) -> String {
    let exact = width as f64 / full as f64;
    let gives_width = |ratio: &f64| (full as f64 * ratio).round_ties_even() == width as f64;
    let rounded = (1..=6).map(|digits| {
        let scale = 10f64.powi(digits);
        (exact * scale).round() / scale
    });
    rounded.into_iter().find(gives_width).unwrap_or(exact).to_string()
}

/// The built-in language has a vocabulary of its own: its tasks go with its text and no other.
fn language(trial: &TrialSpec) -> Option<Finding> {
    let (text, tasks) = (trial.data.is_synthetic(), trial.evaluate.source.is_synthetic());
    if text == tasks || trial.evaluate.tasks.is_empty() {
        return None;
    }
    let at = "evaluate.source";
    let with = ["data", "data.kind", "evaluate.source.kind"];
    Some(if tasks {
        let what = "gives tasks of the built-in language to a model that reads other text".to_string();
        let hint = "set evaluate.source to { kind: hub }, or data to { kind: language }";
        finding(at, &with, what, hint)
    } else {
        let what =
            "gives English tasks to a model of the built-in language, whose vocabulary has other words";
        let hint = "set evaluate.source to { kind: language }, or data to { kind: hub, repo: … }";
        finding(at, &with, what.to_string(), hint)
    })
}

/// Tasks that the built-in language has no examples of.
fn tasks_of_the_language(trial: &TrialSpec) -> Vec<Finding> {
    let evaluate = &trial.evaluate;
    let lacking = evaluate
        .tasks
        .iter()
        .enumerate()
        .filter(|_| evaluate.source.is_synthetic())
        .filter(|(_, task)| !TaskName::IN_THE_LANGUAGE.contains(task) && !task.is_squad());
    let told = |(index, task): (usize, &TaskName)| {
        let what = format!("the built-in language has no {task}");
        let known = TaskName::IN_THE_LANGUAGE.map(TaskName::as_str).join(", ");
        let hint = format!("use {known}, squad, squad2, or set evaluate.source to {{ kind: hub }}");
        finding(&format!("evaluate.tasks[{index}]"), &["evaluate.source"], what, hint)
    };
    lacking.map(told).collect()
}

/// Names of repositories and files that cannot be right.
fn sources(trial: &TrialSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |path: &str, repo: &str, revision: &str| {
        if !is_repo(repo) {
            let hint = "write owner/name, as in the repository's address";
            findings.push(finding(
                &format!("{path}.repo"),
                &[],
                "is not the name of a repository".into(),
                hint,
            ));
        }
        if !is_revision(revision) {
            let hint = "write a branch, a tag or a commit, such as main";
            findings.push(finding(&format!("{path}.revision"), &[], "is not a revision".into(), hint));
        }
    };
    if let DataSpec::Hub { repo: name, revision, .. } = &trial.data {
        check("data", name, revision);
    }
    if let DataSpec::Hub { tokenizer: TokenizerSpec::Hub { repo: name, revision }, .. }
    | DataSpec::Files { tokenizer: TokenizerSpec::Hub { repo: name, revision }, .. } = &trial.data
    {
        check("data.tokenizer", name, revision);
    }
    if let TaskSource::Hub { repo: name, revision } = &trial.evaluate.source {
        check("evaluate.source", name, revision);
    }
    if let DataSpec::Files { paths, .. } = &trial.data
        && (paths.is_empty() || paths.iter().any(String::is_empty))
    {
        let hint = "list text or Parquet files, such as [texts/*.txt]";
        findings.push(finding("data.paths", &[], "names no file".into(), hint));
    }
    if matches!(&trial.data, DataSpec::Hub { files, .. } if files.is_empty()) {
        let hint = "write a pattern such as **/train-*.parquet, or remove the key";
        findings.push(finding("data.files", &[], "names no file".into(), hint));
    }
    findings
}

pub(crate) fn is_repo(text: &str) -> bool {
    let is_part = |part: &str| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        !part.is_empty() && !part.starts_with('.') && !part.contains("..") && part.chars().all(is_letter)
    };
    text.split('/').count() <= 2 && text.split('/').all(is_part)
}

pub(crate) fn is_revision(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    !text.is_empty() && !text.starts_with(['/', '.']) && !text.contains("..") && text.chars().all(is_letter)
}

fn repeated_tasks(trial: &TrialSpec) -> Vec<Finding> {
    let tasks = &trial.evaluate.tasks;
    let repeated =
        tasks.iter().enumerate().filter(|(index, task)| tasks.iter().take(*index).any(|t| t == *task));
    repeated
        .map(|(index, _)| Finding {
            at: ValuePath::of_keys(&["evaluate", "tasks"]).index(index),
            with: Vec::new(),
            what: "is listed twice".into(),
            hint: "remove one of the two".into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::format::evaluate::{EvaluateSpec, TaskName};
    use crate::experiment::format::objective::ObjectiveSpec;
    use crate::experiment::format::objective::words::Masking;
    use crate::experiment::format::train::TrainSpec;

    fn spec() -> TrialSpec {
        TrialSpec {
            seed: 1,
            model: ModelSpec::default(),
            objective: ObjectiveSpec::default(),
            data: DataSpec::default(),
            train: TrainSpec::default(),
            published: None,
            evaluate: EvaluateSpec { tasks: vec![TaskName::Cola], ..Default::default() },
        }
    }

    pub(crate) fn told(change: impl FnOnce(&mut TrialSpec)) -> String {
        let mut changed = spec();
        change(&mut changed);
        let findings = trial(&changed).into_iter();
        findings.map(|found| format!("{}: {} -> {}\n", found.at, found.what, found.hint)).collect()
    }

    #[test]
    fn defaults_are_right() {
        assert_eq!(told(|_| {}), "");
        let amount = told(|spec| (spec.train.budget, spec.train.amount) = (Budget::Tokens, Some(1e3)));
        assert_eq!(amount, "", "whether it buys the warm-up is known with the vocabulary");
        assert_eq!(
            told(|spec| spec.train.budget = Budget::Seconds),
            "base.train.budget: is a budget of seconds, and train.amount does not say how many -> write train.amount\n"
        );
        assert_eq!(
            told(|spec| spec.train.amount = Some(10.0)),
            "base.train.amount: counts nothing: train.steps decides when pre-training ends -> delete it, or set \
             train.budget to tokens, flops, paper_flops or seconds\n"
        );
    }

    #[test]
    fn schedules_and_lengths() {
        insta::assert_snapshot!(told(|spec| spec.train.warmup = 2500), @"base.train.warmup: is longer than train.steps (1000) -> lower train.warmup to at most 1000, or raise train.steps");
        let equal_flops = told(|spec| (spec.train.warmup, spec.train.budget) = (2500, Budget::RtdFlops));
        assert!(equal_flops.starts_with("base.train.warmup: is longer"), "{equal_flops}");
        let mlm = told(|spec| {
            (spec.train.warmup, spec.train.budget) = (2500, Budget::RtdFlops);
            spec.objective = ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper };
        });
        assert_eq!(mlm, "");
        insta::assert_snapshot!(told(|spec| spec.model.positions = 64), @r"
            base.train.seq_len: is longer than the position table, model.positions (64) -> lower it to at most 64, or raise model.positions to 128
            evaluate.finetune.seq_len: is longer than the position table, model.positions (64) -> lower it to at most 64, or raise model.positions to 128
        ");
        let without_tasks = told(|spec| {
            spec.model.positions = 64;
            spec.evaluate.tasks.clear();
        });
        assert_eq!(without_tasks.lines().count(), 1);
    }

    #[test]
    fn widths() {
        insta::assert_snapshot!(told(|spec| spec.model.hidden = Some(250)), @"base.model.hidden: cannot be split into 3 equal heads (one for each 64) -> use 249 or 252, or set model.heads to 2 or 5");
        insta::assert_snapshot!(told(|spec| spec.model.heads = Some(3)), @"base.model.heads: heads do not divide the width, model.hidden (128) -> use 2 or 4 heads, or another width");
        let wide =
            |ratio: f64| told(|spec| (spec.model.hidden, spec.model.generator_ratio) = (Some(256), ratio));
        insta::assert_snapshot!(wide(0.7), @"base.model.generator_ratio: makes a generator 179 wide, which its 2 heads do not divide -> use 0.695 (178 wide) or 0.703 (180 wide)");
        for ratio in [0.125, 0.25, 0.5, 0.75, 1.0] {
            assert_eq!(wide(ratio), "", "{ratio}");
        }
        insta::assert_snapshot!(told(|spec| (spec.model.hidden, spec.model.generator_ratio) = (Some(16), 0.02)), @"base.model.generator_ratio: leaves the generator no width: 0.32 of 16, rounded to 0 -> use at least 0.06");
        let mlm = told(|spec| {
            (spec.model.hidden, spec.model.generator_ratio) = (Some(256), 0.7);
            spec.objective = ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper };
        });
        assert_eq!(mlm, "", "no generator, no width");
    }

    /// A remedy that does not work is worse than none.
    #[test]
    fn the_ratios_that_are_offered_give_the_widths_that_are_named() {
        for (full, width) in [(256, 178), (256, 180), (1024, 683), (128, 1), (16384, 12_345)] {
            let ratio: f64 = ratio_for(width, full).parse().unwrap();
            let model = ModelSpec { hidden: Some(full), generator_ratio: ratio, ..Default::default() };
            assert_eq!(model.generator().hidden, width);
        }
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
            tokenizer: TokenizerSpec::default(),
        };
        insta::assert_snapshot!(told(|spec| spec.data = hub("../x", "")), @r"
            evaluate.source: gives tasks of the built-in language to a model that reads other text -> set evaluate.source to { kind: hub }, or data to { kind: language }
            base.data.repo: is not the name of a repository -> write owner/name, as in the repository's address
            base.data.revision: is not a revision -> write a branch, a tag or a commit, such as main
        ");
        insta::assert_snapshot!(told(|spec| spec.evaluate.source = TaskSource::Hub {
            repo: "nyu-mll/glue".into(), revision: "main".into() }), @"evaluate.source: gives English tasks to a model of the built-in language, whose vocabulary has other words -> set evaluate.source to { kind: language }, or data to { kind: hub, repo: … }");
        insta::assert_snapshot!(told(|spec| {
            spec.data = DataSpec::Files { paths: vec![], column: "text".into(), max_documents: None,
                tokenizer: TokenizerSpec::default() };
            spec.evaluate.tasks.clear();
        }), @"base.data.paths: names no file -> list text or Parquet files, such as [texts/*.txt]");
        insta::assert_snapshot!(told(|spec| spec.evaluate.tasks.push(TaskName::Cola)), @"evaluate.tasks[1]: is listed twice -> remove one of the two");
        insta::assert_snapshot!(told(|spec| spec.evaluate.tasks.push(TaskName::Mnli)), @r#"evaluate."tasks[1]": the built-in language has no mnli -> use cola, sst2, mrpc, stsb, qnli, rte, squad, squad2, or set evaluate.source to { kind: hub }"#);
    }
}
