//! Evaluation tasks of the language, with the columns of the hub's data sets (nyu-mll/glue,
//! rajpurkar/squad_v2).
//!
//! An example depends on (seed, task, split, index) alone. A hash of its text decides its split, so that
//! training and validation never share an example, whatever their seeds and sizes.

mod change;
mod cola;
mod frame;
mod mrpc;
mod qnli;
mod rte;
mod squad;
mod sst2;
mod stsb;
#[cfg(test)]
mod tests;

pub use frame::{squad_frame, task_frame};

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TaskName;
use crate::rng::{Purpose, Stream};

/// A split of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSplit {
    /// Examples to fine-tune on.
    Train,
    /// Examples to score on.
    Validation,
}

/// One text in this many belongs to the validation split.
const VALIDATION_SHARE: u8 = 4;

/// Most draws until the text of an example belongs to the split; the probability of needing more is
/// (3/4)^1000.
const MAX_DRAWS: usize = 1000;

/// An example of a sentence or sentence-pair task.
#[derive(Clone, Debug, PartialEq)]
struct TaskExample {
    first: String,
    second: Option<String>,
    label: f32,
}

impl TaskExample {
    fn single(first: String, label: bool) -> Self {
        Self { first, second: None, label: f32::from(u8::from(label)) }
    }

    fn pair(first: String, second: String, label: f32) -> Self {
        Self { first, second: Some(second), label }
    }
}

fn example(task: TaskName, split: TaskSplit, seed: u64, index: usize) -> Result<TaskExample> {
    // The number of a task in the random streams. Never renumber them: the examples would change.
    let (number, draw): (u64, fn(&mut Stream) -> TaskExample) = match task {
        TaskName::Cola => (0, cola::draw),
        TaskName::Sst2 => (1, sst2::draw),
        TaskName::Mrpc => (2, mrpc::draw),
        TaskName::Stsb => (3, stsb::draw),
        TaskName::Qnli => (4, qnli::draw),
        TaskName::Rte => (5, rte::draw),
        TaskName::Squad | TaskName::Squad2 => {
            return Err(Error::internal(format!("{task} has no examples in the format of GLUE")));
        }
        TaskName::Qqp | TaskName::Mnli | TaskName::Wnli => {
            let what = format!("the built-in language has no task {task}");
            return Err(Error::new(ErrorKind::Spec, what, "set evaluate.source to { kind: hub }"));
        }
    };
    drawn_in(split, number, seed, index, draw, |example| {
        [&example.first, example.second.as_deref().unwrap_or_default()].join("\n")
    })
}

/// Draws until the text belongs to the split.
fn drawn_in<T>(
    split: TaskSplit,
    task_number: u64,
    seed: u64,
    index: usize,
    draw: impl Fn(&mut Stream) -> T,
    text: impl Fn(&T) -> String,
) -> Result<T> {
    let step = 2 * task_number + u64::from(split == TaskSplit::Validation);
    let mut stream = Stream::new(seed, Purpose::LanguageTask, step, index as u64);
    for _ in 0..MAX_DRAWS {
        let drawn = draw(&mut stream);
        if split_of(&text(&drawn)) == split {
            return Ok(drawn);
        }
    }
    Err(Error::internal(format!(
        "no example {index} of task {task_number} of the language belongs to {split:?}"
    )))
}

fn split_of(text: &str) -> TaskSplit {
    let hash = blake3::hash(text.as_bytes());
    if hash.as_bytes()[0].is_multiple_of(VALIDATION_SHARE) { TaskSplit::Validation } else { TaskSplit::Train }
}
