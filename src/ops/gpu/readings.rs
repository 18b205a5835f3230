//! What the softmax of rows of logits tells, and the gradient of their cross-entropies.

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Launch, arguments};
use crate::ops::sampling::Sampler;
use crate::rng::{Purpose, StreamKey};

/// Threads that read a row.
const THREADS: u32 = 256;
/// Classes of which a row may have so many at most (`readings.cu`).
pub const MOST_CLASSES: usize = 256 * 4096;

/// Of every row of logits [M, V].
pub struct Rows<M: Machine> {
    /// log Σ exp. [M]
    pub log_sums: M::Floats,
    /// Entropies, in nats. [M]
    pub entropies: M::Floats,
    /// The first most probable class. [M]
    pub best: M::Words,
    /// A sample, where a sampler was given; else whatever lay there. [M]
    pub samples: M::Words,
}

/// Reads `logits` [`rows`, `classes`].
pub fn read<M: Machine>(
    machine: &M,
    logits: Address<'_>,
    [rows, classes]: [usize; 2],
    sampler: Option<Sampler>,
) -> Result<Rows<M>> {
    if classes > MOST_CLASSES {
        candle_core::bail!("the kernels read rows of {MOST_CLASSES} classes at most, not {classes}");
    }
    let read = Rows {
        log_sums: machine.room(rows)?,
        entropies: machine.room(rows)?,
        best: machine.word_room(rows)?,
        samples: machine.word_room(rows)?,
    };
    let sharpness = sampler.map_or(0.0, |sampler| 1.0 / sampler.temperature as f32);
    let StreamKey(key) =
        sampler.map_or(StreamKey([0; 2]), |s| StreamKey::new(s.seed, Purpose::Sample, s.step));
    let floats = [machine.at(&read.log_sums), machine.at(&read.entropies)];
    let words = [machine.at_words(&read.best), machine.at_words(&read.samples)];
    let arguments = arguments![
        logits,
        classes as u32,
        sharpness,
        key[0],
        key[1],
        sampler.map_or(0, |sampler| sampler.first),
        floats[0],
        floats[1],
        words[0],
        words[1]
    ];
    // SAFETY: there are so many rows and classes, and room for what is told of every row.
    unsafe { machine.launch(Launch::blocks("read_rows", rows, THREADS, arguments))? };
    Ok(read)
}

/// The cross-entropy of every row, [M], and their mean, [1].
pub fn losses<M: Machine>(
    machine: &M,
    logits: Address<'_>,
    [rows, classes]: [usize; 2],
    log_sums: Address<'_>,
    targets: Address<'_>,
) -> Result<[M::Floats; 2]> {
    let (losses, mean) = (machine.room(rows)?, machine.room(1)?);
    let at = [machine.at(&losses), machine.at(&mean)];
    let arguments = arguments![logits, classes as u32, log_sums, targets, at[0], at[1], rows as u32];
    // SAFETY: as for `read`; the targets are classes, one a row.
    unsafe { machine.launch(Launch::blocks("row_losses", 1, 512, arguments))? };
    Ok([losses, mean])
}

/// What a gradient of cross-entropies is made of, beside the logits.
#[derive(Clone, Copy)]
pub struct Outer<'a> {
    /// log Σ exp of every row. [M]
    pub log_sums: Address<'a>,
    /// Target classes. [M]
    pub targets: Address<'a>,
    /// Gradient of the mean, [1], or of every row's loss, [M].
    pub grad: Address<'a>,
    /// Which of the two.
    pub each: bool,
}

/// Turns logits, in place, into the gradient of their cross-entropies.
pub fn turn<M: Machine>(
    machine: &M,
    logits: Address<'_>,
    [rows, classes]: [usize; 2],
    outer: Outer<'_>,
) -> Result<()> {
    let Outer { log_sums, targets, grad, each } = outer;
    let divisor = if each { 1.0 } else { rows as f32 };
    let arguments = arguments![logits, classes as u32, log_sums, targets, grad, u32::from(each), divisor];
    // SAFETY: as for `losses`.
    unsafe { machine.launch(Launch::blocks("turn_rows", rows, THREADS, arguments)) }
}
