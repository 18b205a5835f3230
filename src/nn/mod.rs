//! The parts of a network: parameters, dense layers, embeddings, the transformer encoder.
//!
//! Everything works on ragged batches: the N tokens of all sequences end to end, without padding.

mod difference_table;
mod embeddings;
mod encoder;
mod layers;
mod parameters;

pub use difference_table::{DIFFERENCE, difference_table};
pub use embeddings::{Embeddings, Tokens};
pub use encoder::{DropoutRates, Encoder};
pub use layers::{LayerNorm, Linear, Mode};
pub use parameters::{Builder, Init, Parameter, Parameters};
