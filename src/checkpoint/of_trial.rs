//! The networks of a trial as published models, each with the parameter names that it would have alone.

use std::path::Path;

use candle_core::{Device, Tensor};

use super::config::{Config, Family};
use super::write::{Role, write};
use crate::error::{Error, Result};
use crate::experiment::{HeadKind, MainTask, TrialSpec};
use crate::model::{
    AdversarialElectra, Discriminator, Electra, ElectricNetworks, EncoderNetwork, MaskedLm, Restorer,
};
use crate::nn::{DIFFERENCE, Parameters, difference_table};

/// A trained network.
pub struct TrainedNetwork {
    /// Its class in transformers.
    pub role: Role,
    network: EncoderNetwork,
    labels: Vec<String>,
    parameters: Vec<(String, Tensor)>,
}

/// The networks of a trial.
pub struct TrainedNetworks {
    /// The network whose encoder is fine-tuned.
    pub main: TrainedNetwork,
    /// The generator, if there is one and transformers has a class for it.
    pub generator: Option<TrainedNetwork>,
}

impl TrainedNetworks {
    /// Makes the networks of `spec` with `vocab` tokens. `load` loads the trained values into their
    /// parameters.
    pub fn new(spec: &TrialSpec, vocab: usize, load: impl FnOnce(&Parameters) -> Result<()>) -> Result<Self> {
        let mut parameters = Parameters::new(spec.seed, &Device::Cpu);
        let full = EncoderNetwork::of_spec(&spec.model, vocab);
        let role = match spec.objective.main_task() {
            MainTask::Detect if spec.objective.has_baseline() => {
                AdversarialElectra::new(&mut parameters, &spec.model, vocab)?;
                Role::Discriminator
            }
            MainTask::Detect if spec.objective.has_two_towers() => {
                ElectricNetworks::new(&mut parameters, &spec.model, vocab)?;
                Role::Discriminator
            }
            MainTask::Detect if spec.objective.has_generator() => {
                Electra::new(&mut parameters, &spec.model, vocab)?;
                Role::Discriminator
            }
            MainTask::Detect => {
                Discriminator::new(&mut parameters, &full)?;
                Role::Discriminator
            }
            MainTask::Unmask | MainTask::UnmaskAndDetect => {
                MaskedLm::new(&mut parameters, &full)?;
                Role::MaskedLm
            }
            task @ (MainTask::Restore | MainTask::RestoreAll | MainTask::Correct) => {
                let has_gate = task != MainTask::Restore;
                Restorer::new(&mut parameters, &spec.model, vocab, has_gate)?;
                Role::MaskedLm
            }
        };
        load(&parameters)?;
        let main = main_tensors(&parameters)?;
        let main = TrainedNetwork { role, network: full, labels: Vec::new(), parameters: main };
        let has_generator = spec.objective.has_generator() && !spec.objective.has_two_towers();
        let generator = has_generator
            .then(|| generator(&parameters, EncoderNetwork::generator_of_spec(&spec.model, vocab)));
        Ok(Self { main, generator })
    }
}

/// Whether transformers' class of the main network has this parameter. The generator has a folder of its own,
/// and no class has a copy gate or a baseline.
fn is_published(name: &str) -> bool {
    !["generator.", "copy_gate.", "baseline."].iter().any(|part| name.starts_with(part))
}

/// The main network's tensors. A table that is a difference from the generator's is replaced by their sum.
fn main_tensors(parameters: &Parameters) -> Result<Vec<(String, Tensor)>> {
    let all = named(parameters, |name| Some(name));
    let find = |wanted: &str| all.iter().find(|(name, _)| name == wanted).map(|(_, tensor)| tensor.clone());
    let published = all.iter().filter(|(name, _)| is_published(name));
    published
        .map(|(name, tensor)| {
            let table = name.strip_suffix(DIFFERENCE).and_then(|rest| rest.strip_suffix('.'));
            let Some(table) = table else { return Ok((name.clone(), tensor.clone())) };
            let table = format!("{table}.weight");
            let sum = difference_table(&table, find)?;
            let sum = sum.ok_or_else(|| Error::internal(format!("`{name}` is a difference from nothing")))?;
            Ok((table, sum))
        })
        .collect()
}

/// The generator with its own parameters and those that it shares.
fn generator(parameters: &Parameters, network: EncoderNetwork) -> TrainedNetwork {
    let mut own = named(parameters, |name| name.strip_prefix("generator."));
    for part in ["embeddings.", "encoder."] {
        if !own.iter().any(|(name, _)| name.starts_with(part)) {
            own.extend(named(parameters, |name| name.starts_with(part).then_some(name)));
        }
    }
    TrainedNetwork { role: Role::MaskedLm, network, labels: Vec::new(), parameters: own }
}

/// The parameters for which `rename` returns a name, under that name.
fn named(parameters: &Parameters, rename: impl Fn(&str) -> Option<&str>) -> Vec<(String, Tensor)> {
    let rename = |parameter: &crate::nn::Parameter| {
        Some((rename(&parameter.name)?.to_string(), parameter.var.as_detached_tensor()))
    };
    parameters.iter().filter_map(rename).collect()
}

impl TrainedNetwork {
    /// A fine-tuned encoder with the head of its recipe. `labels` are the names of its outputs.
    pub fn classifier(
        network: EncoderNetwork,
        head: HeadKind,
        labels: Vec<String>,
        parameters: &Parameters,
    ) -> Self {
        let role = match head {
            HeadKind::Paper => Role::TokenClassifier,
            HeadKind::Huggingface => Role::SequenceClassifier,
        };
        Self { role, network, labels, parameters: named(parameters, |name| Some(name)) }
    }

    /// Writes config.json and model.safetensors into `folder`. `pad` is the id of `[PAD]`.
    pub fn write(&self, folder: &Path, pad: u32) -> Result<()> {
        let config = Config { family: Family::Electra, network: self.network, pad };
        write(folder, config, self.role, &self.labels, &self.parameters)
    }
}
