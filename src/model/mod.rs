//! Stand-in for the ELECTRA model.
pub mod flops;
