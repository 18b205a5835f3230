//! A tiny untrained pair of networks, for tests that write and read checkpoints.

use super::of_trial::TrainedNetworks;
use crate::experiment::{ModelSpec, ObjectiveSpec, TrialSpec};

/// One layer of 8 with embeddings of 4 and 16 positions.
pub fn a_model() -> ModelSpec {
    ModelSpec {
        hidden: Some(8),
        layers: Some(1),
        heads: Some(2),
        embedding: Some(4),
        positions: 16,
        ..Default::default()
    }
}

/// Discriminator and generator with `vocab` tokens.
pub fn a_pair(vocab: usize) -> TrainedNetworks {
    let (data, train, evaluate) = Default::default();
    let objective = ObjectiveSpec::default();
    let spec = TrialSpec {
        seed: 1,
        model: a_model(),
        objective,
        data,
        train,
        published: None,
        init: Default::default(),
        evaluate,
        control: None,
    };
    TrainedNetworks::new(&spec, vocab, |_| Ok(())).unwrap()
}
