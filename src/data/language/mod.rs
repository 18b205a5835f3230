//! Stand-in for the built-in language until its branch is merged.

use polars::prelude::{DataFrame, df};

use crate::fault::{Fault, Result};
use crate::rng::{Purpose, Stream};
use crate::spec::TaskName;

/// Which examples of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSplit {
    /// For fine-tuning.
    Train,
    /// For scores.
    Validation,
}

const WORDS: [&str; 8] = ["the", "red", "fox", "sees", "a", "blue", "hen", "mill"];

/// The sentences of document `index`.
pub fn document(seed: u64, index: u64) -> Vec<String> {
    let mut stream = Stream::new(seed, Purpose::Language, 0, index);
    (0..4 + stream.below(8)).map(|_| sentence(&mut stream)).collect()
}

fn sentence(stream: &mut Stream) -> String {
    let words: Vec<&str> = (0..5 + stream.below(8)).filter_map(|_| stream.choose(&WORDS).copied()).collect();
    format!("{}.", words.join(" "))
}

/// Its tokens.
pub fn vocabulary() -> Vec<String> {
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "."]
        .iter()
        .chain(WORDS.iter())
        .map(|w| w.to_string())
        .collect()
}

/// Examples of a task in the hub's schema.
pub fn task_frame(task: TaskName, split: TaskSplit, n: usize, seed: u64) -> Result<DataFrame> {
    let mut stream = Stream::new(seed, Purpose::LanguageTask, task as u64 * 2 + split as u64, 0);
    let mut texts = || (0..n).map(|_| sentence(&mut stream)).collect::<Vec<_>>();
    let (a, b) = (texts(), texts());
    let idx: Vec<i32> = (0..n as i32).collect();
    let label: Vec<i64> = (0..n as i64).map(|k| k % 2).collect();
    let score: Vec<f32> = (0..n).map(|k| (k % 6) as f32).collect();
    match task {
        TaskName::Cola | TaskName::Sst2 => df!("sentence" => a, "label" => label, "idx" => idx),
        TaskName::Stsb => df!("sentence1" => a, "sentence2" => b, "label" => score, "idx" => idx),
        TaskName::Qnli => df!("question" => a, "sentence" => b, "label" => label, "idx" => idx),
        _ => df!("sentence1" => a, "sentence2" => b, "label" => label, "idx" => idx),
    }
    .map_err(|error| Fault::internal("a frame could not be made").because(error))
}
