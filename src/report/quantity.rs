//! What is measured: the columns of the results, in the words of `report.y`.
//!
//! Shown are the tasks, their mean, every measure without fine-tuning that some trial has, and of the values
//! on held-out text those that compare between objectives. The loss is not one of them. A discriminator's
//! accuracy is not either: it says nothing without its base rate, so its AUC stands in its place. Must never:
//! hold a number of a trial. Next: `statistics.rs`.

use super::frame::PlanFrames;
use super::query::{all_numbers, counts, first_text, has, numbers, rows_where};
use crate::error::Result;
use crate::experiment::{ExperimentSpec, GlueMean, MeasureName, TaskName};

/// The values on held-out text that every report shows.
const SHOWN: [&str; 5] =
    ["masked_loss", "masked_accuracy", "disc_auc", "disc_recall_at_50", "rtd_loss_ratio"];

/// A measured quantity: a column of the summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// What is measured.
    pub kind: QuantityKind,
    /// Its name in the words of `report.y`.
    pub name: String,
    /// Label with the unit.
    pub label: String,
    /// Label in one or two words, for a terminal.
    pub short: String,
    /// The score of always answering the majority class; None if there is no such class, or if the trials
    /// differ in it.
    pub majority: Option<f64>,
    /// The score of guessing; None if it has none apart from the majority class, or if the trials differ in
    /// it.
    pub chance: Option<f64>,
    /// Whether the examples or the text are the built-in language's.
    pub synthetic: bool,
    /// Whether the report's axis or the claim names it.
    pub is_named: bool,
}

/// What a column measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantityKind {
    /// A task's score × 100.
    Task(TaskName),
    /// Mean of the task scores.
    Mean,
    /// A score on minimal pairs × 100.
    Pairs,
    /// A task's score × 100 by a frozen probe.
    Probe(TaskName),
    /// A value on held-out pre-training text, by its name in the records.
    HeldOut(String),
}

impl Quantity {
    /// The task whose fine-tuning it is a score of.
    pub fn task(&self) -> Option<TaskName> {
        match self.kind {
            QuantityKind::Task(task) => Some(task),
            _ => None,
        }
    }

    /// Whether it is measured on the encoder without fine-tuning.
    pub fn is_zero_shot(&self) -> bool {
        matches!(self.kind, QuantityKind::Pairs | QuantityKind::Probe(_))
    }

    /// Whether a smaller value is the better one.
    pub fn lower_is_better(&self) -> bool {
        MeasureName::parse(&self.name).is_some_and(MeasureName::lower_is_better)
    }

    /// The factor between the value in the records and the one that is shown.
    pub fn factor(&self) -> f64 {
        MeasureName::parse(&self.name).map_or(1.0, MeasureName::factor)
    }

    /// Decimals in tables: enough for a difference that matters.
    pub fn decimals(&self) -> usize {
        match &self.kind {
            QuantityKind::HeldOut(_) if self.factor() == 1.0 => 3,
            _ => 2,
        }
    }

    /// Its column among published numbers; None if it cannot be one.
    pub fn published_column(&self) -> Option<&'static str> {
        match &self.kind {
            QuantityKind::Task(task) => Some(task.as_str()),
            QuantityKind::Mean => Some("mean"),
            QuantityKind::HeldOut(name) if name == "masked_accuracy" || name == "mlm_accuracy" => {
                Some("mlm_accuracy")
            }
            _ => None,
        }
    }
}

/// The columns of a value on held-out text, the first one that a trial has. Records from before masked slots
/// were counted apart have the accuracy over all chosen ones.
pub fn held_out_columns(name: &str) -> Vec<String> {
    let earlier = (name == "masked_accuracy").then_some("mlm_accuracy");
    [name].into_iter().chain(earlier).map(|name| format!("outcome.validation.{name}")).collect()
}

/// The quantities that the finished trials have, in the order of the columns.
pub fn quantities(experiment: &ExperimentSpec, frames: &PlanFrames) -> Result<Vec<Quantity>> {
    let named = named(experiment);
    let mut quantities = tasks(frames)?;
    quantities.extend(mean(&quantities));
    quantities.extend(measures(frames)?);
    quantities.extend(held_out(frames, &named)?);
    let has_one_task = quantities.iter().filter(|one| one.task().is_some()).count() == 1;
    for quantity in &mut quantities {
        let stands_for_the_mean =
            has_one_task && quantity.task().is_some() && named.iter().any(|name| name == "glue.mean");
        quantity.is_named = stands_for_the_mean || named.contains(&quantity.name);
    }
    Ok(quantities)
}

/// The measures that the axis, the gates and the contrasts of an experiment name.
fn named(experiment: &ExperimentSpec) -> Vec<String> {
    let expect = &experiment.expect;
    let of_gates = expect.gates.iter().map(|gate| gate.measure.clone());
    let of_contrasts = expect.contrasts.iter().filter_map(|contrast| contrast.measure.clone());
    std::iter::once(experiment.report.y.clone()).chain(of_gates).chain(of_contrasts).collect()
}

/// The index of a named measure. `glue.mean` is the score of the task where there is one task only.
pub fn position(quantities: &[Quantity], name: &str) -> Option<usize> {
    let by_name = quantities.iter().position(|quantity| quantity.name == name);
    let only_task = || {
        let mut of_tasks = (0..).zip(quantities).filter(|(_, quantity)| quantity.task().is_some());
        of_tasks.next().filter(|_| of_tasks.next().is_none()).map(|(index, _)| index)
    };
    by_name.or_else(|| if name == "glue.mean" { only_task() } else { None })
}

/// The task of a word.
pub fn task_named(word: &str) -> Option<TaskName> {
    TaskName::ALL.into_iter().find(|task| task.as_str() == word)
}

/// Whether a task is in the mean over the tasks.
pub fn is_in_the_mean(quantity: &Quantity) -> bool {
    quantity.task().is_some_and(|task| GlueMean::Paper.includes(task.as_str()))
}

/// The one value of a column; None if there is none, or if rows differ in it.
fn agreed(values: &[Option<f64>]) -> Option<f64> {
    let first = (*values.first()?)?;
    values.iter().all(|value| value.is_some_and(|value| (value - first).abs() < 0.005)).then_some(first)
}

fn tasks(frames: &PlanFrames) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for task in TaskName::ALL {
        let runs = rows_where(&frames.scores, "task", task.as_str())?;
        let majorities: Vec<Option<f64>> = all_numbers(&runs, "majority")?.into_iter().map(Some).collect();
        if majorities.is_empty() {
            continue;
        }
        quantities.push(Quantity {
            kind: QuantityKind::Task(task),
            name: task.to_string(),
            label: format!("{task} ({})", first_text(&runs, "measure")?),
            short: task.to_string(),
            majority: agreed(&majorities),
            chance: None,
            synthetic: numbers(&runs, "synthetic")?.contains(&Some(1.0)),
            is_named: false,
        });
    }
    Ok(quantities)
}

/// The mean of the tasks, if there is more than one. Only GLUE's own examples may be called GLUE.
fn mean(quantities: &[Quantity]) -> Option<Quantity> {
    let tasks: Vec<&Quantity> = quantities.iter().filter(|one| is_in_the_mean(one)).collect();
    let words: Vec<&str> = tasks.iter().filter_map(|task| task.task()).map(TaskName::as_str).collect();
    let synthetic = tasks.iter().any(|task| task.synthetic);
    let majority: Option<f64> = tasks.iter().map(|task| task.majority).sum();
    (tasks.len() > 1).then(|| Quantity {
        kind: QuantityKind::Mean,
        name: "glue.mean".into(),
        label: if synthetic { GlueMean::label_of_tasks(&words) } else { GlueMean::Paper.label(&words) },
        short: "mean".into(),
        majority: majority.map(|sum| sum / tasks.len() as f64),
        chance: None,
        synthetic,
        is_named: false,
    })
}

/// The measures without fine-tuning, in the order in which the trials have them.
fn measures(frames: &PlanFrames) -> Result<Vec<Quantity>> {
    let mut quantities = Vec::new();
    for (name, _) in counts(&frames.measures, "measure")? {
        let Some(name) = name else { continue };
        let rows = rows_where(&frames.measures, "measure", &name)?;
        let chance = agreed(&numbers(&rows, "chance")?);
        let synthetic = numbers(&rows, "synthetic")?.contains(&Some(1.0));
        let common = |kind, label: String, short: String| Quantity {
            kind,
            name: name.clone(),
            label,
            short,
            majority: None,
            chance: None,
            synthetic,
            is_named: false,
        };
        match MeasureName::parse(&name) {
            Some(MeasureName::Pairs { set, scorer }) => quantities.push(Quantity {
                chance,
                ..common(
                    QuantityKind::Pairs,
                    format!("accuracy on {set} pairs ({scorer}, %)"),
                    format!("{set} {scorer}"),
                )
            }),
            Some(MeasureName::Probe(task)) => quantities.push(Quantity {
                majority: chance,
                ..common(QuantityKind::Probe(task), format!("{task} (frozen probe)"), format!("probe {task}"))
            }),
            _ => {}
        }
    }
    Ok(quantities)
}

/// The values on held-out text that are shown or named and that some trial has.
fn held_out(frames: &PlanFrames, named: &[String]) -> Result<Vec<Quantity>> {
    let also = named.iter().filter_map(|name| name.strip_prefix("held_out."));
    let mut names: Vec<&str> = SHOWN.to_vec();
    names.extend(also.filter(|name| !SHOWN.contains(name)));
    names.dedup();
    let synthetic = numbers(&frames.trials, "provenance.corpus.synthetic")?.contains(&Some(1.0));
    let is_measured = |name: &&str| held_out_columns(name).iter().any(|column| has(&frames.trials, column));
    let quantity = |name: &str| {
        let (label, short) = labels(name);
        Quantity {
            kind: QuantityKind::HeldOut(name.into()),
            name: format!("held_out.{name}"),
            label,
            short,
            majority: None,
            chance: (name == "disc_auc").then_some(0.5),
            synthetic,
            is_named: false,
        }
    };
    Ok(names.into_iter().filter(is_measured).map(quantity).collect())
}

/// The labels of a value on held-out text.
fn labels(name: &str) -> (String, String) {
    let (label, short) = match name {
        "masked_loss" => ("held-out loss at [MASK], nats", "mask loss"),
        "masked_accuracy" => ("held-out accuracy at [MASK], %", "mask %"),
        "disc_auc" => ("held-out AUC of the discriminator", "AUC"),
        "disc_recall_at_50" => ("held-out recall at precision 50 %, %", "recall %"),
        "rtd_loss_ratio" => ("held-out RTD loss over its label's entropy", "RTD ratio"),
        _ => {
            let factor = MeasureName::HeldOut(name).factor();
            let unit = if factor == 1.0 { "" } else { ", %" };
            return (format!("held-out {}{unit}", name.replace('_', " ")), name.replace('_', " "));
        }
    };
    (label.into(), short.into())
}
