//! Published checkpoints that pre-training starts from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::published::PublishedSpec;

/// Pre-training starts from the weights of published checkpoints in place of random initial values. Shapes,
/// vocabulary and tokenizer of the trial must be those of the checkpoints, which is checked before anything
/// runs. What a checkpoint does not have starts at random, from the seed. What generator and discriminator
/// share (`model.sharing`) exists once: the discriminator's checkpoint fills it, or the generator's where
/// only that is given. Adam's moments start at zero, and steps, tokens and FLOPs count from zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InitSpec {
    /// The checkpoint of the network that is fine-tuned later, whatever the objective: any ELECTRA or BERT
    /// model. Its embeddings and its encoder are read, and the head of pre-training where it has the one that
    /// the objective trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discriminator: Option<PublishedSpec>,
    /// The checkpoint of the generator: its encoder, its embeddings and, where it has one, its head over the
    /// vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<PublishedSpec>,
}

impl InitSpec {
    /// Whether all weights start at random. Such a section is not serialised, so that the ids of trials from
    /// before it existed do not change.
    pub fn is_empty(&self) -> bool {
        self.checkpoints().next().is_none()
    }

    /// The checkpoints with their keys.
    pub fn checkpoints(&self) -> impl Iterator<Item = (&'static str, &PublishedSpec)> {
        let both = [("discriminator", &self.discriminator), ("generator", &self.generator)];
        both.into_iter().filter_map(|(key, published)| Some((key, published.as_ref()?)))
    }
}
