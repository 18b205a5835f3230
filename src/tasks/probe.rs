//! The frozen probe: a linear classifier on features of an encoder that is not trained further.
//!
//! The features of an example are hidden states without dropout: of each layer the `[CLS]` vector and the
//! mean over all tokens (`[CLS]` and `[SEP]` among them). They are standardised by the training examples.
//! Layer 0 is the input of the first layer, as in transformers' `hidden_states`. Must never: train the
//! encoder, or draw a random number. Next: `logistic.rs` fits the classifier.

use candle_core::{Device, Tensor};

use super::classifier_measure::measure_of_predictions;
use super::encode::EncodedExample;
use super::finetune::Pretrained;
use super::logistic::{Features, LinearModel, Targets, standardise};
use super::metrics::compute_metric;
use super::table::{LabelKind, TaskInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::ProbeSpec;
use crate::model::{encoder, is_encoder_parameter};
use crate::nn::{Encoder, Mode, Parameters};
use crate::objective::tokens;
use crate::records::Measure;
use crate::text::Batch;

/// Examples per batch.
const BATCH: usize = 64;

/// The most memory that features may take, in bytes.
const MAX_BYTES: usize = 8 << 30;

/// A probe of one classification task.
pub struct Probing<'a> {
    /// The pre-trained encoder.
    pub pretrained: &'a Pretrained<'a>,
    /// The number of training examples and the penalty.
    pub spec: &'a ProbeSpec,
    /// The task.
    pub task: TaskInfo,
    /// Whether its examples are from the built-in language.
    pub synthetic: bool,
    /// Examples to train on; the first `max_train_examples` are used.
    pub train: &'a [EncodedExample],
    /// Examples to score on.
    pub validation: &'a [EncodedExample],
    /// The device to compute the hidden states on.
    pub device: &'a Device,
    /// Fails if the run must stop.
    pub stop: &'a dyn Fn() -> Result<()>,
}

/// The features of one layer, a row of `hidden` numbers per example each.
#[derive(Default)]
struct LayerFeatures {
    cls: Vec<f32>,
    mean: Vec<f32>,
}

impl Probing<'_> {
    /// The measure `probe.<task>`: the task's metric × 100 of a classifier on `[CLS]` and the mean of the
    /// last layer together. Its further values are the scores of every layer, `layer<k>.cls` and
    /// `layer<k>.mean`.
    ///
    /// # Errors
    /// The task has no classes, there are too many examples for the memory, hidden states are not finite, or
    /// the classifier does not converge.
    pub fn run(&self) -> Result<Measure> {
        let LabelKind::Classes(classes) = self.task.labels else {
            return Err(Error::internal(format!("{} has no classes to probe", self.task.name)));
        };
        let train =
            self.train.get(..self.spec.max_train_examples.unwrap_or(usize::MAX)).unwrap_or(self.train);
        self.check_size(train.len())?;
        let layers = self.features(train)?;
        let labels: Vec<usize> = train.iter().map(|example| example.label as usize).collect();
        let targets = Targets::Classes { labels: &labels, n_classes: classes.len() };
        let gold: Vec<f64> = self.validation.iter().map(|example| f64::from(example.label)).collect();
        let mut others = Vec::new();
        for (layer, LayerFeatures { cls, mean }) in layers.iter().enumerate() {
            for (name, part) in [("cls", cls), ("mean", mean)] {
                let predictions = self.predictions(&[part], &targets)?;
                let value = compute_metric(self.task.metric, &predictions, &gold);
                others.extend(value.map(|value| (format!("layer{layer}.{name}"), 100.0 * value)));
            }
        }
        let Some(LayerFeatures { cls, mean }) = layers.last() else {
            return Err(Error::internal("the encoder has no hidden states"));
        };
        let predictions = self.predictions(&[cls, mean], &targets)?;
        Ok(Measure {
            name: format!("probe.{}", self.task.name),
            synthetic: self.synthetic,
            others: others.into_iter().collect(),
            ..measure_of_predictions(&self.task, &predictions, train, self.validation)
        })
    }

    fn check_size(&self, n_train: usize) -> Result<()> {
        let shape = &self.pretrained.network.shape;
        let n = n_train + self.validation.len();
        let bytes = 2 * n * (shape.layers + 1) * shape.hidden * size_of::<f32>();
        if bytes <= MAX_BYTES {
            return Ok(());
        }
        let gib = |bytes: usize| bytes >> 30;
        let what = format!(
            "a probe of {n} examples of {} needs {} GiB for its features, more than {}",
            self.task.name,
            gib(bytes),
            gib(MAX_BYTES)
        );
        Err(Error::new(ErrorKind::Data, what, "set evaluate.probe.max_train_examples, such as 10000"))
    }

    /// The features of every layer for the training and then the validation examples.
    fn features(&self, train: &[EncodedExample]) -> Result<Vec<LayerFeatures>> {
        let network = &self.pretrained.network;
        let mut parameters = Parameters::expecting(0, self.device, is_encoder_parameter);
        let (_, encoder) = encoder(&mut parameters.builder(), network)?;
        (self.pretrained.load)(&parameters)?;
        let mut layers: Vec<LayerFeatures> =
            (0..=network.shape.layers).map(|_| LayerFeatures::default()).collect();
        for chunk in train.chunks(BATCH).chain(self.validation.chunks(BATCH)) {
            (self.stop)()?;
            add_features(&encoder, chunk, &mut layers)?;
        }
        let is_finite = |layer: &LayerFeatures| layer.mean.iter().all(|x| x.is_finite());
        match layers.iter().position(|layer| !is_finite(layer)) {
            None => Ok(layers),
            Some(layer) => {
                let what = format!(
                    "hidden states of layer {layer} are not finite in the probe of {}",
                    self.task.name
                );
                Err(Error::new(ErrorKind::Training, what, "lower train.learning_rate"))
            }
        }
    }

    /// The predictions for the validation examples by a classifier on `parts`, side by side, which hold a row
    /// per training and then per validation example.
    fn predictions(&self, parts: &[&Vec<f32>], targets: &Targets) -> Result<Vec<f64>> {
        (self.stop)()?;
        let hidden = self.pretrained.network.shape.hidden;
        let (width, n) = (parts.len() * hidden, parts.first().map_or(0, |part| part.len() / hidden));
        let n_train = n - self.validation.len();
        let mut values = Vec::with_capacity(n * width);
        for row in 0..n {
            for part in parts {
                let row = part.get(row * hidden..(row + 1) * hidden).unwrap_or_default();
                values.extend(row.iter().copied().map(f64::from));
            }
        }
        standardise(&mut values, width, n_train);
        let validation = Features::Dense { values: values.split_off(n_train * width), width };
        let model = LinearModel::fit(&Features::Dense { values, width }, targets, self.spec.penalty)?;
        Ok(model.predict(&validation))
    }
}

/// Appends the features of some examples to those of every layer.
fn add_features(encoder: &Encoder, examples: &[EncodedExample], layers: &mut [LayerFeatures]) -> Result<()> {
    let mut batch = Batch::new();
    for example in examples {
        batch.push(&example.input_ids, &example.token_type_ids);
    }
    let states = encoder.hidden_states(&tokens(&batch, batch.input_ids.clone()), Mode::evaluate())?;
    for (layer, state) in layers.iter_mut().zip(&states) {
        let (_, hidden) = state.dims2()?;
        let values = flat(state)?;
        for ends in batch.offsets.windows(2) {
            let [start, end] = [ends[0], ends[1]].map(|offset| offset * hidden);
            let rows = values.get(start..end).unwrap_or_default();
            layer.cls.extend(rows.iter().take(hidden));
            layer.mean.extend(mean_of_rows(rows, hidden));
        }
    }
    Ok(())
}

fn flat(state: &Tensor) -> Result<Vec<f32>> {
    Ok(state.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?)
}

fn mean_of_rows(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; width];
    for row in rows.chunks(width) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let n = (rows.len() / width.max(1)) as f64;
    sums.into_iter().map(|sum| (sum / n) as f32).collect()
}

#[cfg(test)]
mod tests;
