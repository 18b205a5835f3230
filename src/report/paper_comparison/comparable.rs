//! Whether a published and a measured value may be compared in absolute value: only if their configurations
//! are the same.
//!
//! Must never: treat what a source does not state as equal. Next: `compare.rs`.

use crate::experiment::{
    DataSpec, ModelSpec, ObjectiveSpec, OptimizerKind, Recipe, RecipeSize, Sharing, TaskName, Trial,
    recipe_differences,
};
use crate::papers::{PaperNumbers, PaperRow, PaperTable, PublishedRecipe, PublishedSize, PublishedSplit};
use crate::report::plan_records::DoneTrial;
use crate::report::quantity::Quantity;

/// A published value with its configuration.
pub struct Setting<'a> {
    pub numbers: &'static PaperNumbers,
    pub table: &'static PaperTable,
    pub row: &'static PaperRow,
    pub column: &'a str,
    /// Tasks of the measured mean.
    pub tasks: &'a [&'static str],
}

/// Why a published and a measured value can be compared in shape only; None if they can be compared in
/// absolute value.
pub fn reason(
    setting: &Setting,
    measured: &Quantity,
    value: Option<f64>,
    trial: &Trial,
    done: Option<&DoneTrial>,
) -> Option<String> {
    if value.is_none() {
        return Some("no value is published, only an order".into());
    }
    if measured.synthetic {
        return Some("measured on the built-in language, not on English".into());
    }
    let mut reasons = Vec::new();
    if setting.table.split == PublishedSplit::Test {
        reasons.push("published on test sets, measured on development sets".to_string());
    }
    reasons.extend(tasks(setting));
    match (&trial.spec.published, &setting.row.checkpoint) {
        (Some(published), Some(checkpoint)) if published.model == *checkpoint => {}
        (Some(published), _) => reasons.push(format!("the checkpoint {}", published.model)),
        (None, _) => reasons.extend(pretraining(setting, trial, done)),
    }
    if setting.column != "mlm_accuracy" {
        reasons.extend(finetuning(setting, trial));
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// The reason that the mean is over other tasks.
fn tasks(setting: &Setting) -> Option<String> {
    if setting.column != "mean" || setting.tasks.len() == 8 {
        return None;
    }
    let has_all = setting.tasks.iter().all(|task| setting.table.value(setting.row, task).is_some());
    // The published value is then the mean of the same tasks.
    (!has_all).then(|| format!("the mean of {} tasks, not of GLUE's eight", setting.tasks.len()))
}

/// Reasons by encoder, text and length of training.
fn pretraining(setting: &Setting, trial: &Trial, done: Option<&DoneTrial>) -> Vec<String> {
    let mut reasons = Vec::new();
    let model = &trial.spec.model;
    match setting.row.size {
        None => reasons.push("its size is not one of ELECTRA's, or not stated".to_string()),
        Some(size) => {
            let named = ModelSpec { size: size.into(), positions: model.positions, ..ModelSpec::default() };
            if named.discriminator() != model.discriminator() {
                let shape = model.discriminator();
                let name = format!("{size:?}").to_lowercase();
                reasons.push(format!("{} layers of {}, not {name}", shape.layers, shape.hidden));
            }
        }
    }
    let ours = match &trial.spec.data {
        DataSpec::Language { .. } => "the built-in language".to_string(),
        DataSpec::Hub { repo, .. } => format!("text {repo}"),
        DataSpec::Files { .. } => "local text".to_string(),
    };
    match setting.numbers.text(setting.row) {
        None => reasons.push(format!("{ours}, the published text is not stated")),
        Some(text) => {
            let is_it = matches!(&trial.spec.data, DataSpec::Hub { repo, files, max_documents: None, .. }
                if text.repos.contains(repo) && files.is_empty());
            if !is_it {
                reasons.push(format!("{ours}, not {}", text.name));
            }
        }
    }
    let steps = done.map_or(trial.spec.train.steps, |done| done.outcome.steps);
    let batch = trial.spec.train.batch;
    match (setting.row.steps, setting.row.batch) {
        (Some(theirs), Some(their_batch)) if (theirs, their_batch) == (steps, batch) => {}
        (Some(theirs), Some(their_batch)) => {
            reasons.push(format!("{steps} steps of {batch}, not {theirs} of {their_batch}"));
        }
        (Some(theirs), None) => {
            reasons.push(format!("{steps} steps of {batch}, not {theirs} of unstated size"))
        }
        (None, _) => reasons.push(format!("{steps} steps of {batch}, the published length is not stated")),
    }
    let starts = trial.spec.init.checkpoints().map(|(_, published)| &published.model);
    reasons.extend(
        starts.map(|model| format!("pre-trained from the checkpoint {model}, not from random values")),
    );
    reasons.extend(settings(setting.row, trial));
    reasons.extend(rates(setting, trial));
    reasons
}

/// Reasons by the rates of pre-training.
fn rates(setting: &Setting, trial: &Trial) -> Vec<String> {
    let rates = setting.row.size.and_then(|size| setting.numbers.rates(size));
    let Some(rates) = rates.filter(|_| setting.table.recipe.is_some() && !setting.row.by_others) else {
        return vec!["the published rates of pre-training are not stated".into()];
    };
    let train = &trial.spec.train;
    let named = [
        ("learning rate", train.learning_rate, rates.learning_rate),
        ("warm-up", train.warmup as f64, rates.warmup as f64),
        ("weight decay", train.weight_decay, rates.weight_decay),
    ];
    let differs = named.into_iter().filter(|(_, ours, theirs)| (ours - theirs).abs() > 1e-9 * theirs.abs());
    let mut reasons: Vec<String> =
        differs.map(|(word, ours, theirs)| format!("{word} {ours}, not {theirs}")).collect();
    if train.optimizer != OptimizerKind::Electra {
        reasons.push("another optimizer than ELECTRA's".into());
    }
    reasons
}

/// Reasons by length of sequences, generator and objective.
fn settings(row: &PaperRow, trial: &Trial) -> Vec<String> {
    let (mut reasons, train, model) = (Vec::new(), &trial.spec.train, &trial.spec.model);
    match row.seq_len {
        Some(theirs) if theirs == train.seq_len => {}
        Some(theirs) => reasons.push(format!("sequences of {}, not {theirs}", train.seq_len)),
        None => reasons.push("the published length of sequences is not stated".into()),
    }
    let objective = &trial.spec.objective;
    match row.generator {
        Some(share) => {
            let is_paired = *objective == ObjectiveSpec::default()
                && model.sharing == Sharing::Embeddings
                && model.generator_layers.is_none()
                && (model.generator_ratio - share).abs() < 0.01;
            if !is_paired {
                reasons.push(format!(
                    "another objective, generator or sharing than ELECTRA's with a generator of {share}"
                ));
            }
        }
        None if objective.has_generator() => reasons.push("the published generator is not stated".into()),
        None => {}
    }
    reasons
}

/// Reasons by the numbers of fine-tuning, its runs, and limits on the examples.
fn finetuning(setting: &Setting, trial: &Trial) -> Vec<String> {
    let evaluate = &trial.spec.evaluate;
    let mut reasons = Vec::new();
    let recipe = setting.table.recipe.map(|recipe| match recipe {
        PublishedRecipe::Paper => Recipe::Paper,
        PublishedRecipe::ReleasedCode => Recipe::ReleasedCode,
    });
    let size = setting.row.size.map(|size| match size {
        PublishedSize::Small => RecipeSize::Small,
        PublishedSize::Base => RecipeSize::Base,
        PublishedSize::Large => RecipeSize::Large,
    });
    match recipe.zip(size) {
        None => reasons.push("the published fine-tuning is not stated".to_string()),
        Some((recipe, size)) => {
            let differences = recipe_differences(&evaluate.finetune, &evaluate.tasks, recipe, size);
            if !differences.is_empty() {
                reasons.push(format!("fine-tuned with {}", differences.join(", ")));
            }
        }
    }
    let runs = evaluate.finetune_seeds;
    match setting.table.runs {
        Some(theirs) if runs >= theirs => {}
        Some(theirs) => reasons.push(format!("the median of {runs} fine-tuning runs, not of {theirs}")),
        None => reasons.push("the published number of fine-tuning runs is not stated".into()),
    }
    let cap = |task: &TaskName| match task.is_squad() {
        true => evaluate.squad.max_train_examples,
        false => evaluate.finetune.max_train_examples,
    };
    let capped = evaluate.tasks.iter().find_map(cap);
    let capped = capped.map(|cap| format!("fine-tuned on at most {cap} examples a task"));
    let in_part =
        evaluate.tasks.iter().any(|task| task.is_squad()) && evaluate.squad.max_validation_examples.is_some();
    reasons.extend(capped);
    reasons.extend(in_part.then(|| "scored on a part of SQuAD's development set".into()));
    reasons
}
