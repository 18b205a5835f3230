//! The examples of the sentence and sentence-pair tasks.

use super::draw::{TaskSplit, drawn_in};
use super::example::TaskExample;
use super::{cola, mrpc, qnli, rte, sst2, stsb};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TaskName;
use crate::text::synthetic::draws::Draws;

/// Example `index` of a split of a task.
pub fn example(task: TaskName, split: TaskSplit, seed: u64, index: usize) -> Result<TaskExample> {
    // The number of a task in the random streams. Never renumber them: the examples would change.
    let (number, draw): (u64, fn(&mut Draws) -> TaskExample) = match task {
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
