//! Losses computed by hand, gradients by finite differences, and all pairs at once compared with single
//! pairs.

use super::*;
use crate::nn::Parameters;
use crate::ops::testing::tensor;

const HIDDEN: usize = 3;

fn input(n_query: usize, n_context: usize, span: (usize, usize), is_impossible: bool) -> WindowInput {
    let mut token_type_ids = vec![0; n_query + 2];
    token_type_ids.resize(token_type_ids.len() + n_context + 1, 1);
    let input_ids = vec![7; token_type_ids.len()];
    WindowInput { input_ids, token_type_ids, start: span.0, end: span.1, is_impossible }
}

/// Two windows, of seven and eight tokens.
fn inputs() -> [WindowInput; 2] {
    [input(1, 3, (3, 4), false), input(2, 3, (0, 0), true)]
}

fn layout(allowed: AllowedTokens) -> BatchLayout {
    let inputs = inputs();
    BatchLayout::new(&[&inputs[0], &inputs[1]], allowed, &Device::Cpu).unwrap()
}

fn paper(weight: Option<f64>) -> (PaperHead, Parameters) {
    let mut parameters = Parameters::new(1, &Device::Cpu);
    let head = PaperHead::new(parameters.builder(), HIDDEN, weight).unwrap();
    (head, parameters)
}

/// Hidden states of n tokens, `[n, HIDDEN]`.
fn hidden(n: usize) -> Tensor {
    tensor(&[n, HIDDEN], 5)
}

fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
    tensor.to_vec2().unwrap()
}

fn number(tensor: &Tensor) -> f64 {
    f64::from(tensor.to_scalar::<f32>().unwrap())
}

#[test]
fn a_layout_by_hand() {
    let mask = |allowed: AllowedTokens| {
        let rows = rows(&layout(allowed).mask).into_iter();
        rows.map(|row| row.iter().map(|&value| if value == 0.0 { '1' } else { '.' }).collect::<String>())
            .collect::<Vec<String>>()
    };
    // [CLS] q [SEP] c c c [SEP], then [CLS] q q [SEP] c c c [SEP].
    assert_eq!(mask(AllowedTokens::Context), ["1..1111........", ".......1...1111"]);
    assert_eq!(mask(AllowedTokens::Window), ["1111111........", ".......11111111"]);
    let layout = layout(AllowedTokens::Context);
    assert_eq!(layout.offsets, [0, 7, 15]);
    assert_eq!((layout.starts.to_vec(), layout.ends.to_vec()), (vec![3, 7], vec![4, 7]));
    assert_eq!(layout.is_impossible.to_vec(), [0.0, 1.0]);
}

/// The start and end logits are the first and second numbers of a hidden state.
#[test]
fn the_simple_heads_loss_by_hand() {
    let mut parameters = Parameters::new(1, &Device::Cpu);
    let head = SimpleHead::new(parameters.builder(), HIDDEN).unwrap();
    let weight = parameters.iter().next().unwrap();
    let pick = Tensor::new(&[[1f32, 0.0, 0.0], [0.0, 1.0, 0.0]], &Device::Cpu).unwrap();
    weight.var.set(&pick).unwrap();
    let hidden = hidden(15);
    let loss = number(&head.loss(&hidden, &layout(AllowedTokens::Window)).unwrap());
    let values = rows(&hidden);
    let negative_log = |window: std::ops::Range<usize>, target: usize, column: usize| {
        let logit = |token: usize| f64::from(values[token][column]);
        window.map(|token| logit(token).exp()).sum::<f64>().ln() - logit(target)
    };
    let parts = [
        negative_log(0..7, 3, 0),
        negative_log(7..15, 7, 0),
        negative_log(0..7, 4, 1),
        negative_log(7..15, 7, 1),
    ];
    assert!((loss - parts.iter().sum::<f64>() / 4.0).abs() < 1e-6, "{loss} {parts:?}");
}

/// With weights of zero, all allowed tokens have the same probability: the loss is ln 5 for windows of
/// `[CLS]`, three context tokens and `[SEP]`, and ln 2 for the classifier.
#[test]
fn the_papers_loss_by_hand() {
    let loss = |weight| {
        let (head, parameters) = paper(weight);
        for parameter in parameters.iter() {
            parameter.var.set(&parameter.var.zeros_like().unwrap()).unwrap();
        }
        number(&head.loss(&hidden(15), &layout(AllowedTokens::Context)).unwrap())
    };
    assert!((loss(None) - 5f64.ln()).abs() < 1e-6);
    assert!((loss(Some(0.5)) - (5f64.ln() + 0.5 * 2f64.ln())).abs() < 1e-6);
}

/// The loss of a batch is the mean of the losses of its windows alone.
#[test]
fn windows_do_not_see_each_other() {
    let (head, _) = paper(Some(0.5));
    let (both, inputs) = (hidden(15), inputs());
    let alone = |index: usize, from: usize, n: usize| {
        let layout = BatchLayout::new(&[&inputs[index]], AllowedTokens::Context, &Device::Cpu).unwrap();
        number(&head.loss(&both.narrow(0, from, n).unwrap(), &layout).unwrap())
    };
    let together = number(&head.loss(&both, &layout(AllowedTokens::Context)).unwrap());
    assert!((together - (alone(0, 0, 7) + alone(1, 7, 8)) / 2.0).abs() < 1e-6);
}

/// Compares with the end's network on every pair of start and token, as the released code computes it.
#[test]
fn all_pairs_at_once_equal_single_pairs() {
    let (head, _) = paper(None);
    let hidden = hidden(6);
    let starts = [4u32, 1];
    let all = rows(&head.end_logits(&hidden, &starts).unwrap());
    for (k, &start) in starts.iter().enumerate() {
        for (t, from_all) in all[k].iter().enumerate() {
            let pair = [hidden.narrow(0, start as usize, 1).unwrap(), hidden.narrow(0, t, 1).unwrap()];
            let inner = gelu(&head.end_inner.forward(&Tensor::cat(&pair, 1).unwrap()).unwrap()).unwrap();
            let logit = rows(&head.end.forward(&inner).unwrap())[0][0];
            assert!((from_all - logit).abs() < 1e-5, "{k} {t}: {from_all} {logit}");
        }
    }
}

/// In training the end is predicted from the gold start: its loss is that of the row of this start.
#[test]
fn training_uses_the_gold_start() {
    let (head, _) = paper(None);
    let one = &inputs()[0];
    let layout = BatchLayout::new(&[one], AllowedTokens::Context, &Device::Cpu).unwrap();
    let hidden = hidden(7);
    let logits = rows(&head.end_logits(&hidden, &[one.start as u32]).unwrap()).remove(0);
    let negative_log = |logits: &[f32], target: usize| {
        let allowed = AllowedTokens::Context.tokens(one).zip(logits).filter(|(allowed, _)| *allowed);
        allowed.map(|(_, &logit)| f64::from(logit).exp()).sum::<f64>().ln() - f64::from(logits[target])
    };
    let starts: Vec<f32> = rows(&head.start_logits(&hidden).unwrap()).concat();
    let expected = (negative_log(&starts, one.start) + negative_log(&logits, one.end)) / 2.0;
    let loss = number(&head.loss(&hidden, &layout).unwrap());
    assert!((loss - expected).abs() < 1e-5, "{loss} {expected}");
}

/// Compares with central differences of the loss in f64, for some elements of every parameter and of the
/// hidden states.
#[test]
fn gradients_are_finite_differences() {
    use candle_core::{DType, Var};
    let (_, parameters) = paper(Some(0.5));
    let double = |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap();
    let mut vars: Vec<Var> = parameters
        .iter()
        .enumerate()
        // Biases are zero at first; they are changed so that no symmetry hides an error.
        .map(|(i, parameter)| {
            double(&parameter.var) + double(&tensor(parameter.var.dims(), 50 + i as u64)) * 0.1
        })
        .map(|moved| Var::from_tensor(&moved.unwrap()).unwrap())
        .collect();
    vars.push(Var::from_tensor(&double(&hidden(15))).unwrap());
    let mut layout = layout(AllowedTokens::Context);
    layout.mask = double(&layout.mask);
    let loss = |values: &[Tensor]| {
        let [start, start_b, inner, inner_b, end, end_b, c_inner, c_inner_b, c, c_b, hidden] = values else {
            panic!("eleven tensors")
        };
        let dense = |weight: &Tensor, bias: &Tensor| Linear {
            weight: weight.clone(),
            bias: bias.clone(),
            precision: crate::precision::Precision::F32,
        };
        let classifier =
            AnswerabilityClassifier { inner: dense(c_inner, c_inner_b), output: dense(c, c_b), weight: 0.5 };
        let head = PaperHead {
            start: dense(start, start_b),
            end_inner: dense(inner, inner_b),
            end: dense(end, end_b),
            classifier: Some(classifier),
        };
        head.loss(hidden, &layout).unwrap()
    };
    let values: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let grads = loss(&values).backward().unwrap();
    for (i, var) in vars.iter().enumerate() {
        let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let (gradient, base) = (flat(grads.get(var).unwrap()), flat(var));
        for element in (0..base.len()).step_by((base.len() / 5).max(1)) {
            let at = |delta: f64| {
                let mut moved = base.clone();
                moved[element] += delta;
                let mut all = values.clone();
                all[i] = Tensor::from_vec(moved, var.dims(), &Device::Cpu).unwrap();
                loss(&all).to_scalar::<f64>().unwrap()
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            let error = (difference - gradient[element]).abs();
            assert!(error < 1e-7, "tensor {i}[{element}]: {difference} against {}", gradient[element]);
        }
    }
}
