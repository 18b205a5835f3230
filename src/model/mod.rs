//! ELECTRA's networks: generator, discriminator, their heads and what they share.
//!
//! The parameters of the encoder that is fine-tuned are always named `embeddings.*` and `encoder.*`, for
//! every objective.

mod encoder_network;
mod heads;
mod joint;
mod sharing;
mod single;
mod two_towers;

pub use encoder_network::{EncoderNetwork, encoder, is_encoder_parameter};
pub use heads::CopyGate;
pub use joint::{AdversarialElectra, Electra, Restorer};
pub use sharing::generator_name;
pub use single::{Discriminator, MaskedLm};
pub use two_towers::{ElectricNetworks, TwoTowers};
