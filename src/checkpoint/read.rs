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
use crate::model::{Discriminator, MaskedLm, is_encoder_parameter};
use crate::nn::Parameters;

/// Largest number of names in one message.
const SHOWN: usize = 4;

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
    pub fn open(folder: &Path) -> Result<Self> {
        let config = Config::read(&folder.join("config.json"))?;
        let weights = Weights::read(folder)?;
        let known = match config.family {
            Family::Electra => ["electra.", ""],
            Family::Bert => ["bert.", ""],
        };
        let has_words = |prefix: &&str| {
            weights.tensors.contains_key(&format!("{prefix}embeddings.word_embeddings.weight"))
        };
        let prefix = known.into_iter().find(has_words).ok_or_else(|| {
            let what = format!("{} has no tensor embeddings.word_embeddings.weight", weights.path.display());
            Error::new(ErrorKind::Data, what, "check that config.json and the weights belong together")
        })?;
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
        self.fill(&parameters, false)?;
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
        self.fill(&parameters, false)?;
        Ok(network)
    }

    /// Loads the encoder's parameters, whichever heads the checkpoint has.
    pub fn load_encoder(&self, parameters: &Parameters) -> Result<()> {
        self.fill(parameters, true)
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

    /// Loads the published tensors into `parameters`, after all of them were checked. With `encoder_only`
    /// other parameters and the tensors of heads are ignored.
    fn fill(&self, parameters: &Parameters, encoder_only: bool) -> Result<()> {
        let (mut used, mut missing, mut misshapen) = (BTreeSet::new(), Vec::new(), Vec::new());
        let mut values: Vec<Tensor> = Vec::new();
        let wanted = || parameters.iter().filter(|p| !encoder_only || is_encoder_parameter(&p.name));
        for parameter in wanted() {
            let name = &parameter.name;
            let names =
                published_names(name, self.config.family, self.prefix).unwrap_or_else(|| vec![name.clone()]);
            let expected = part_shape(name, parameter.var.dims());
            let mut found = Vec::new();
            for part in names {
                match self.weights.tensors.get(&part) {
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
                values.push(join(name, &found)?);
            }
        }
        if !missing.is_empty() {
            return Err(self.refused(&format!("lacks {}", listed(&missing))));
        }
        if !misshapen.is_empty() {
            let what = format!("does not have the shapes of its config.json: {}", listed(&misshapen));
            return Err(self.refused(&what));
        }
        let is_extra = |name: &&String| !used.contains(*name) && !self.is_harmless(name, encoder_only);
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
            || name == "cls.predictions.decoder.bias"
            || name.starts_with("cls.seq_relationship.")
            || in_body("pooler.")
            || (other_heads && !body.into_iter().any(in_body))
    }

    /// Checks that the output matrix, if it is saved, equals the word table: ours are one tensor.
    fn check_tied(&self) -> Result<()> {
        let tensors = &self.weights.tensors;
        let word = tensors.get(&format!("{}embeddings.word_embeddings.weight", self.prefix));
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
    use crate::model::encoder;

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
