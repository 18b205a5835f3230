//! From a folder in Hugging Face's layout to one of our networks.
//!
//! Every tensor is accounted for: a tensor that is missing, has another shape or is unknown is an error that
//! names it. Other heads are ignored only if just the encoder is wanted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use super::config::{Config, Family};
use super::names::{join, output_matrix, part_shape, published_names};
use super::weights::Weights;
use crate::error::{Error, ErrorKind, Result};
use crate::flops;
use crate::model::{Discriminator, MaskedLm, encoder, is_encoder_parameter};
use crate::nn::Parameters;

/// The word table, below the prefix of the encoder's names.
const WORD_TABLE: &str = "embeddings.word_embeddings.weight";

/// The other name of BERT's output bias.
const DECODER_BIAS: &str = "cls.predictions.decoder.bias";

/// Largest number of names in one message.
const SHOWN: usize = 4;

/// A head of pre-training, which a checkpoint may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PretrainingHead {
    /// Detects replaced tokens.
    Discriminator,
    /// Predicts tokens, over the vocabulary.
    MaskedLm,
}

/// An opened checkpoint.
pub struct Published {
    /// Family, shape and dropout of its networks.
    pub config: Config,
    folder: PathBuf,
    weights: Weights,
    prefix: &'static str,
}

impl Published {
    /// Reads config.json and the weights of `folder`.
    ///
    /// # Errors
    /// A file is missing or damaged, or the weights do not have the sizes of config.json.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let mut read = None;
        let config = Config::read(&path, || Ok(family_of(read.insert(Weights::read(folder)?))))?;
        let mut weights = match read {
            Some(weights) => weights,
            None => Weights::read(folder)?,
        };
        let known = match config.family {
            Family::Electra => ["electra.", ""],
            Family::Bert => ["bert.", ""],
        };
        strip_common_prefix(&mut weights, known);
        let has_words = |prefix: &&str| weights.tensors.contains_key(&format!("{prefix}{WORD_TABLE}"));
        let prefix = known.into_iter().find(has_words).ok_or_else(|| {
            let what = format!("{} has no tensor {WORD_TABLE}", weights.path.display());
            Error::new(ErrorKind::Data, what, "check that config.json and the weights belong together")
        })?;
        check_sizes(&path, &config, &weights, prefix)?;
        Ok(Self { config, folder: folder.into(), weights, prefix })
    }

    /// Whether it has a head over the vocabulary.
    pub fn has_masked_lm(&self) -> bool {
        self.has_head("mlm_head.dense.weight")
    }

    /// Whether it has the head that detects replaced tokens.
    pub fn has_discriminator(&self) -> bool {
        self.has_head("discriminator_head.dense.weight")
    }

    fn has_head(&self, name: &str) -> bool {
        let names = published_names(name, self.config.family, self.prefix).unwrap_or_default();
        !names.is_empty() && names.iter().all(|name| self.weights.tensors.contains_key(name))
    }

    /// An encoder with the head that detects replaced tokens (ElectraForPreTraining).
    pub fn discriminator(&self, device: &Device) -> Result<Discriminator> {
        if !self.has_discriminator() {
            return Err(self.refused("holds no discriminator: it has no discriminator_predictions"));
        }
        let mut parameters = Parameters::new(0, device);
        let network = Discriminator::new(&mut parameters, &self.config.network)?;
        self.fill(&parameters, |_| true, false)?;
        Ok(network)
    }

    /// An encoder with its head over the vocabulary (ElectraForMaskedLM, BertForMaskedLM,
    /// BertForPreTraining).
    pub fn masked_lm(&self, device: &Device) -> Result<MaskedLm> {
        if !self.has_masked_lm() {
            return Err(self.refused("holds no masked language model: it has no head over the vocabulary"));
        }
        self.check_tied()?;
        let mut parameters = Parameters::new(0, device);
        let network = MaskedLm::new(&mut parameters, &self.config.network)?;
        self.fill(&parameters, |_| true, false)?;
        Ok(network)
    }

    /// Loads the encoder's parameters, whichever heads the checkpoint has.
    pub fn load_encoder(&self, parameters: &Parameters) -> Result<()> {
        self.fill(parameters, is_encoder_parameter, true)
    }

    /// The parameters of the encoder on the CPU, under the names that it has alone, and those of `head` where
    /// the checkpoint has it. Other heads are ignored.
    ///
    /// # Errors
    /// A tensor is missing, misshapen or unknown; an output matrix is not the word table.
    pub fn parameters(&self, head: PretrainingHead) -> Result<Parameters> {
        // All of them are overwritten.
        let mut parameters = Parameters::expecting(0, &Device::Cpu, |_| true);
        let network = &self.config.network;
        match head {
            PretrainingHead::Discriminator if self.has_discriminator() => {
                Discriminator::new(&mut parameters, network)?;
            }
            PretrainingHead::MaskedLm if self.has_masked_lm() => {
                self.check_tied()?;
                MaskedLm::new(&mut parameters, network)?;
            }
            PretrainingHead::Discriminator | PretrainingHead::MaskedLm => {
                encoder(&mut parameters.builder(), network)?;
            }
        }
        self.fill(&parameters, |_| true, true)?;
        Ok(parameters)
    }

    /// Number of parameters of the encoder.
    pub fn n_encoder_parameters(&self) -> u64 {
        flops::encoder_parameters(&self.config.network.shape, self.config.network.vocab)
    }

    /// Hash of the floating-point tensors with their names. It does not depend on the format of the file.
    pub fn weights_hash(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        for (name, tensor) in &self.weights.tensors {
            hasher.update(format!("{name} {:?}\n", tensor.dims()).as_bytes());
            for value in tensor.flatten_all()?.to_vec1::<f32>()? {
                hasher.update(&value.to_le_bytes());
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// A tensor by its published name. BERT's output bias has two names, which are one tensor in
    /// transformers; some files have the second only.
    fn tensor(&self, name: &str) -> Option<&Tensor> {
        let tensors = &self.weights.tensors;
        let other = || tensors.get(DECODER_BIAS).filter(|_| name == "cls.predictions.bias");
        tensors.get(name).or_else(other)
    }

    /// Loads the published tensors into the parameters that `wanted` accepts, after all of them were checked.
    /// With `other_heads` the tensors of other heads are ignored.
    fn fill(&self, parameters: &Parameters, wanted: fn(&str) -> bool, other_heads: bool) -> Result<()> {
        let (mut used, mut missing, mut misshapen) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut values: Vec<Tensor> = Vec::new();
        let wanted = || parameters.iter().filter(|parameter| wanted(&parameter.name));
        for parameter in wanted() {
            let name = &parameter.name;
            let names =
                published_names(name, self.config.family, self.prefix).unwrap_or_else(|| vec![name.clone()]);
            let expected = part_shape(name, parameter.var.dims());
            let mut found = Vec::new();
            for part in names.iter().cloned() {
                match self.tensor(&part) {
                    None => missing.push(part),
                    Some(tensor) if tensor.dims() != expected => {
                        misshapen.push(format!("{part} is {:?}, not {expected:?}", tensor.dims()));
                    }
                    Some(tensor) => {
                        found.push(tensor.clone());
                        used.insert(part);
                    }
                }
            }
            if missing.is_empty() && misshapen.is_empty() {
                let value = join(name, &found)?;
                if !is_finite(&value)? {
                    return Err(
                        self.refused(&format!("has values that are not finite in {}", listed(&names)))
                    );
                }
                values.push(value);
            }
        }
        if !missing.is_empty() {
            return Err(self.refused(&format!("lacks {}", listed(&missing))));
        }
        if !misshapen.is_empty() {
            let what = format!("does not have the shapes of its config.json: {}", listed(&misshapen));
            return Err(self.refused(&what));
        }
        let is_extra = |name: &&String| !used.contains(*name) && !self.is_harmless(name, other_heads);
        let extra: Vec<String> = self.weights.tensors.keys().filter(is_extra).cloned().collect();
        if !extra.is_empty() {
            return Err(self
                .refused(&format!("has tensors that its config.json does not ask for: {}", listed(&extra))));
        }
        for (parameter, value) in wanted().zip(values) {
            parameter.var.set(&value.to_device(parameter.var.device())?)?;
        }
        Ok(())
    }

    /// Whether a tensor outside the network may be ignored: copies of tied tensors, BERT's pooler and its
    /// next-sentence head, and with `other_heads` every head.
    fn is_harmless(&self, name: &str, other_heads: bool) -> bool {
        let body = ["embeddings.", "encoder.", "embeddings_project."];
        let in_body = |part: &str| name.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with(part));
        name == output_matrix(self.config.family)
            || name == DECODER_BIAS
            || name.starts_with("cls.seq_relationship.")
            || in_body("pooler.")
            || (other_heads && !body.into_iter().any(in_body))
    }

    /// Checks that the output matrix, if it is saved, equals the word table: ours are one tensor.
    fn check_tied(&self) -> Result<()> {
        let tensors = &self.weights.tensors;
        let word = tensors.get(&format!("{}{WORD_TABLE}", self.prefix));
        let name = output_matrix(self.config.family);
        if let (Some(word), Some(output)) = (word, tensors.get(name)) {
            let same =
                word.dims() == output.dims() && (word - output)?.abs()?.max_all()?.to_scalar::<f32>()? == 0.0;
            if !same {
                return Err(self
                    .refused(&format!("has a {name} that is not its word embeddings: they are tied here")));
            }
        }
        Ok(())
    }

    fn refused(&self, what: &str) -> Error {
        let hint = "give the folder of another checkpoint, or check that config.json and the weights belong together";
        Error::new(ErrorKind::Data, format!("{} {what}", self.folder.display()), hint)
    }
}

/// Whether no value is NaN or infinite. A sum is finite only if all are, and nearly always if so.
fn is_finite(tensor: &Tensor) -> Result<bool> {
    if tensor.sum_all()?.to_scalar::<f32>()?.is_finite() {
        return Ok(true);
    }
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.iter().all(|value| value.is_finite()))
}

/// The family that the names of the tensors are of.
fn family_of(weights: &Weights) -> Option<Family> {
    let has = |parts: &[&str]| {
        weights
            .tensors
            .keys()
            .any(|name| parts.iter().any(|part| name.starts_with(part) || name.contains(&format!(".{part}"))))
    };
    let electra =
        has(&["electra.", "embeddings_project.", "discriminator_predictions.", "generator_predictions."]);
    let bert = has(&["bert.", "cls.predictions."]);
    match (electra, bert) {
        (true, false) => Some(Family::Electra),
        (false, true) => Some(Family::Bert),
        _ => None,
    }
}

/// Drops what stands before the names of all tensors, such as the `module.` of a model that was trained on
/// several GPUs.
fn strip_common_prefix(weights: &mut Weights, known: [&str; 2]) {
    let name = weights.tensors.keys().find(|name| name.ends_with(WORD_TABLE));
    let prefix = name.and_then(|name| name.strip_suffix(WORD_TABLE)).unwrap_or_default();
    let prefix = prefix.strip_suffix(known[0]).unwrap_or(prefix).to_string();
    if prefix.ends_with('.') && weights.tensors.keys().all(|name| name.starts_with(&prefix)) {
        let tensors = std::mem::take(&mut weights.tensors);
        weights.tensors =
            tensors.into_iter().map(|(name, tensor)| (name[prefix.len()..].to_string(), tensor)).collect();
    }
}

/// Compares the sizes of config.json with the weights, before a network of these sizes takes memory.
///
/// # Errors
/// A size that differs, with both values; a tensor that tells a size is missing.
fn check_sizes(path: &Path, config: &Config, weights: &Weights, prefix: &str) -> Result<()> {
    let shape = &config.network.shape;
    let refused = |what: &str| {
        let what = format!("{} does not fit {}: {what}", path.display(), weights.path.display());
        Error::new(ErrorKind::Data, what, "give the config.json that came with the weights")
    };
    let (embedding, hidden) = match config.family {
        Family::Electra => ("embedding_size", "hidden_size"),
        Family::Bert => ("hidden_size", "hidden_size"),
    };
    let mut tables = vec![
        (WORD_TABLE, [("vocab_size", config.network.vocab), (embedding, shape.embedding)]),
        (
            "embeddings.position_embeddings.weight",
            [("max_position_embeddings", shape.positions), (embedding, shape.embedding)],
        ),
        (
            "embeddings.token_type_embeddings.weight",
            [("type_vocab_size", shape.types), (embedding, shape.embedding)],
        ),
        (
            "encoder.layer.0.intermediate.dense.weight",
            [("intermediate_size", shape.ffn), (hidden, shape.hidden)],
        ),
    ];
    if config.family == Family::Electra && shape.embedding != shape.hidden {
        let sizes = [("hidden_size", shape.hidden), ("embedding_size", shape.embedding)];
        tables.push(("embeddings_project.weight", sizes));
    }
    for (name, sizes) in tables {
        let name = format!("{prefix}{name}");
        let Some(tensor) = weights.tensors.get(&name) else {
            return Err(refused(&format!("the weights lack {name}")));
        };
        for (index, (key, size)) in sizes.into_iter().enumerate() {
            let found = tensor.dims().get(index).copied().unwrap_or_default();
            if found != size {
                return Err(refused(&format!("{key} is {size}, but {name} is {:?}", tensor.dims())));
            }
        }
    }
    let body = format!("{prefix}encoder.layer.");
    let layer = |name: &'_ String| Some(name.strip_prefix(&body)?.split('.').next()?.to_string());
    let n_layers = weights.tensors.keys().filter_map(layer).collect::<BTreeSet<String>>().len();
    if shape.layers > n_layers {
        return Err(refused(&format!(
            "num_hidden_layers is {}, but the weights have {n_layers}",
            shape.layers
        )));
    }
    let n_values: usize = weights.tensors.values().map(Tensor::elem_count).sum();
    let attention = 4 * (shape.hidden as u128).pow(2) * shape.layers as u128;
    if attention > n_values as u128 {
        let what = format!("its attention has {attention} parameters, but the weights have {n_values}");
        return Err(refused(&what));
    }
    Ok(())
}

/// The first names of a list, and the number of further ones.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::fixture::a_pair;
    use crate::checkpoint::names::split;
    use crate::model::EncoderNetwork;

    /// The folders of a tiny untrained pair: discriminator and generator.
    fn written() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let networks = a_pair(20);
        let folder = tempfile::tempdir().unwrap();
        let (main, generator) = (folder.path().join("d"), folder.path().join("g"));
        networks.main.write(&main, 0).unwrap();
        networks.generator.unwrap().write(&generator, 0).unwrap();
        (folder, main, generator)
    }

    /// Rewrites the weights of a folder, to break them.
    fn change(folder: &Path, change: impl FnOnce(&mut std::collections::HashMap<String, Tensor>)) {
        let path = folder.join("model.safetensors");
        let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        change(&mut tensors);
        candle_core::safetensors::save(&tensors, &path).unwrap();
    }

    fn zeros(shape: &[usize]) -> Tensor {
        Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap()
    }

    fn message(folder: &Path, of: &Path) -> String {
        let error =
            Published::open(folder).and_then(|opened| opened.discriminator(&Device::Cpu)).err().unwrap();
        error.message.replace(&of.display().to_string(), "DIR")
    }

    #[test]
    fn every_tensor_is_accounted_for() {
        let (folder, main, generator) = written();
        let root = folder.path();
        assert!(Published::open(&main).unwrap().discriminator(&Device::Cpu).is_ok());
        insta::assert_snapshot!(message(&generator, root), @r#"DIR/g holds no discriminator: it has no discriminator_predictions"#);
        change(&main, |tensors| {
            tensors.insert("electra.pooler.dense.weight".into(), zeros(&[8, 8]));
        });
        assert!(Published::open(&main).unwrap().discriminator(&Device::Cpu).is_ok(), "a pooler is harmless");
        change(&main, |tensors| {
            tensors.insert("electra.encoder.layer.1.output.dense.bias".into(), zeros(&[8]));
        });
        insta::assert_snapshot!(message(&main, root), @r#"DIR/d has tensors that its config.json does not ask for: electra.encoder.layer.1.output.dense.bias"#);
        change(&main, |tensors| {
            tensors.insert("electra.embeddings_project.bias".into(), zeros(&[9]));
        });
        insta::assert_snapshot!(message(&main, root), @r#"DIR/d does not have the shapes of its config.json: electra.embeddings_project.bias is [9], not [8]"#);
        change(&main, |tensors| tensors.retain(|name, _| !name.contains("attention.self")));
        insta::assert_snapshot!(message(&main, root), @r#"DIR/d lacks electra.encoder.layer.0.attention.self.query.weight, electra.encoder.layer.0.attention.self.key.weight, electra.encoder.layer.0.attention.self.value.weight, electra.encoder.layer.0.attention.self.query.bias and 2 more"#);
        change(&main, |tensors| tensors.retain(|name, _| !name.contains("embeddings")));
        insta::assert_snapshot!(message(&main, root), @r#"DIR/d/model.safetensors has no tensor embeddings.word_embeddings.weight"#);
    }

    #[test]
    fn an_encoder_is_read_with_any_head() {
        let (_folder, main, generator) = written();
        for folder in [main, generator] {
            let published = Published::open(&folder).unwrap();
            let mut parameters = Parameters::new(0, &Device::Cpu);
            encoder(&mut parameters.builder(), &published.config.network).unwrap();
            published.load_encoder(&parameters).unwrap();
        }
    }

    fn values(parameters: &Parameters) -> Vec<(String, Vec<f32>)> {
        let of = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
        parameters.iter().map(|parameter| (parameter.name.clone(), of(&parameter.var))).collect()
    }

    #[test]
    fn the_wanted_head_is_read_where_there_is_one() {
        use PretrainingHead::{Discriminator, MaskedLm};
        let (_folder, main, generator) = written();
        let heads = |folder: &Path, head| {
            let parameters = Published::open(folder).unwrap().parameters(head).unwrap();
            assert!(values(&parameters).iter().flat_map(|(_, values)| values).all(|value| value.is_finite()));
            let mut parts: Vec<String> =
                parameters.iter().map(|parameter| parameter.name.split('.').next().unwrap().into()).collect();
            parts.dedup();
            parts.join(" ")
        };
        assert_eq!(heads(&main, Discriminator), "embeddings encoder discriminator_head");
        assert_eq!(heads(&main, MaskedLm), "embeddings encoder");
        assert_eq!(heads(&generator, MaskedLm), "embeddings encoder mlm_head");
        assert_eq!(heads(&generator, Discriminator), "embeddings encoder");
    }

    /// BERT's names, its pooler and its copies of tied tensors.
    #[test]
    fn bert_is_read_with_its_head() {
        let mut parameters = Parameters::new(3, &Device::Cpu);
        let model =
            crate::experiment::ModelSpec { embedding: Some(8), ..crate::checkpoint::fixture::a_model() };
        crate::model::MaskedLm::new(&mut parameters, &EncoderNetwork::of_spec(&model, 20)).unwrap();
        let mut tensors = std::collections::HashMap::new();
        for parameter in parameters.iter() {
            let names = published_names(&parameter.name, Family::Bert, "bert.").unwrap();
            tensors.extend(names.into_iter().zip(split(&parameter.name, &parameter.var).unwrap()));
        }
        tensors.insert("bert.pooler.dense.weight".into(), zeros(&[8, 8]));
        tensors.insert("cls.predictions.decoder.bias".into(), zeros(&[20]));
        let folder = tempfile::tempdir().unwrap();
        candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
        let config = r#"{"model_type": "bert", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 16}"#;
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let published = Published::open(folder.path()).unwrap();
        assert_eq!(values(&published.parameters(PretrainingHead::MaskedLm).unwrap()), values(&parameters));
        // The output's bias under its other name alone.
        change(folder.path(), |tensors| {
            let bias = tensors.remove("cls.predictions.bias").unwrap();
            tensors.insert("cls.predictions.decoder.bias".into(), (bias + 0.5).unwrap());
        });
        let other = Published::open(folder.path()).unwrap().parameters(PretrainingHead::MaskedLm).unwrap();
        let bias = other.iter().find(|parameter| parameter.name == "mlm_head.bias").unwrap();
        assert_eq!(bias.var.to_vec1::<f32>().unwrap(), [0.5; 20]);
        let encoder = values(&published.parameters(PretrainingHead::Discriminator).unwrap());
        assert_eq!(encoder, values(&parameters)[..encoder.len()]);
        assert!(!encoder.iter().any(|(name, _)| name.contains("head")));
    }

    #[test]
    fn an_untied_output_matrix_is_an_error() {
        let (_folder, _, generator) = written();
        assert!(Published::open(&generator).unwrap().masked_lm(&Device::Cpu).is_ok());
        change(&generator, |tensors| {
            let word = tensors["electra.embeddings.word_embeddings.weight"].clone();
            tensors.insert("generator_lm_head.weight".into(), word);
        });
        assert!(Published::open(&generator).unwrap().masked_lm(&Device::Cpu).is_ok());
        change(&generator, |tensors| {
            tensors.insert("generator_lm_head.weight".into(), zeros(&[20, 4]));
        });
        let error = Published::open(&generator).unwrap().masked_lm(&Device::Cpu).err().unwrap();
        assert!(
            error.message.contains("generator_lm_head.weight that is not its word embeddings"),
            "{error}"
        );
    }

    /// Replaces fields of a folder's config.json; null removes one.
    fn configure(folder: &Path, fields: serde_json::Value) {
        let path = folder.join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (key, value) in fields.as_object().unwrap() {
            match value.is_null() {
                true => drop(config.as_object_mut().unwrap().remove(key)),
                false => config[key] = value.clone(),
            }
        }
        std::fs::write(path, config.to_string()).unwrap();
    }

    /// Sizes that would take more memory than any machine has.
    #[test]
    fn sizes_that_the_weights_do_not_have_are_refused_first() {
        let (folder, main, _) = written();
        let whole = std::fs::read(main.join("config.json")).unwrap();
        for (key, expected) in [
            (
                "vocab_size",
                "vocab_size is 16777216, but electra.embeddings.word_embeddings.weight is [20, 4]",
            ),
            (
                "embedding_size",
                "embedding_size is 16777216, but electra.embeddings.word_embeddings.weight is [20, 4]",
            ),
            (
                "max_position_embeddings",
                "max_position_embeddings is 16777216, but electra.embeddings.position_embeddings.weight is [16, 4]",
            ),
            (
                "hidden_size",
                "hidden_size is 16777216, but electra.encoder.layer.0.intermediate.dense.weight is [32, 8]",
            ),
            ("num_hidden_layers", "num_hidden_layers is 16777216, but the weights have 1"),
        ] {
            configure(&main, serde_json::json!({ key: 1 << 24 }));
            let error = message(&main, folder.path());
            assert_eq!(error, format!("DIR/d/config.json does not fit DIR/d/model.safetensors: {expected}"));
            std::fs::write(main.join("config.json"), &whole).unwrap();
        }
        // A wide network whose weights have a single wide tensor.
        change(&main, |tensors| {
            tensors.insert("electra.encoder.layer.0.intermediate.dense.weight".into(), zeros(&[32, 1 << 16]));
            tensors.insert("electra.embeddings_project.weight".into(), zeros(&[1 << 16, 4]));
        });
        configure(&main, serde_json::json!({ "hidden_size": 1 << 16 }));
        let error = message(&main, folder.path());
        assert!(error.contains("its attention has 17179869184 parameters"), "{error}");
    }

    #[test]
    fn a_prefix_of_every_name_is_dropped() {
        let (folder, main, _) = written();
        let rename = |from: &'static str, to: &'static str| {
            change(&main, |tensors| {
                let renamed = std::mem::take(tensors).into_iter();
                tensors.extend(renamed.map(|(name, tensor)| {
                    let rest = name.strip_prefix(from).unwrap_or(&name);
                    (format!("{to}{rest}"), tensor)
                }));
            });
        };
        let logits = || {
            let opened = Published::open(&main).unwrap();
            opened.weights_hash().unwrap()
        };
        let plain = logits();
        rename("", "module.");
        assert_eq!(logits(), plain);
        rename("module.", "model.discriminator.");
        assert_eq!(logits(), plain);
        // One of two networks in a file: which one is meant is not known.
        change(&main, |tensors| {
            let word = tensors["model.discriminator.electra.embeddings.word_embeddings.weight"].clone();
            tensors.insert("model.generator.electra.embeddings.word_embeddings.weight".into(), word);
        });
        assert!(message(&main, folder.path()).contains("has no tensor embeddings.word_embeddings.weight"));
    }

    #[test]
    fn weights_that_are_not_finite_are_refused_by_name() {
        let (folder, main, _) = written();
        for value in [f32::NAN, f32::INFINITY] {
            change(&main, |tensors| {
                let bias =
                    Tensor::from_slice(&[0.0, value, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 8, &Device::Cpu).unwrap();
                tensors.insert("electra.encoder.layer.0.output.dense.bias".into(), bias);
            });
            assert_eq!(
                message(&main, folder.path()),
                "DIR/d has values that are not finite in electra.encoder.layer.0.output.dense.bias"
            );
        }
    }

    /// The first archives of BERT and ELECTRA have no model_type; their names tell.
    #[test]
    fn the_names_of_the_tensors_stand_for_a_missing_model_type() {
        let (folder, main, _) = written();
        configure(&main, serde_json::json!({ "model_type": null, "architectures": null }));
        assert_eq!(Published::open(&main).unwrap().config.family, Family::Electra);
        change(&main, |tensors| {
            tensors.insert("bert.pooler.dense.bias".into(), zeros(&[8]));
        });
        assert!(message(&main, folder.path()).contains("model_type is missing"));
    }

    /// No damage makes the reader panic, or take memory for sizes that the weights do not have.
    #[test]
    fn a_damaged_checkpoint_is_an_error_or_another_network() {
        let (_folder, main, _) = written();
        let mut stream = crate::rng::Stream::new(3, crate::rng::Purpose::Test, 6, 0);
        let mut n_read = 0;
        for round in 0..300 {
            let path = main.join(if round % 2 == 0 { "config.json" } else { "model.safetensors" });
            let whole = std::fs::read(&path).unwrap();
            let mut bytes = whole.clone();
            for _ in 0..=stream.below(2) {
                // The header of the weights is in their first bytes.
                let at = stream.below(bytes.len().min(3000));
                match stream.below(3) {
                    0 => bytes[at] = b"0\"{}[],:-9anu"[stream.below(13)],
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b'9'),
                }
            }
            std::fs::write(&path, bytes).unwrap();
            let network = Published::open(&main).and_then(|opened| opened.discriminator(&Device::Cpu));
            n_read += u32::from(network.is_ok());
            std::fs::write(&path, whole).unwrap();
        }
        assert!((5..295).contains(&n_read), "{n_read}");
    }

    #[test]
    fn weights_of_other_programs_are_named() {
        let (folder, main, _) = written();
        std::fs::remove_file(main.join("model.safetensors")).unwrap();
        for (name, expected) in [
            ("tf_model.h5", "tf_model.h5, TensorFlow weights"),
            ("model.ckpt-1000000.index", "model.ckpt-1000000.index, a TensorFlow checkpoint"),
            ("adapter_model.safetensors", "adapter_model.safetensors, an adapter without its model"),
        ] {
            std::fs::write(main.join(name), "x").unwrap();
            let error = message(&main, folder.path());
            assert!(error.ends_with(&format!("no pytorch_model.bin; it has {expected}")), "{error}");
            std::fs::remove_file(main.join(name)).unwrap();
        }
    }

    #[test]
    fn git_lfs_pointers_are_called_so() {
        let (folder, main, _) = written();
        let pointer = crate::formats::git_lfs::tests::POINTER;
        for name in ["config.json", "model.safetensors", "pytorch_model.bin"] {
            std::fs::write(main.join(name), pointer).unwrap();
            let error = message(&main, folder.path());
            assert!(error.starts_with(&format!("DIR/d/{name} is a Git LFS pointer")), "{error}");
            match name {
                "config.json" => written_config(&main),
                _ => std::fs::remove_file(main.join(name)).unwrap(),
            }
        }
    }

    fn written_config(folder: &Path) {
        let networks = a_pair(20);
        networks.main.write(folder, 0).unwrap();
    }

    #[test]
    fn errors_name_the_damaged_file() {
        let (folder, main, _) = written();
        let weights = main.join("model.safetensors");
        let bytes = std::fs::read(&weights).unwrap();
        std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
        assert!(
            message(&main, folder.path()).starts_with("cannot read the weights DIR/d/model.safetensors: ")
        );
        std::fs::remove_file(&weights).unwrap();
        std::fs::write(main.join("pytorch_model.bin"), b"no archive").unwrap();
        assert!(
            message(&main, folder.path()).starts_with("cannot read the weights DIR/d/pytorch_model.bin: ")
        );
        let index = r#"{"weight_map": {"a": "../d/pytorch_model.bin"}}"#;
        std::fs::write(main.join("model.safetensors.index.json"), index).unwrap();
        assert!(message(&main, folder.path()).contains("which is not a file beside it"));
        std::fs::remove_file(main.join("model.safetensors.index.json")).unwrap();
        std::fs::remove_file(main.join("pytorch_model.bin")).unwrap();
        assert_eq!(
            message(&main, folder.path()),
            "DIR/d has no weights: no model.safetensors, no pytorch_model.bin"
        );
        std::fs::write(main.join("config.json"), "{").unwrap();
        assert!(
            message(&main, folder.path()).starts_with("DIR/d/config.json is not a model's configuration: ")
        );
        std::fs::remove_file(main.join("config.json")).unwrap();
        assert!(
            message(&main, folder.path())
                .starts_with("cannot read the model's configuration DIR/d/config.json")
        );
    }
}
