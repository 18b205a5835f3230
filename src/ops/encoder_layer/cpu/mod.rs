//! The layer on the CPU, some sequences at a time.

mod backward;
mod chunks;
mod forward;
mod layer;

pub use layer::{Activations, CpuLayer, Weights};
