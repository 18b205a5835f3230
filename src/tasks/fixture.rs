//! An encoder with random weights, for tests that fine-tune without pre-training.

use candle_core::Device;

use crate::error::Result;
use crate::model::{EncoderNetwork, encoder, is_encoder_parameter};
use crate::nn::Parameters;

/// New random parameters of an encoder.
pub fn random_encoder(network: &EncoderNetwork) -> Parameters {
    let mut parameters = Parameters::new(1, &Device::Cpu);
    encoder(&mut parameters.builder(), network).unwrap();
    parameters
}

/// Copies the parameters of an encoder into a network with the same encoder.
pub fn load_encoder(parameters: &Parameters, from: &Parameters) -> Result<()> {
    let find = |name: &str| from.iter().find(|one| one.name == name).map(|one| one.var.as_tensor().clone());
    parameters.load(is_encoder_parameter, find)
}
