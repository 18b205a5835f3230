//! The optimizer over all parameters at once: their gradients' global norm, and the update.

use candle_core::Result;

use super::Machine;
use super::launch::{Address, Launch, Rule, arguments};

/// Numbers of a piece: what one block updates.
const PIECE: usize = 8192;
/// Threads of a block.
const THREADS: u32 = 256;

/// A parameter with its moments and its gradient, all of one size.
#[derive(Clone, Copy)]
pub struct Parameter<'a> {
    /// The parameter.
    pub values: Address<'a>,
    /// First moment.
    pub first: Address<'a>,
    /// Second moment.
    pub second: Address<'a>,
    /// Before clipping.
    pub gradient: Address<'a>,
    /// Numbers of each.
    pub len: usize,
    /// Decoupled weight decay.
    pub decay: f32,
}

/// The pieces of parameters, as the kernels read them: `struct Piece` of `adam.cu`, twelve words each.
pub struct Pieces<W> {
    words: Vec<u32>,
    there: W,
}

impl<W> Pieces<W> {
    /// Of all parameters. Those of the last step serve again where they are the same: buffers mostly lie where they lay.
    pub fn new<M: Machine<Words = W>>(
        machine: &M,
        parameters: &[Parameter<'_>],
        last: Option<Self>,
    ) -> Result<Self> {
        let mut words: Vec<u32> = Vec::new();
        for (place, parameter) in (0u32..).zip(parameters) {
            let Parameter { values, first, second, gradient, len, decay } = *parameter;
            for start in (0..len).step_by(PIECE) {
                for address in [values, first, second, gradient] {
                    let pointer = address.numbers_on(start).pointer();
                    words.extend([pointer as u32, (pointer >> 32) as u32]);
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
pub fn norm<M: Machine>(machine: &M, pieces: &Pieces<M::Words>) -> Result<M::Floats> {
    let norm = machine.zeros(1)?;
    if pieces.n() > 0 {
        let sums = machine.double_room(pieces.n())?;
        let (at, sums) = (machine.at_words(&pieces.there), machine.at_doubles(&sums));
        // SAFETY: the pieces lie in their parameters' gradients, and there is a sum for each.
        unsafe {
            machine.launch(Launch::blocks("sums_of_squares", pieces.n(), THREADS, arguments![at, sums]))?;
            let arguments = arguments![sums, pieces.n() as u32, machine.at(&norm)];
            machine.launch(Launch::blocks("norm_of_sums", 1, 512, arguments))?;
        }
    }
    Ok(norm)
}

/// Updates parameters, each with its rate, and moments; changes nothing where the norm is not finite.
pub fn update<M: Machine>(
    machine: &M,
    pieces: &Pieces<M::Words>,
    rates: Address<'_>,
    norm: Address<'_>,
    rule: Rule,
) -> Result<()> {
    if pieces.n() == 0 {
        return Ok(());
    }
    let arguments = arguments![machine.at_words(&pieces.there), rates, norm, rule];
    // SAFETY: the pieces lie in their parameters and moments, no two overlap, and every parameter has a rate.
    unsafe { machine.launch(Launch::blocks("adam_update", pieces.n(), THREADS, arguments)) }
}
