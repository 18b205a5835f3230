//! Sequence contrastive learning: telling texts apart by their `[CLS]` vectors (COCO-LM §4.2).
//!
//! Every text of a batch has two views: the corrupted text, and a crop of the original. A crop keeps `[CLS]`,
//! the last `[SEP]` and a contiguous run of the tokens between them. The loss pulls a view towards the other
//! view of its text, by cosine, and away from the views of the other texts. Must never: know what else the
//! encoder learns. Next: `coco_lm.rs`.

use candle_core::{D, Tensor};

use super::step::StepContext;
use crate::error::Result;
use crate::experiment::cropped;
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::sampling::most_probable;
use crate::rng::{Purpose, Stream};
use crate::text::Batch;

/// A similarity whose exponential is zero, so that no view is compared with itself.
const SELF_SIMILARITY: f32 = -1e9;
/// Added to the squared length of a vector, so that the direction of a zero vector is zero and has a
/// gradient.
const LENGTH_EPSILON: f64 = 1e-24;

/// Appends to `views` a crop of every sequence of `batch` that keeps `share` of its tokens. The crop depends
/// on (seed, step, sequence) alone.
pub fn push_crops(views: &mut Batch, batch: &Batch, share: f64, context: StepContext) {
    for (sequence, bounds) in batch.offsets.windows(2).enumerate() {
        let (start, end) = (bounds[0], bounds[1]);
        let length = end - start;
        let removed = length - cropped(length, share);
        let mut stream = Stream::new(context.seed, Purpose::Crop, context.sampling_step(), sequence as u64);
        // Tokens are removed before and behind the run, but never the first and the last token.
        let before = stream.below(removed + 1);
        let behind = removed - before;
        let kept = |i: &usize| {
            removed == 0 || *i == 0 || (1 + before..length - 1 - behind).contains(i) || *i == length - 1
        };
        let cropped_values = |values: &[u32]| -> Vec<u32> {
            (0..length).filter(kept).filter_map(|i| values.get(start + i).copied()).collect()
        };
        views.push(&cropped_values(&batch.input_ids), &cropped_values(&batch.token_type_ids));
    }
}

/// Loss and accuracy of 2·B views.
pub struct Contrast {
    /// Scalar: mean over the views of -log of the share that the other view of the same text has in the sum
    /// of exp(cosine / temperature) over all other views.
    pub loss: Tensor,
    /// Number of views whose nearest other view belongs to the same text.
    pub hits: usize,
}

/// Contrasts vectors [2·B, H]. Rows b and B + b are the two views of one text.
pub fn contrast(vectors: &Tensor, temperature: f64) -> Result<Contrast> {
    let (n, _) = vectors.dims2()?;
    let lengths = (vectors.sqr()?.sum_keepdim(D::Minus1)? + LENGTH_EPSILON)?.sqrt()?;
    let directions = vectors.broadcast_div(&lengths)?;
    let cosines = directions.matmul(&directions.t()?)?;
    let diagonal: Vec<f32> =
        (0..n * n).map(|i| if i % (n + 1) == 0 { SELF_SIMILARITY } else { 0.0 }).collect();
    let diagonal = Tensor::from_vec(diagonal, (n, n), vectors.device())?.to_dtype(vectors.dtype())?;
    let similarities = ((cosines / temperature)? + diagonal)?;
    let others: Vec<u32> = (0..n).map(|view| ((view + n / 2) % n) as u32).collect();
    let nearest = most_probable(&similarities)?;
    let hits = nearest.iter().zip(&others).filter(|(nearest, other)| nearest == other).count();
    Ok(Contrast { loss: cross_entropy(&similarities, &others.into())?, hits })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::ops::testing;

    const CONTEXT: StepContext = StepContext { seed: 3, step: 7, training: true, trace: false };

    /// Cosines: a·b 0, a·a' 3/5, a·b' -1, b·a' 4/5, b·b' 0, a'·b' -3/5, whatever the lengths of the vectors.
    /// There is one row per view: the cosine with its partner, then those with the two others.
    #[test]
    fn a_contrast_by_hand() {
        let vectors =
            Tensor::new(&[[2f32, 0.0], [0.0, 0.1], [30.0, 40.0], [-7.0, 0.0]], &Device::Cpu).unwrap();
        let rows = [[0.6, 0.0, -1.0], [0.0, 0.0, 0.8], [0.6, 0.8, -0.6], [0.0, -1.0, -0.6]];
        for temperature in [1.0, 0.5] {
            let loss_of = |row: &[f64; 3]| {
                let terms = row.map(|cosine| (cosine / temperature).exp());
                -(terms[0] / terms.iter().sum::<f64>()).ln()
            };
            let expected = rows.iter().map(loss_of).sum::<f64>() / 4.0;
            let found = contrast(&vectors, temperature).unwrap();
            let loss = f64::from(found.loss.to_scalar::<f32>().unwrap());
            assert!((loss - expected).abs() < 1e-6, "{loss} against {expected}");
            // The nearest views: a' to a, a' to b, b to a', and b to b'.
            assert_eq!(found.hits, 2);
        }
    }

    /// Two texts whose views agree and are perpendicular to each other: ln((e + 2) / e) = ln(1 + 2/e).
    #[test]
    fn views_that_agree() {
        let vectors = Tensor::new(&[[1f32, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 4.0]], &Device::Cpu).unwrap();
        let Contrast { loss, hits } = contrast(&vectors, 1.0).unwrap();
        assert!((loss.to_scalar::<f32>().unwrap() - 0.551_445).abs() < 1e-6);
        assert_eq!(hits, 4);
    }

    #[test]
    fn gradients_by_finite_differences() {
        let loss = |t: &[Tensor]| {
            contrast(&t[0], 0.7).map(|it| it.loss).map_err(|e| candle_core::Error::msg(e.message))
        };
        testing::compare(&[testing::tensor(&[6, 5], 1)], loss, loss);
    }

    #[test]
    fn one_text_of_zero_vectors_has_a_finite_loss_and_gradient() {
        let vectors = candle_core::Var::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let loss = contrast(&vectors, 1.0).unwrap().loss;
        assert_eq!(loss.to_scalar::<f32>().unwrap(), 0.0);
        let gradient = loss.backward().unwrap().get(&vectors).unwrap().to_vec2::<f32>().unwrap();
        assert!(gradient.iter().flatten().all(|value| *value == 0.0), "{gradient:?}");
    }

    #[test]
    fn crops_are_contiguous_and_keep_the_ends() {
        let mut batch = Batch::new();
        let ids: Vec<u32> = [2].into_iter().chain(10..30).chain([3]).collect();
        for _ in 0..2 {
            batch.push(&ids, &[vec![0; 12], vec![1; 10]].concat());
        }
        batch.push(&[2, 9, 3], &[0; 3]);
        batch.push(&[2, 3], &[0; 2]);
        let crops = |step| {
            let mut views = Batch::new();
            push_crops(&mut views, &batch, 0.9, StepContext { step, ..CONTEXT });
            views
        };
        assert_eq!(crops(1), crops(1));
        let mut starts = std::collections::BTreeSet::new();
        for step in 0..60 {
            let views = crops(step);
            assert_eq!(views.lengths(), [20, 20, 3, 2]);
            let first = &views.input_ids[..20];
            assert_eq!((first[0], first[19]), (2, 3));
            assert!(first[1..19].windows(2).all(|pair| pair[1] == pair[0] + 1), "{first:?}");
            // Each token keeps its type: id 21 is the first one of segment 1.
            assert!(
                (1..19).all(|i| views.token_type_ids[i] == u32::from(first[i] >= 21)),
                "{:?}",
                views.token_type_ids
            );
            starts.insert((first[1], views.input_ids[21]));
        }
        assert_eq!(starts.len(), 9, "three crops of each of the two sequences, independently");
        let held_out = {
            let mut views = Batch::new();
            push_crops(&mut views, &batch, 0.9, StepContext { training: false, ..CONTEXT });
            views
        };
        assert_eq!(held_out.n_sequences(), 4);
    }
}
