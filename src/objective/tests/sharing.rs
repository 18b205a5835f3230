//! Tests that every kind of sharing must pass: which loss trains which parameter, that both networks learn,
//! and that the saved tables are the trained ones.

use super::*;
use crate::model::{Discriminator, EncoderNetwork};
use crate::ops::encoder_layer::with_unfused_layers;
use crate::ops::gradients::host::BLOCK;
use crate::ops::gradients::{Gradient, Gradients};

const ALL: [Sharing; 4] = [Sharing::None, Sharing::Embeddings, Sharing::All, Sharing::Gdes];

/// Replaced-token detection with a generator of the discriminator's shape.
fn rtd(sharing: Sharing, disc_weight: f64, n_steps: u64) -> TrialSpec {
    let mut spec = trial(&format!(r#"{{"kind": "rtd", "disc_weight": {disc_weight}}}"#), n_steps);
    (spec.model.sharing, spec.model.generator_ratio) = (sharing, 1.0);
    spec
}

/// Gradients of the first step by parameter. Empty for a parameter that no gradient reaches.
fn first_gradients(sharing: Sharing, disc_weight: f64) -> BTreeMap<String, Vec<f32>> {
    let (corpus, vocabulary) = language();
    let objective = build(&rtd(sharing, disc_weight, 10), &vocabulary, &Device::Cpu).unwrap();
    let context = StepContext { seed: 1, step: 0, training: true, trace: true };
    let grads = objective
        .parameters()
        .gradients(&objective.losses(&corpus.batch_at(1, 0, 4), context).unwrap().total);
    let of = |parameter: &Parameter| {
        (parameter.name.clone(), grads.get(&parameter.name).map(numbers).unwrap_or_default())
    };
    objective.parameters().iter().map(of).collect()
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The part of the networks that a parameter belongs to: an embedding table, an encoder or a head.
fn part(name: &str) -> String {
    let n_parts = match name.split('.').collect::<Vec<_>>().as_slice() {
        ["generator", "embeddings", ..] => 3,
        ["generator" | "embeddings", ..] => 2,
        _ => 1,
    };
    name.split('.').take(n_parts).collect::<Vec<_>>().join(".")
}

fn parts_of<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut parts: Vec<String> = names.map(|name| part(name)).collect();
    parts.sort();
    parts.dedup();
    parts.join(" ")
}

/// The parts that the generator's loss reaches, and those that the discriminator's does.
fn reached(sharing: Sharing) -> [String; 2] {
    let [none, once, twice] = [0.0, 1.0, 2.0].map(|weight| first_gradients(sharing, weight));
    let by_the_generator = none.iter().filter(|(_, values)| values.iter().any(|&value| value != 0.0));
    let by_the_discriminator = once.iter().filter(|(name, values)| twice[*name] != **values);
    [parts_of(by_the_generator.map(|(name, _)| name)), parts_of(by_the_discriminator.map(|(name, _)| name))]
}

#[test]
fn each_loss_trains_its_networks() {
    let main =
        "discriminator_head embeddings.norm embeddings.position embeddings.type embeddings.word encoder";
    let tables = "embeddings.norm embeddings.position embeddings.type embeddings.word";
    let generator = "generator.embeddings.norm generator.embeddings.position generator.embeddings.type \
                     generator.embeddings.word generator.encoder generator.mlm_head";
    let [none, embeddings, all, gdes] = ALL.map(reached);
    assert_eq!(none, [generator, main]);
    assert_eq!(embeddings, [format!("{tables} generator.encoder generator.mlm_head"), main.into()]);
    assert_eq!(all, [format!("{tables} encoder generator.mlm_head"), main.into()]);
    assert_eq!(gdes, [generator, main]);
}

/// Objectives other than rtd: every parameter of a shared encoder is trained, and under an adversarial
/// generator, too, tables of differences keep the two losses apart.
#[test]
fn other_objectives_share_parameters() {
    for kind in ["electra_15", "replace_mlm", "all_tokens_mlm"] {
        let mut spec = trial(&format!(r#"{{"kind": "{kind}"}}"#), 10);
        (spec.model.sharing, spec.model.generator_ratio) = (Sharing::All, 1.0);
        gradients(&spec, 0);
    }
    let with = |weight: &str, value: f64| format!(r#"{{"kind": "adversarial", "{weight}": {value}}}"#);
    let reached_by = |weight| changed(&with(weight, 1.0), &with(weight, 2.0), Sharing::Gdes);
    assert_eq!(reached_by("policy_weight"), ["generator"]);
    assert_eq!(reached_by("disc_weight"), ["discriminator_head", "embeddings", "encoder"]);
}

/// If two losses or two passes reach a parameter, our accumulation equals candle's own to the bit.
#[test]
fn shared_parameters_get_the_sum_of_their_gradients() {
    let (corpus, vocabulary) = language();
    let batch = corpus.batch_at(1, 0, 4);
    let context = StepContext { seed: 1, step: 0, training: true, trace: true };
    for sharing in ALL {
        let mut spec = rtd(sharing, 50.0, 10);
        (spec.model.dropout, spec.model.attention_dropout) = (0.1, 0.1);
        let objective = build(&spec, &vocabulary, &Device::Cpu).unwrap();
        let total = objective.losses(&batch, context).unwrap().total;
        let mut fast = Gradients::new(objective.parameters().iter().map(|parameter| &parameter.var));
        fast.backward(&total).unwrap();
        let total = with_unfused_layers(|| objective.losses(&batch, context).unwrap().total);
        let slow = total.backward().unwrap();
        for (index, parameter) in objective.parameters().iter().enumerate() {
            let fast = numbers(&fast.tensor(index).unwrap().unwrap());
            assert!(fast == numbers(slow.get(&parameter.var).unwrap()), "{sharing:?}: {}", parameter.name);
        }
    }
}

/// In a table of differences only the rows that were read have a gradient. The optimizer skips the others.
#[test]
fn differences_are_trained_row_by_row() {
    let (corpus, mut vocabulary) = language();
    vocabulary.size = 40 * BLOCK / 24;
    let objective = build(&rtd(Sharing::Gdes, 50.0, 10), &vocabulary, &Device::Cpu).unwrap();
    let context = StepContext { seed: 1, step: 0, training: true, trace: true };
    let total = objective.losses(&corpus.batch_at(1, 0, 2), context).unwrap().total;
    let mut gradients = Gradients::new(objective.parameters().iter().map(|parameter| &parameter.var));
    gradients.backward(&total).unwrap();
    let n_touched = |name: &str| {
        let index = objective.parameters().iter().position(|parameter| parameter.name == name).unwrap();
        let Some(Gradient::Host(gradient)) = gradients.get(index) else { panic!("{name} has no gradient") };
        (0..40).filter(|&block| gradient.block(block).is_some()).count()
    };
    assert_eq!(n_touched("generator.embeddings.word.weight"), 40);
    let n_differences = n_touched("embeddings.word.delta");
    assert!((1..30).contains(&n_differences), "{n_differences} blocks of 40");
}

/// Before any step the discriminator reads the generator's tables. After some steps it reads those plus its
/// differences. The exported tables, and those that fine-tuning starts from, equal the trained ones to the
/// bit.
#[test]
fn disentangled_embeddings_are_saved_as_they_were_trained() {
    let (corpus, vocabulary) = language();
    let spec = rtd(Sharing::Gdes, 50.0, 10);
    let objective = build(&spec, &vocabulary, &Device::Cpu).unwrap();
    let parameters = objective.parameters();
    let find = |name: &str| {
        parameters.iter().find(|one| one.name == name).map(|one| one.var.as_detached_tensor().copy().unwrap())
    };
    let mut main = Parameters::new(9, &Device::Cpu);
    let network = EncoderNetwork::of_spec(&spec.model, vocabulary.size);
    let discriminator = Discriminator::new(&mut main, &network).unwrap();
    let table = |name: &str| {
        main.load(|_| true, find).unwrap();
        numbers(main.iter().find(|one| one.name == name).unwrap().var.as_tensor())
    };
    let tables = ["embeddings.word.weight", "embeddings.position.weight"];
    let of_the_generator = |name: &str| numbers(&find(&format!("generator.{name}")).unwrap());
    for name in tables {
        assert_eq!(table(name), of_the_generator(name), "{name} before the first step");
    }

    let mut optimizer = Optimizer::new((&spec.train).into(), parameters).unwrap();
    let stepper =
        Stepper { seed: 1, spec: &spec.train, n_steps: 10, objective: objective.as_ref(), trace: false };
    for step in 0..10 {
        stepper.step(&mut optimizer, step, corpus.batch_at(1, step, 4)).unwrap();
    }
    let copied = |made: &Parameters| made.load(|_| true, find);
    let networks = TrainedNetworks::new(&spec, vocabulary.size, copied).unwrap();
    let folder = tempfile::tempdir().unwrap();
    networks.main.write(folder.path(), 0).unwrap();
    let exported =
        candle_core::safetensors::load(folder.path().join("model.safetensors"), &Device::Cpu).unwrap();
    for (name, theirs) in tables.into_iter().zip(["word", "position"]) {
        let difference = numbers(&find(&name.replace("weight", "delta")).unwrap());
        assert!(difference.iter().any(|&value| value != 0.0), "{name} learnt no difference");
        let sums: Vec<f32> = of_the_generator(name).iter().zip(&difference).map(|(a, b)| a + b).collect();
        let theirs = &exported[&format!("electra.embeddings.{theirs}_embeddings.weight")];
        assert!(sums == numbers(theirs) && sums == table(name), "{name}");
    }
    let batch = corpus.validation_batch(0, 8).unwrap();
    let losses =
        objective.losses(&batch, StepContext { seed: 1, step: 0, training: false, trace: true }).unwrap();
    let traced = |wanted: &str| losses.trace.iter().find(|(name, _)| *name == wanted).unwrap().1.clone();
    let input = tokens(&batch, traced("discriminator_input").to_vec1().unwrap());
    let logits = discriminator.forward(&input, Mode::evaluate()).unwrap();
    assert_eq!(numbers(&logits), numbers(&traced("discriminator_logits")));
}
