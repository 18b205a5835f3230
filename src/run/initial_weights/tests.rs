//! What is loaded, what keeps its random value, and what is refused.

use std::path::Path;

use candle_core::Device;

use super::*;
use crate::checkpoint::TrainedNetworks;
use crate::checkpoint::fixture::a_model;
use crate::experiment::{InitSpec, ModelSpec, ObjectiveSpec, Sharing, TokenizerSpec};
use crate::objective::{Vocabulary, build};
use crate::records::Silent;
use crate::run::fixture::{a_trial, an_env};
use crate::text::open_tokenizer;

type Values = BTreeMap<String, Vec<f32>>;

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn tokenizer() -> Tokenizer {
    open_tokenizer(&DataSpec::default(), &an_env(), &Silent).unwrap()
}

/// Writes the networks of an objective as `discriminator/` and `generator/`, with values that no seed gives;
/// returns these values by the names of the trial that they are of.
fn write(folder: &Path, objective: ObjectiveSpec, model: ModelSpec) -> Values {
    let mut spec = a_trial(1).spec;
    (spec.objective, spec.model) = (objective, model);
    let (tokenizer, mut written) = (tokenizer(), Values::new());
    let networks = TrainedNetworks::new(&spec, tokenizer.vocab_size(), |parameters| {
        for (index, parameter) in parameters.iter().enumerate() {
            let (n, start) = (parameter.var.elem_count(), 1.0 + index as f32);
            let tensor = Tensor::arange(0.0, n as f32, &Device::Cpu)?.affine(1e-3, f64::from(start))?;
            parameter.var.set(&tensor.reshape(parameter.var.dims())?)?;
            written.insert(parameter.name.clone(), values(&parameter.var));
        }
        Ok(())
    });
    let networks = networks.unwrap();
    let named = [("discriminator", Some(networks.main)), ("generator", networks.generator)];
    for (name, network) in named.into_iter().filter_map(|(name, network)| Some((name, network?))) {
        network.write(&folder.join(name), 0).unwrap();
        tokenizer.write_files(&folder.join(name), 16).unwrap();
    }
    written
}

fn pair(folder: &Path) -> Values {
    write(folder, ObjectiveSpec::default(), a_model())
}

fn init(folder: &Path, keys: &[&str]) -> InitSpec {
    let published = |key: &str| {
        keys.contains(&key)
            .then(|| PublishedSpec { model: folder.join(key).display().to_string(), revision: "main".into() })
    };
    InitSpec { discriminator: published("discriminator"), generator: published(GENERATOR) }
}

/// A trial of another seed than that of the checkpoints.
fn trial(kind: &str, sharing: Sharing, init: InitSpec) -> TrialSpec {
    let mut spec = a_trial(7).spec;
    spec.objective = serde_json::from_str(&format!(r#"{{"kind": "{kind}"}}"#)).unwrap();
    spec.model = ModelSpec { sharing, ..a_model() };
    (spec.init, spec.train.seq_len) = (init, 16);
    spec
}

fn open(spec: &TrialSpec) -> Result<InitialWeights> {
    InitialWeights::open(spec, &tokenizer(), &an_env())
}

/// The parameters of a trial before its first step, and what each checkpoint gave them.
fn start(spec: &TrialSpec) -> (Values, String) {
    let vocabulary = Vocabulary {
        size: tokenizer().vocab_size(),
        mask: 4,
        never_masked: vec![0, 2, 3, 4],
        counts: Vec::new(),
        bigrams: None,
    };
    let objective = build(spec, &vocabulary, &Device::Cpu).unwrap();
    let weights = open(spec).unwrap();
    weights.load(objective.as_ref()).unwrap();
    let loaded = weights.provenance().into_iter();
    let loaded = loaded.map(|(key, weights)| format!("{key}: {}", weights.loaded.join(" ")));
    let started = objective.parameters().iter().map(|of| (of.name.clone(), values(&of.var)));
    (started.collect(), loaded.collect::<Vec<_>>().join("; "))
}

/// Every parameter is that of the checkpoint, to the bit, or that of the seed; the record lists the parts.
#[test]
fn loaded_parts_are_the_checkpoints_and_others_the_seeds() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = pair(folder.path());
    let (both, main, generator) = (
        init(folder.path(), &["discriminator", GENERATOR]),
        init(folder.path(), &["discriminator"]),
        init(folder.path(), &[GENERATOR]),
    );
    let (shared, none) = (Sharing::Embeddings, Sharing::None);
    let all_of_main = "discriminator: embeddings encoder discriminator_head";
    let own = "generator.encoder generator.mlm_head";
    let apart = format!("generator: generator.embeddings {own}");
    for (kind, sharing, init, expected) in [
        ("rtd", shared, &both, format!("{all_of_main}; generator: {own}")),
        ("rtd", shared, &main, all_of_main.into()),
        ("rtd", shared, &generator, format!("generator: embeddings {own}")),
        ("rtd", none, &both, format!("{all_of_main}; {apart}")),
        ("rtd", none, &generator, apart.clone()),
        ("rtd", Sharing::Gdes, &generator, apart),
        ("adversarial", shared, &both, format!("{all_of_main}; generator: {own}")),
        ("electric", shared, &main, all_of_main.into()),
        ("mlm", shared, &main, "discriminator: embeddings encoder".into()),
        ("replace_mlm", shared, &both, format!("discriminator: embeddings encoder; generator: {own}")),
    ] {
        let what = format!("{kind} {sharing:?} {expected}");
        let (started, loaded) = start(&trial(kind, sharing, init.clone()));
        assert_eq!(loaded, expected);
        let (random, nothing) = start(&trial(kind, sharing, InitSpec::default()));
        assert_eq!(nothing, "");
        for (name, values) in &started {
            let of_checkpoint = checkpoint.get(name).or_else(|| {
                // Embeddings of the generator's own are the shared ones of the checkpoint.
                checkpoint.get(name.strip_prefix("generator.")?)
            });
            match expected.split([' ', ';']).any(|word| word == part(name)) {
                true => assert_eq!(Some(values), of_checkpoint, "{what}: {name}"),
                false => assert_eq!(values, &random[name], "{what}: {name}"),
            }
        }
    }
}

/// An encoder with a head over the vocabulary, for objectives that train one; a copy gate starts at random.
#[test]
fn a_masked_language_model_brings_its_head() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = write(folder.path(), ObjectiveSpec::default_mlm(), a_model());
    let main = init(folder.path(), &["discriminator"]);
    for (kind, expected) in [
        ("mlm", "discriminator: embeddings encoder mlm_head"),
        ("coco_lm", "discriminator: embeddings encoder mlm_head"),
        ("rtd", "discriminator: embeddings encoder"),
    ] {
        let (started, loaded) = start(&trial(kind, Sharing::Embeddings, main.clone()));
        assert_eq!(loaded, expected, "{kind}");
        let is_loaded = |name: &&String| expected.split(' ').any(|word| word == part(name));
        for name in started.keys().filter(is_loaded) {
            assert_eq!(started[name], checkpoint[name], "{kind} {name}");
        }
    }
}

/// With everything shared, the encoder is that of the first checkpoint given.
#[test]
fn what_is_shared_is_the_discriminators() {
    let (folder, one) = (tempfile::tempdir().unwrap(), ModelSpec { generator_ratio: 1.0, ..a_model() });
    let checkpoint = write(folder.path(), ObjectiveSpec::default(), one.clone());
    let with = |keys: &[&str]| {
        let spec = trial("rtd", Sharing::All, init(folder.path(), keys));
        TrialSpec { model: ModelSpec { sharing: Sharing::All, ..one.clone() }, ..spec }
    };
    let name = "encoder.layer.0.output.weight";
    let (started, loaded) = start(&with(&[GENERATOR]));
    assert_eq!(loaded, "generator: embeddings encoder generator.mlm_head");
    assert_eq!(started[name], checkpoint[&format!("generator.{name}")]);
    let both = with(&["discriminator", GENERATOR]);
    let (started, loaded) = start(&both);
    assert!(loaded.ends_with("generator: generator.mlm_head"), "{loaded}");
    assert_eq!(started[name], checkpoint[name]);
    let notes = open(&both).unwrap().notes.join("\n").replace(&folder.path().display().to_string(), "DIR");
    insta::assert_snapshot!(notes, @"base.init.generator: what DIR/generator shares with the discriminator (model.sharing) has other values in the discriminator's checkpoint, which are taken");
    // The embeddings of the two are the same.
    assert!(open(&trial("rtd", Sharing::Embeddings, InitSpec::default())).unwrap().notes.is_empty());
}

fn refusal(spec: &TrialSpec, folder: &Path) -> String {
    open(spec).unwrap_err().to_string().replace(&folder.display().to_string(), "DIR")
}

#[test]
fn every_size_that_differs_is_in_one_error() {
    let folder = tempfile::tempdir().unwrap();
    pair(folder.path());
    let mut spec = trial("rtd", Sharing::Embeddings, init(folder.path(), &["discriminator", GENERATOR]));
    spec.model = ModelSpec { generator_ratio: 0.5, ..ModelSpec::default() };
    insta::assert_snapshot!(refusal(&spec, folder.path()), @r"
    base.init.discriminator = DIR/discriminator has another shape than base.model: hidden is 8, not 128; layers is 1, not 4; ffn is 32, not 512; embedding is 4, not 128; positions is 16, not 512; base.init.generator = DIR/generator has another shape than base.model: hidden is 2, not 64; layers is 1, not 4; ffn is 8, not 256; embedding is 4, not 128; positions is 16, not 512
    hint: set model.hidden: 8, model.layers: 1, model.heads: 2, model.embedding: 4, model.generator_ratio: 0.3, model.positions: 16
    ");

    // The heads of a generator follow from its width.
    write(folder.path(), ObjectiveSpec::default(), ModelSpec { generator_ratio: 1.0, ..a_model() });
    spec.model = ModelSpec { heads: Some(4), generator_ratio: 1.0, ..a_model() };
    spec.init.discriminator = None;
    insta::assert_snapshot!(refusal(&spec, folder.path()), @r"
    base.init.generator = DIR/generator has another shape than base.model: heads is 2, not 4
    hint: use other checkpoints: base.model has no key for type_vocab_size and layer_norm_eps, and a generator's heads and ffn follow from model.heads, model.ffn and model.generator_ratio
    ");
}

#[test]
fn another_epsilon_cannot_be_set() {
    let folder = tempfile::tempdir().unwrap();
    pair(folder.path());
    let path = folder.path().join("discriminator/config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("1e-12", "1e-5")).unwrap();
    let spec = trial("rtd", Sharing::Embeddings, init(folder.path(), &["discriminator"]));
    insta::assert_snapshot!(refusal(&spec, folder.path()), @r"
    base.init.discriminator = DIR/discriminator has another shape than base.model: layer_norm_eps is 1e-5, not 1e-12
    hint: use other checkpoints: base.model has no key for type_vocab_size and layer_norm_eps, and a generator's heads and ffn follow from model.heads, model.ffn and model.generator_ratio
    ");
}

#[test]
fn another_tokenizer_is_refused_with_both_names() {
    let folder = tempfile::tempdir().unwrap();
    pair(folder.path());
    let own = folder.path().join("discriminator");
    let spec = trial("mlm", Sharing::Embeddings, init(folder.path(), &["discriminator"]));
    let model =
        open_checkpoint("discriminator", spec.init.discriminator.as_ref().unwrap(), &an_env()).unwrap();
    let files = TokenizerSpec::File { path: "words/vocab.txt".into() };
    let data = DataSpec::Files {
        paths: vec!["a.txt".into()],
        column: "text".into(),
        max_documents: None,
        sentences: Default::default(),
        tokenizer: files,
    };
    let spec = TrialSpec { data, ..spec };
    // The same tokens in another order.
    let mut tokens: Vec<String> =
        (0..tokenizer().vocab_size() as u32).map(|id| tokenizer().token(id).unwrap()).collect();
    tokens.reverse();
    let refused = |spec: &TrialSpec, model: &PublishedModel, tokens: &[String]| {
        let tokenizer = Tokenizer::from_vocabulary(tokens, "a test").unwrap();
        let error = check_tokenizers(spec, &[("discriminator", model)], &tokenizer).unwrap_err();
        error.to_string().replace(&folder.path().display().to_string(), "DIR")
    };
    insta::assert_snapshot!(refused(&spec, &model, &tokens), @r"
    base.init.discriminator = DIR/discriminator was trained with another tokenizer (899 tokens, hash 4e8150ffccf0) than the tokenizer words/vocab.txt of this trial (899 tokens, hash 87a2e3e7673f)
    hint: set base.data.tokenizer to { kind: file, path: DIR/discriminator/tokenizer.json }
    ");
    let language = TrialSpec { data: DataSpec::default(), ..spec.clone() };
    let hint = refused(&language, &model, &tokens);
    assert!(
        hint.contains("hint: the built-in language has a vocabulary of its own: set base.data"),
        "{hint}"
    );

    // Without a tokenizer only the sizes are known.
    for file in ["tokenizer.json", "vocab.txt"] {
        std::fs::remove_file(own.join(file)).unwrap();
    }
    let model =
        open_checkpoint("discriminator", spec.init.discriminator.as_ref().unwrap(), &an_env()).unwrap();
    let reversed = Tokenizer::from_vocabulary(&tokens, "a test").unwrap();
    check_tokenizers(&spec, &[("discriminator", &model)], &reversed).unwrap();
    tokens.push("one more".into());
    let longer = refused(&spec, &model, &tokens);
    assert!(
        longer.contains("rows in its word table, and the tokenizer words/vocab.txt of this trial has"),
        "{longer}"
    );
}

#[test]
fn a_damaged_or_missing_checkpoint_is_named_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let spec = trial("mlm", Sharing::Embeddings, init(folder.path(), &["discriminator"]));
    let missing = refusal(&spec, folder.path());
    assert!(
        missing.starts_with("base.init.discriminator = DIR/discriminator: there is no folder"),
        "{missing}"
    );
    pair(folder.path());
    let path = folder.path().join("discriminator/model.safetensors");
    let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
    tensors.remove("electra.embeddings_project.bias");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    let damaged = refusal(&spec, folder.path());
    assert!(damaged.contains("DIR/discriminator lacks electra.embeddings_project.bias"), "{damaged}");
}
