//! ELECTRA's networks: generator, discriminator, their sharing, and what they cost.
//!
//! The encoder that is fine-tuned is always named `embeddings.*` and `encoder.*`, whatever the objective.

mod heads;
mod networks;
mod sharing;
mod two_towers;

pub use heads::{Baseline, CopyGate, DiscriminatorHead, MaskedLmHead};
pub use networks::{
    AdversarialElectra, Discriminator, Electra, EncoderNetwork, MaskedLm, Restorer, encoder,
    is_encoder_parameter,
};
pub use two_towers::{Electric, TwoTowers};
