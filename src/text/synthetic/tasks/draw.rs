//! Draws examples until one belongs to the wanted split.

use crate::error::{Error, Result};
use crate::rng::Purpose;
use crate::text::synthetic::draws::Draws;

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

/// Draws until the text belongs to the split.
pub fn drawn_in<T>(
    split: TaskSplit,
    task_number: u64,
    seed: u64,
    index: usize,
    draw: impl Fn(&mut Draws) -> T,
    text: impl Fn(&T) -> String,
) -> Result<T> {
    let step = 2 * task_number + u64::from(split == TaskSplit::Validation);
    let mut stream = Draws::new(seed, Purpose::LanguageTask, step, index as u64);
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

pub fn split_of(text: &str) -> TaskSplit {
    let hash = blake3::hash(text.as_bytes());
    if hash.as_bytes()[0].is_multiple_of(VALIDATION_SHARE) { TaskSplit::Validation } else { TaskSplit::Train }
}
