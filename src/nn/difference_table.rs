//! Embedding tables that are kept as differences from another network's: gradient-disentangled sharing.

use candle_core::Tensor;

use crate::error::Result;

/// Last part of the name of a table that is a difference from another one.
pub const DIFFERENCE: &str = "delta";

/// The table `<table>.weight` of a network that keeps it as a difference from the generator's.
///
/// It is `generator.<table>.weight` + `<table>.delta`, to the bit what the network reads. None unless `find`
/// knows both.
pub fn difference_table(name: &str, find: impl Fn(&str) -> Option<Tensor>) -> Result<Option<Tensor>> {
    let Some(table) = name.strip_suffix(".weight") else { return Ok(None) };
    let base = find(&format!("generator.{name}"));
    Ok(match (base, find(&format!("{table}.{DIFFERENCE}"))) {
        (Some(base), Some(difference)) => Some((base + difference)?),
        _ => None,
    })
}
