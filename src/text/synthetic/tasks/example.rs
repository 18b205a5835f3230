//! An example of a task as its texts and its label.

/// An example of a sentence or sentence-pair task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskExample {
    /// First text.
    pub first: String,
    /// Second text, for tasks on pairs.
    pub second: Option<String>,
    /// Class index or score.
    pub label: f32,
}

impl TaskExample {
    /// An example of one text.
    pub fn single(first: String, label: bool) -> Self {
        Self { first, second: None, label: f32::from(u8::from(label)) }
    }

    /// An example of two texts.
    pub fn pair(first: String, second: String, label: f32) -> Self {
        Self { first, second: Some(second), label }
    }
}
