//! The published checkpoints that pre-training starts from (`base.init`): compared with the trial before
//! anything runs, loaded before the first step.
//!
//! Must never: leave a part of a checkpoint out without saying so; `trial.json` names the parts that were
//! loaded. Next: `checkpoint/read.rs` reads them, `model/sharing.rs` knows what the networks share.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::published_model::PublishedModel;
use crate::checkpoint::{PretrainingHead, Published};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, EncoderShape, MainTask, PublishedSpec, TrialSpec};
use crate::hub::DataEnv;
use crate::model::generator_name;
use crate::objective::Objective;
use crate::records::WeightsProvenance;
use crate::text::{TOKENIZER_FILE, Tokenizer};

/// The opened checkpoints of a trial, each with its key in `base.init`.
pub type InitModels<'m> = [(&'static str, &'m PublishedModel)];

/// The key of the generator's checkpoint.
const GENERATOR: &str = "generator";

/// The weights that take the place of random initial values, by the names that they have in the trial.
#[derive(Debug, Default)]
pub struct InitialWeights {
    tensors: BTreeMap<String, Tensor>,
    sources: BTreeMap<String, WeightsProvenance>,
    /// What a reader should know, in words.
    pub notes: Vec<String>,
}

impl InitialWeights {
    /// Opens the checkpoints of a trial, compares them with it and reads them. Without `base.init` there is
    /// nothing to read.
    ///
    /// # Errors
    /// Those of `open_checkpoint`, `check_shapes`, `check_tokenizers` and [`InitialWeights::read`].
    pub fn open(spec: &TrialSpec, tokenizer: &Tokenizer, env: &DataEnv) -> Result<Self> {
        let opened = spec.init.checkpoints().map(|(key, of)| Ok((key, open_checkpoint(key, of, env)?)));
        let opened = opened.collect::<Result<Vec<_>>>()?;
        let models: Vec<_> = opened.iter().map(|(key, model)| (*key, model)).collect();
        check_shapes(spec, &models)?;
        check_tokenizers(spec, &models, tokenizer)?;
        Self::read(spec, &models)
    }

    /// Reads the weights of a trial's checkpoints, the discriminator's first.
    ///
    /// # Errors
    /// A tensor is missing, misshapen or unknown.
    pub fn read(spec: &TrialSpec, models: &InitModels) -> Result<Self> {
        let mut weights = Self::default();
        for &(key, model) in models {
            let published = model.read()?;
            if key == GENERATOR {
                let rename = |name: &str| generator_name(name, spec.model.sharing);
                weights.add(key, model, &published, PretrainingHead::MaskedLm, rename)?;
            } else {
                weights.add(key, model, &published, main_head(spec), |name| name.into())?;
            }
        }
        Ok(weights)
    }

    /// Adds the parameters of a checkpoint, each under the name that it has in the trial. What both networks
    /// share exists once, and an earlier checkpoint keeps it.
    fn add(
        &mut self,
        key: &str,
        model: &PublishedModel,
        published: &Published,
        head: PretrainingHead,
        rename: impl Fn(&str) -> String,
    ) -> Result<()> {
        let (mut loaded, mut differs) = (Vec::new(), false);
        for parameter in published.parameters(head)?.iter() {
            let name = rename(&parameter.name);
            let tensor = parameter.var.as_detached_tensor();
            if let Some(earlier) = self.tensors.get(&name) {
                differs = differs || !is_equal(earlier, &tensor)?;
                continue;
            }
            let part = part(&name);
            if !loaded.contains(&part) {
                loaded.push(part);
            }
            self.tensors.insert(name, tensor);
        }
        if differs {
            self.notes.push(format!(
                "base.init.{key}: what {} shares with the discriminator (model.sharing) has other values in the \
                 discriminator's checkpoint, which are taken",
                model.spec().model
            ));
        }
        self.sources.insert(key.into(), model.weights(published, loaded)?);
        Ok(())
    }

    /// What `trial.json` records of each checkpoint, by its key.
    pub fn provenance(&self) -> BTreeMap<String, WeightsProvenance> {
        self.sources.clone()
    }

    /// Overwrites the initial values of a trial's networks. Parameters that no checkpoint has keep theirs.
    ///
    /// # Errors
    /// The trial has no parameter of a name, or one of another shape.
    pub fn load(&self, objective: &dyn Objective) -> Result<()> {
        let parameters = objective.parameters();
        let is_known = |name: &String| parameters.iter().any(|parameter| parameter.name == *name);
        if let Some(name) = self.tensors.keys().find(|name| !is_known(name)) {
            return Err(Error::internal(format!("the trial's networks have no place for `{name}`")));
        }
        parameters.load(|name| self.tensors.contains_key(name), |name| self.tensors.get(name).cloned())
    }
}

/// The head that the encoder that is fine-tuned is trained with.
fn main_head(spec: &TrialSpec) -> PretrainingHead {
    match spec.objective.main_task() {
        MainTask::Detect => PretrainingHead::Discriminator,
        MainTask::Unmask
        | MainTask::UnmaskAndDetect
        | MainTask::Restore
        | MainTask::RestoreAll
        | MainTask::Correct => PretrainingHead::MaskedLm,
    }
}

/// The part of the networks that a parameter belongs to: `encoder`, `generator.mlm_head`.
fn part(name: &str) -> String {
    let n_words = if name.starts_with("generator.") { 2 } else { 1 };
    name.split('.').take(n_words).collect::<Vec<_>>().join(".")
}

fn is_equal(one: &Tensor, other: &Tensor) -> Result<bool> {
    Ok(one.dims() == other.dims() && (one - other)?.abs()?.max_all()?.to_scalar::<f32>()? == 0.0)
}

/// Finds a checkpoint, reads it and drops its weights. Errors name its key.
pub fn open_checkpoint(key: &str, published: &PublishedSpec, env: &DataEnv) -> Result<PublishedModel> {
    PublishedModel::open(published, env).map_err(|error| {
        let message = format!("base.init.{key} = {}: {}", published.model, error.message);
        Error { message, ..error }
    })
}

/// Compares the shapes of a trial's checkpoints with those of its networks.
///
/// # Errors
/// Lists every size that differs, and the keys of `base.model` that would make them agree.
pub fn check_shapes(spec: &TrialSpec, models: &InitModels) -> Result<()> {
    let networks =
        |key: &str| if key == GENERATOR { spec.model.generator() } else { spec.model.discriminator() };
    let mut mismatches = Vec::new();
    for (key, model) in models {
        let differing = differing_sizes(&networks(key), &model.network.shape);
        if !differing.is_empty() {
            let (name, sizes) = (&model.spec().model, differing.join("; "));
            mismatches.push(format!("base.init.{key} = {name} has another shape than base.model: {sizes}"));
        }
    }
    if mismatches.is_empty() {
        return Ok(());
    }
    let shape = |is_generator: bool| {
        let found = models.iter().find(|(key, _)| (*key == GENERATOR) == is_generator);
        found.map(|(_, model)| model.network.shape)
    };
    let (main, generator) = (shape(false), shape(true));
    let fitted = spec.model.fitted(main, generator);
    let fits = main.is_none_or(|shape| shape == fitted.discriminator())
        && generator.is_none_or(|shape| shape == fitted.generator());
    let hint = match fits {
        true => format!("set {}", spec.model.changes(&fitted).join(", ")),
        false => "use other checkpoints: base.model has no key for type_vocab_size and layer_norm_eps, and a generator's heads \
                  and ffn follow from model.heads, model.ffn and model.generator_ratio"
            .into(),
    };
    Err(Error::new(ErrorKind::Spec, mismatches.join("; "), hint))
}

/// The sizes in which a checkpoint differs from the trial's network, each with both values.
fn differing_sizes(own: &EncoderShape, theirs: &EncoderShape) -> Vec<String> {
    let sizes = [
        ("hidden", own.hidden, theirs.hidden),
        ("layers", own.layers, theirs.layers),
        ("heads", own.heads, theirs.heads),
        ("ffn", own.ffn, theirs.ffn),
        ("embedding", own.embedding, theirs.embedding),
        ("positions", own.positions, theirs.positions),
        ("type_vocab_size", own.types, theirs.types),
    ];
    let differing = sizes.into_iter().filter(|(_, own, theirs)| own != theirs);
    let mut words: Vec<String> =
        differing.map(|(name, own, theirs)| format!("{name} is {theirs}, not {own}")).collect();
    let (own, theirs) = (own.norm_epsilon, theirs.norm_epsilon);
    if own != theirs {
        words.push(format!("layer_norm_eps is {theirs:e}, not {own:e}"));
    }
    words
}

/// Compares the tokenizers and vocabularies of a trial's checkpoints with the trial's tokenizer. A checkpoint
/// without tokenizer files is held to the size of its word table alone.
///
/// # Errors
/// Text would become other ids than the checkpoint was trained with, or ids without a row.
pub fn check_tokenizers(spec: &TrialSpec, models: &InitModels, tokenizer: &Tokenizer) -> Result<()> {
    let trials = format!("the tokenizer {} of this trial", spec.data.tokenizer_name());
    let described = |tokenizer: &Tokenizer| {
        let hash = tokenizer.hash().get(..12).unwrap_or_default();
        format!("{} tokens, hash {hash}", tokenizer.vocab_size())
    };
    for (key, model) in models {
        let checkpoint = format!("base.init.{key} = {}", model.spec().model);
        if let Some(own) = model.own_tokenizer()
            && !own.reads_like(tokenizer)?
        {
            let (theirs, ours) = (described(own), described(tokenizer));
            let what =
                format!("{checkpoint} was trained with another tokenizer ({theirs}) than {trials} ({ours})");
            return Err(Error::new(ErrorKind::Spec, what, tokenizer_hint(&spec.data, model)));
        }
        let (rows, size) = (model.network.vocab, tokenizer.vocab_size());
        if rows != size {
            let what =
                format!("{checkpoint} has {rows} rows in its word table, and {trials} has {size} tokens");
            let hint = "set base.data.tokenizer to the tokenizer that the checkpoint was trained with; its word table must \
                        have one row for each token";
            return Err(Error::new(ErrorKind::Spec, what, hint));
        }
    }
    Ok(())
}

/// How to read text with the tokenizer of a checkpoint.
fn tokenizer_hint(data: &DataSpec, model: &PublishedModel) -> String {
    let PublishedSpec { model: name, revision } = model.spec();
    let has_json = model.folder.join(TOKENIZER_FILE).is_file();
    let theirs = if model.is_local() || !has_json {
        let file = if has_json { TOKENIZER_FILE } else { "vocab.txt" };
        format!("{{ kind: file, path: {} }}", model.folder.join(file).display())
    } else if revision == "main" {
        format!("{{ kind: hub, repo: {name} }}")
    } else {
        format!("{{ kind: hub, repo: {name}, revision: {revision} }}")
    };
    match data.tokenizer() {
        Some(_) => format!("set base.data.tokenizer to {theirs}"),
        None => format!(
            "the built-in language has a vocabulary of its own: set base.data to other text, such as {{ kind: files, \
             paths: [text/*.txt], tokenizer: {theirs} }}"
        ),
    }
}

#[cfg(test)]
mod tests;
