//! Fine-tunes a pre-trained encoder on SQuAD with one seed, and answers every validation question.
//!
//! Next: `tasks/steps.rs` has the loop, `run/evaluate/squad.rs` saves the answers.

use candle_core::Device;

use super::data::SquadExample;
use super::decode::{DecodedAnswer, WindowPrediction, decode};
use super::features::{TokenizedQuestion, WindowInput};
use super::reader::Reader;
use crate::error::Result;
use crate::experiment::{FinetuneSpec, SquadSpec, TaskName};
use crate::model::is_encoder_parameter;
use crate::nn::Parameters;
use crate::tasks::finetune::Pretrained;
use crate::tasks::steps::{TrainingSteps, limit_examples, n_steps, run_seed};
use crate::tasks::unfinished::Unfinished;
use crate::text::SpecialIds;

/// Windows per batch of prediction.
const PREDICTION_BATCH: usize = 16;

/// One fine-tuning run.
pub struct SquadFinetuning<'a> {
    /// The trial's seed.
    pub seed: u64,
    /// The number of the run of this task.
    pub finetune_seed: u64,
    /// The pre-trained encoder.
    pub pretrained: &'a Pretrained<'a>,
    /// Learning rate, decay, batch size, warm-up.
    pub recipe: &'a FinetuneSpec,
    /// Windows, head, epochs, rules of decoding.
    pub spec: &'a SquadSpec,
    /// SQuAD 1.1 or 2.0.
    pub task: TaskName,
    /// Ids of `[CLS]` and `[SEP]`.
    pub special: SpecialIds,
    /// Questions to train on.
    pub train: &'a [TokenizedQuestion],
    /// Questions to answer.
    pub validation: &'a [TokenizedQuestion],
    /// The same questions with their texts.
    pub validation_texts: &'a [SquadExample],
    /// The device to compute on.
    pub device: &'a Device,
    /// Fails if the run must stop.
    pub stop: &'a dyn Fn() -> Result<()>,
    /// Where the state is kept while the run is not finished.
    pub unfinished: &'a Unfinished,
}

/// The result of a fine-tuning run.
pub struct SquadFinetuned {
    /// The answer to every validation question, in order.
    pub answers: Vec<DecodedAnswer>,
    /// The fine-tuned encoder and its head.
    pub parameters: Parameters,
    /// Number of training questions.
    pub n_train: usize,
    /// Number of their windows.
    pub n_windows: usize,
    /// Number of optimizer steps.
    pub steps: u64,
}

impl SquadFinetuning<'_> {
    /// Trains, then answers every validation question.
    pub fn run(&self) -> Result<SquadFinetuned> {
        let seed = run_seed(self.seed, self.task, self.finetune_seed);
        let questions = limit_examples(self.train, self.spec.max_train_examples, seed);
        let windows: Vec<(&TokenizedQuestion, usize)> = questions
            .iter()
            .flat_map(|question| (0..question.n_windows()).map(move |window| (*question, window)))
            .collect();
        let mut parameters = Parameters::expecting(seed, self.device, is_encoder_parameter);
        let reader = Reader::new(&mut parameters, &self.pretrained.network, self.task, self.spec)?;
        (self.pretrained.load)(&parameters)?;
        let steps = n_steps(windows.len(), self.recipe.batch, self.spec.epochs);
        let training = TrainingSteps {
            seed,
            recipe: self.recipe,
            task: self.task,
            n_examples: windows.len(),
            n_steps: steps,
            stop: self.stop,
            unfinished: self.unfinished,
        };
        training.run(&parameters, &|batch, mode| {
            let chosen = batch.iter().filter_map(|&index| windows.get(index));
            let inputs: Vec<WindowInput> =
                chosen.map(|(question, window)| question.input(*window, self.special)).collect();
            reader.loss(&inputs.iter().collect::<Vec<_>>(), mode)
        })?;
        let answers = self.unfinished.or_save(self.answer(&reader), &parameters, steps)?;
        Ok(SquadFinetuned { answers, parameters, n_train: questions.len(), n_windows: windows.len(), steps })
    }

    fn answer(&self, reader: &Reader) -> Result<Vec<DecodedAnswer>> {
        let inputs = self.validation.iter().flat_map(|question| {
            (0..question.n_windows()).map(move |window| question.input(window, self.special))
        });
        let inputs: Vec<WindowInput> = inputs.collect();
        let mut windows: Vec<WindowPrediction> = Vec::with_capacity(inputs.len());
        for chunk in inputs.chunks(PREDICTION_BATCH) {
            (self.stop)()?;
            windows.extend(reader.answers(&chunk.iter().collect::<Vec<_>>())?);
        }
        let mut rest = windows.as_slice();
        let mut answers = Vec::with_capacity(self.validation.len());
        for (question, text) in self.validation.iter().zip(self.validation_texts) {
            let (own, after) = rest.split_at(question.n_windows().min(rest.len()));
            answers.push(decode(question, &text.context, own, self.spec));
            rest = after;
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{DataSpec, EvaluateSpec, ModelSpec, SquadHead, TaskSource};
    use crate::hub::DataEnv;
    use crate::model::EncoderNetwork;
    use crate::records::Silent;
    use crate::tasks::fixture::{load_encoder, random_encoder};
    use crate::tasks::squad::data::open_squad;
    use crate::tasks::squad::features::tokenize_questions;
    use crate::text::open_tokenizer;

    #[test]
    fn steps_cover_the_epochs() {
        let spec = SquadSpec::default();
        assert_eq!(n_steps(131_958, FinetuneSpec::default().batch, spec.epochs), 8247);
        assert_eq!(n_steps(5, FinetuneSpec::default().batch, spec.epochs), 1);
    }

    /// With random weights: every question is answered, with a score of no answer for SQuAD 2.0, and equally
    /// in every run with the same seed.
    #[test]
    fn every_question_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let env = DataEnv::at(folder.path());
        let data = DataSpec::default();
        let tokenizer = open_tokenizer(&data, &env, &Silent).unwrap();
        let model = ModelSpec { layers: Some(1), hidden: Some(8), embedding: Some(8), ..Default::default() };
        let network = EncoderNetwork::of_spec(&model, tokenizer.vocab_size());
        let random = random_encoder(&network);
        let load = |parameters: &Parameters| load_encoder(parameters, &random);
        let source = TaskSource::Language { train_examples: 10, validation_examples: 12 };
        for (task, head) in [(TaskName::Squad2, SquadHead::Paper), (TaskName::Squad, SquadHead::Simple)] {
            let squad =
                SquadSpec { head, seq_len: 40, stride: 8, max_train_examples: Some(4), ..Default::default() };
            let evaluate = EvaluateSpec { source: source.clone(), squad, ..Default::default() };
            let opened = open_squad(&evaluate, task, &data, &env).unwrap();
            let tokens = |questions| tokenize_questions(questions, &tokenizer, &evaluate.squad).unwrap();
            let run = || {
                SquadFinetuning {
                    seed: 1,
                    finetune_seed: 1,
                    pretrained: &Pretrained { network, load: &load },
                    recipe: &evaluate.finetune,
                    spec: &evaluate.squad,
                    task,
                    special: tokenizer.special(),
                    train: &tokens(&opened.train),
                    validation: &tokens(&opened.validation),
                    validation_texts: &opened.validation,
                    device: &Device::Cpu,
                    stop: &|| Ok(()),
                    unfinished: &Unfinished::new(folder.path().join("unfinished"), String::new()),
                }
                .run()
                .unwrap()
            };
            let (first, again) = (run(), run());
            assert_eq!((first.answers.len(), first.n_train), (12, 4));
            assert!(first.n_windows >= 4);
            assert_eq!(first.answers, again.answers);
            for (answered, question) in first.answers.iter().zip(&opened.validation) {
                assert!(question.context.contains(answered.text()));
                assert_eq!(answered.no_answer.is_some(), task == TaskName::Squad2);
            }
        }
    }
}
