//! The optimizer over all parameters at once: their gradients' global norm, and the update.

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Launch, Rule, arguments};

/// Numbers of a piece: what one block updates.
const PIECE: usize = 8192;
/// Threads of a block.
const THREADS: u32 = 256;

/// A parameter with its moments, all of one size. They stay where they are from step to step.
#[derive(Clone, Copy)]
pub struct Parameter<'a> {
    /// The parameter.
    pub values: Address<'a>,
    /// First moment.
    pub first: Address<'a>,
    /// Second moment.
    pub second: Address<'a>,
    /// Numbers of each.
    pub len: usize,
    /// Decoupled weight decay.
    pub decay: f32,
}

/// What a step brings for a parameter.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    /// Before clipping, of the parameter's size.
    pub gradient: Address<'a>,
    /// Learning rate.
    pub rate: f32,
}

/// The turns of all parameters, in their order, as the kernels read them: `struct Turn` of `adam.cu`.
pub fn turns<M: Machine>(machine: &M, turns: &[Turn<'_>]) -> Result<M::Words> {
    let words = turns.iter().flat_map(|turn| {
        let pointer = turn.gradient.pointer();
        [pointer as u32, (pointer >> 32) as u32, turn.rate.to_bits(), 0]
    });
    machine.words(&words.collect::<Vec<_>>())
}

/// The pieces of parameters, as the kernels read them: `struct Piece` of `adam.cu`, twelve words each.
pub struct Pieces<W> {
    words: Vec<u32>,
    there: W,
}

impl<W> Pieces<W> {
    /// Of all parameters. Those of the last step serve again where they are the same.
    pub fn new<M: Machine<Words = W>>(
        machine: &M,
        parameters: &[Parameter<'_>],
        last: Option<Self>,
    ) -> Result<Self> {
        let mut words: Vec<u32> = Vec::new();
        for (place, parameter) in (0u32..).zip(parameters) {
            let Parameter { values, first, second, len, decay } = *parameter;
            for start in (0..len).step_by(PIECE) {
                let pointers = [values, first, second].map(|address| address.numbers_on(start).pointer());
                for word in pointers.into_iter().chain([start as u64]) {
                    words.extend([word as u32, (word >> 32) as u32]);
                }
                words.extend([(len - start).min(PIECE) as u32, place, decay.to_bits(), 0]);
            }
        }
        match last {
            Some(last) if last.words == words => Ok(last),
            _ => Ok(Self { there: machine.words(&words)?, words }),
        }
    }

    fn n(&self) -> usize {
        self.words.len() / 12
    }
}

/// The global norm of the gradients, [1].
pub fn norm<M: Machine>(machine: &M, pieces: &Pieces<M::Words>, turns: Address<'_>) -> Result<M::Floats> {
    let norm = machine.zeros(1)?;
    if pieces.n() > 0 {
        let sums = machine.double_room(pieces.n())?;
        let (at, sums) = (machine.at_words(&pieces.there), machine.at_doubles(&sums));
        // SAFETY: the pieces lie in their parameters' gradients, and there is a sum for each.
        unsafe {
            machine.launch(Launch::blocks(
                "sums_of_squares",
                pieces.n(),
                THREADS,
                arguments![at, turns, sums],
            ))?;
            let arguments = arguments![sums, pieces.n() as u32, machine.at(&norm)];
            machine.launch(Launch::blocks("norm_of_sums", 1, 512, arguments))?;
        }
    }
    Ok(norm)
}

/// Updates parameters and moments; changes nothing where the norm is not finite.
pub fn update<M: Machine>(
    machine: &M,
    pieces: &Pieces<M::Words>,
    turns: Address<'_>,
    norm: Address<'_>,
    rule: Rule,
) -> Result<()> {
    if pieces.n() == 0 {
        return Ok(());
    }
    let arguments = arguments![machine.at_words(&pieces.there), turns, norm, rule];
    // SAFETY: the pieces lie in their parameters and moments, no two overlap, and every parameter has its turn.
    unsafe { machine.launch(Launch::blocks("adam_update", pieces.n(), THREADS, arguments)) }
}
