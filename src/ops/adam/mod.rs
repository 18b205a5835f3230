//! Adam: one optimizer update of parameters, in place.
//!
//! ```text
//! m ← β₁m + (1-β₁)g
//! v ← β₂v + (1-β₂)g²
//! p ← p - rate·(m·c₁ / (√(v·c₂) + ε) + decay·p)
//! ```
//!
//! g is the gradient times the clipping factor. c₁ and c₂ are 1 (the released ELECTRA code: no bias
//! correction) or the bias corrections of AdamW.

pub mod cpu;
pub mod cuda;
mod reference;
mod update;

pub use cpu::adam;
pub use reference::reference;
pub use update::Update;

#[cfg(test)]
mod tests;
