//! Text in, token batches out.

mod batch;

pub use batch::Batch;
