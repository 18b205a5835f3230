//! The encoder with a head that predicts spans: the loss to train with, and the span candidates of each
//! window.
//!
//! Next: `head.rs` has the heads, `decode.rs` combines the candidates.

use candle_core::{Device, Tensor};

use super::decode::{NullScore, SpanCandidate, WindowPrediction};
use super::features::WindowInput;
use super::head::{AllowedTokens, BatchLayout, PaperHead, SimpleHead};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{SquadHead, SquadSpec, TaskName};
use crate::model::{EncoderNetwork, encoder};
use crate::nn::{Encoder, Mode, Parameters};
use crate::objective::tokens;
use crate::text::Batch;

/// Encoder and head.
pub struct Reader {
    encoder: Encoder,
    head: SpanHead,
    /// Number of starts and ends that become candidates.
    beam: usize,
    /// Whether questions without an answer are possible: only in SQuAD 2.0.
    may_be_impossible: bool,
}

enum SpanHead {
    Paper(PaperHead),
    Simple(SimpleHead),
}

impl Reader {
    /// Adds all parameters to `parameters`. The paper's classifier of questions without an answer exists only
    /// for SQuAD 2.0; the released code also trains it on 1.1, with one class, and does not use it.
    pub fn new(
        parameters: &mut Parameters,
        network: &EncoderNetwork,
        task: TaskName,
        spec: &SquadSpec,
    ) -> Result<Self> {
        let mut builder = parameters.builder();
        let (_, encoder) = encoder(&mut builder, network)?;
        let mut top = builder.at_depth(network.shape.layers + 1);
        let (part, hidden) = (top.within("task_head"), network.shape.hidden);
        let may_be_impossible = task == TaskName::Squad2;
        let (head, beam) = match spec.head {
            SquadHead::Paper => {
                let weight = may_be_impossible.then_some(spec.answerable_weight);
                (SpanHead::Paper(PaperHead::new(part, hidden, weight)?), spec.beam)
            }
            SquadHead::Simple => (SpanHead::Simple(SimpleHead::new(part, hidden)?), spec.n_best),
        };
        Ok(Self { encoder, head, beam, may_be_impossible })
    }

    /// Mean loss of windows.
    pub fn loss(&self, inputs: &[&WindowInput], mode: Mode) -> Result<Tensor> {
        let (hidden, layout) = self.encode(inputs, mode)?;
        match &self.head {
            SpanHead::Paper(head) => head.loss(&hidden, &layout),
            SpanHead::Simple(head) => head.loss(&hidden, &layout),
        }
    }

    /// The span candidates of each window, in order.
    ///
    /// # Errors
    /// A score is not finite: training diverged.
    pub fn answers(&self, inputs: &[&WindowInput]) -> Result<Vec<WindowPrediction>> {
        let (hidden, layout) = self.encode(inputs, Mode::evaluate())?;
        match &self.head {
            SpanHead::Paper(head) => self.paper_answers(head, &hidden, &layout, inputs),
            SpanHead::Simple(head) => self.simple_answers(head, &hidden, &layout),
        }
    }

    fn encode(&self, inputs: &[&WindowInput], mode: Mode) -> Result<(Tensor, BatchLayout)> {
        let mut batch = Batch::new();
        for input in inputs {
            batch.push(&input.input_ids, &input.token_type_ids);
        }
        let hidden = self.encoder.forward(&tokens(&batch, batch.input_ids.clone()), mode)?;
        let allowed = match self.head {
            SpanHead::Paper(_) => AllowedTokens::Context,
            SpanHead::Simple(_) => AllowedTokens::Window,
        };
        let layout = BatchLayout::new(inputs, allowed, hidden.device())?;
        Ok((hidden, layout))
    }

    fn paper_answers(
        &self,
        head: &PaperHead,
        hidden: &Tensor,
        layout: &BatchLayout,
        inputs: &[&WindowInput],
    ) -> Result<Vec<WindowPrediction>> {
        let start_logits = head.start_logits(hidden)?;
        let nulls = match head.null_logits(hidden, &start_logits, layout)? {
            Some(logits) => {
                finite_numbers(&logits)?.into_iter().map(|logit| Some(NullScore::Classifier(logit))).collect()
            }
            None => vec![None; inputs.len()],
        };
        let starts = finite_numbers(&start_logits)?;
        let mut all = Vec::with_capacity(inputs.len());
        for ((input, null), part) in inputs.iter().zip(nulls).zip(layout.offsets.windows(2)) {
            let [from, to] = *part else { continue };
            let allowed: Vec<bool> = AllowedTokens::Context.tokens(input).collect();
            let start_scores = log_softmax(starts.get(from..to).unwrap_or_default(), &allowed);
            let beam = largest(&start_scores, self.beam);
            let positions: Vec<u32> = beam.iter().map(|&(position, _)| position as u32).collect();
            let ends = head.end_logits(&hidden.narrow(0, from, to - from)?, &positions)?;
            let ends = finite_numbers(&ends)?;
            let mut candidates = Vec::with_capacity(beam.len() * self.beam);
            for (&(start, start_score), logits) in beam.iter().zip(ends.chunks_exact(to - from)) {
                let best = largest(&log_softmax(logits, &allowed), self.beam).into_iter();
                candidates.extend(best.map(|(end, end_score)| SpanCandidate {
                    start,
                    end,
                    start_score,
                    end_score,
                }));
            }
            all.push(WindowPrediction { candidates, null });
        }
        Ok(all)
    }

    fn simple_answers(
        &self,
        head: &SimpleHead,
        hidden: &Tensor,
        layout: &BatchLayout,
    ) -> Result<Vec<WindowPrediction>> {
        let [starts, ends] = head.logits(hidden)?;
        let (starts, ends) = (finite_numbers(&starts)?, finite_numbers(&ends)?);
        let mut all = Vec::with_capacity(layout.offsets.len());
        for part in layout.offsets.windows(2) {
            let [from, to] = *part else { continue };
            let of = |logits: &[f32]| logits.get(from..to).map(<[f32]>::to_vec).unwrap_or_default();
            let (starts, ends) = (of(&starts), of(&ends));
            let first = starts.first().zip(ends.first()).map(|(start, end)| start + end);
            let null = first.filter(|_| self.may_be_impossible).map(NullScore::ClsSpan);
            let best_ends = largest(&ends, self.beam);
            let mut candidates = Vec::with_capacity(self.beam * self.beam);
            for (start, start_score) in largest(&starts, self.beam) {
                let each = best_ends.iter();
                candidates.extend(each.map(|&(end, end_score)| SpanCandidate {
                    start,
                    end,
                    start_score,
                    end_score,
                }));
            }
            all.push(WindowPrediction { candidates, null });
        }
        Ok(all)
    }
}

/// All numbers of a tensor; an error if one is not finite.
fn finite_numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    let numbers: Vec<f32> = tensor.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
    if numbers.iter().all(|number| number.is_finite()) {
        return Ok(numbers);
    }
    let what = "fine-tuning on SQuAD diverged: its outputs are not finite";
    Err(Error::new(ErrorKind::Training, what, "lower evaluate.finetune.learning_rate"))
}

/// Log probabilities over the allowed tokens; minus infinity for the others.
fn log_softmax(logits: &[f32], allowed: &[bool]) -> Vec<f32> {
    let of_allowed = || logits.iter().zip(allowed).filter(|(_, allowed)| **allowed).map(|(logit, _)| *logit);
    let most = of_allowed().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = of_allowed().map(|logit| f64::from(logit - most).exp()).sum();
    let log_sum = f64::from(most) + sum.ln();
    let each = logits.iter().zip(allowed);
    each.map(
        |(&logit, &allowed)| if allowed { (f64::from(logit) - log_sum) as f32 } else { f32::NEG_INFINITY },
    )
    .collect()
}

/// The `n` largest finite scores with their positions, the largest first; equal ones in the order of
/// positions.
fn largest(scores: &[f32], n: usize) -> Vec<(usize, f32)> {
    let mut all: Vec<(usize, f32)> =
        scores.iter().copied().enumerate().filter(|(_, score)| score.is_finite()).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(n);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::fixture::a_model;

    fn reader(task: TaskName, head: SquadHead) -> (Reader, Parameters) {
        let mut parameters = Parameters::new(1, &Device::Cpu);
        let spec = SquadSpec { head, beam: 3, n_best: 2, ..Default::default() };
        let network = EncoderNetwork::of_spec(&a_model(), 20);
        let reader = Reader::new(&mut parameters, &network, task, &spec).unwrap();
        (reader, parameters)
    }

    /// `[CLS]` q `[SEP]` three context tokens `[SEP]`, with and without an answer.
    fn inputs() -> [WindowInput; 2] {
        let answered = WindowInput {
            input_ids: vec![2, 9, 3, 5, 6, 7, 3],
            token_type_ids: vec![0, 0, 0, 1, 1, 1, 1],
            start: 4,
            end: 5,
            is_impossible: false,
        };
        let unanswered = WindowInput {
            input_ids: vec![2, 8, 3, 5, 6, 9, 3],
            start: 0,
            end: 0,
            is_impossible: true,
            ..answered.clone()
        };
        [answered, unanswered]
    }

    #[test]
    fn parameters_of_the_heads() {
        let names = |task, head| {
            let (_, parameters) = reader(task, head);
            let of_head = parameters.iter().filter_map(|parameter| {
                let name = parameter.name.strip_prefix("task_head.")?;
                Some(format!("{name} {:?}", parameter.var.dims()))
            });
            of_head.collect::<Vec<_>>()
        };
        let spans = [
            "start.weight [1, 8]",
            "start.bias [1]",
            "end_inner.weight [512, 16]",
            "end_inner.bias [512]",
            "end.weight [1, 512]",
            "end.bias [1]",
        ];
        let classifier = [
            "answerable_inner.weight [512, 16]",
            "answerable_inner.bias [512]",
            "answerable.weight [1, 512]",
            "answerable.bias [1]",
        ];
        assert_eq!(names(TaskName::Squad2, SquadHead::Paper), [&spans[..], &classifier].concat());
        assert_eq!(names(TaskName::Squad, SquadHead::Paper), spans);
        let simple = ["qa_outputs.weight [2, 8]", "qa_outputs.bias [2]"];
        assert_eq!(names(TaskName::Squad2, SquadHead::Simple), simple);
    }

    /// Except biases before a softmax, which shift all logits equally: their gradient is zero apart from
    /// rounding.
    #[test]
    fn every_parameter_gets_a_gradient() {
        for (task, head) in [
            (TaskName::Squad2, SquadHead::Paper),
            (TaskName::Squad, SquadHead::Paper),
            (TaskName::Squad2, SquadHead::Simple),
        ] {
            let (reader, parameters) = reader(task, head);
            let [answered, unanswered] = inputs();
            let loss = reader.loss(&[&answered, &unanswered], Mode::train(1, 1)).unwrap();
            let grads = parameters.gradients(&loss);
            for parameter in parameters.iter() {
                let name = parameter.name.as_str();
                let grad = grads.get(&parameter.name).unwrap_or_else(|| panic!("{name} has none"));
                let largest = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                let shifts_all = ["start.bias", "end.bias", "qa_outputs.bias"]
                    .iter()
                    .any(|bias| name == format!("task_head.{bias}"));
                assert!(shifts_all || largest > 0.0, "{name} has a zero gradient");
            }
        }
    }

    #[test]
    fn candidates_have_allowed_tokens_only() {
        let [first, second] = inputs();
        let (paper, _) = reader(TaskName::Squad2, SquadHead::Paper);
        let answers = paper.answers(&[&first, &second]).unwrap();
        assert_eq!(answers[0].candidates.len(), 9, "three starts with three ends each");
        assert!(
            answers[0]
                .candidates
                .iter()
                .all(|one| ![1, 2].contains(&one.start) && ![1, 2].contains(&one.end))
        );
        assert!(matches!(answers[1].null, Some(NullScore::Classifier(_))));
        // The candidates of a window do not depend on other windows of the batch.
        let alone = paper.answers(&[&second]).unwrap();
        let close = |a: &SpanCandidate, b: &SpanCandidate| {
            (a.start, a.end) == (b.start, b.end) && (a.start_score - b.start_score).abs() < 1e-5
        };
        assert!(alone[0].candidates.iter().zip(&answers[1].candidates).all(|(a, b)| close(a, b)));
        let (simple, _) = reader(TaskName::Squad, SquadHead::Simple);
        let answers = simple.answers(&[&first]).unwrap();
        assert_eq!((answers[0].candidates.len(), answers[0].null), (4, None));
    }

    #[test]
    fn log_probabilities_of_the_allowed_by_hand() {
        let logs = log_softmax(&[0.0, 5.0, 2f32.ln(), 900.0], &[true, false, true, false]);
        assert!((logs[0] - (1f32 / 3.0).ln()).abs() < 1e-6 && (logs[2] - (2f32 / 3.0).ln()).abs() < 1e-6);
        assert_eq!((logs[1], logs[3]), (f32::NEG_INFINITY, f32::NEG_INFINITY));
        assert_eq!(largest(&logs, 9).len(), 2);
        assert_eq!(largest(&[1.0, 3.0, 3.0, 2.0], 3), [(1, 3.0), (2, 3.0), (3, 2.0)]);
    }
}
