//! The parts of a network: parameters, dense layers, embeddings, the transformer encoder.
//!
//! Everything works on ragged batches: N tokens of all sequences end to end, no padding.

mod embeddings;
mod encoder;
mod layers;
mod parameters;

pub use embeddings::{DIFFERENCE, Embeddings, Tokens, difference_table};
pub use encoder::{Encoder, Rates};
pub use layers::{Linear, Mode, Norm};
pub use parameters::{Builder, Init, Parameter, Parameters};
