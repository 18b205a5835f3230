//! Number of parameters that pre-training updates, from shapes alone.
//!
//! The output matrix of a masked-language-model head is the word table, so it is counted once. A test
//! compares the count with the parameters of real models. Must never: make a tensor.

use crate::experiment::{EncoderShape, MainTask, Sharing, TrialSpec};

/// Number of parameters that pre-training updates.
pub fn n_parameters(spec: &TrialSpec, vocab: usize) -> u64 {
    let full = spec.model.discriminator();
    let embeddings = embeddings(&full, vocab);
    let head = match spec.objective.main_task() {
        MainTask::Unmask | MainTask::UnmaskAndDetect | MainTask::Restore => masked_lm_head(&full, vocab),
        MainTask::RestoreAll | MainTask::Correct => masked_lm_head(&full, vocab) + full.hidden + 1,
        MainTask::Detect => discriminator_head(&full),
    };
    let generator = if spec.objective.has_generator() {
        let small = spec.model.generator();
        let layers = match spec.objective.has_two_towers() {
            false => encoder(&small),
            true => 2 * encoder(&small),
        };
        let own = match spec.model.sharing {
            // A table of differences is as large as the table.
            Sharing::None | Sharing::Gdes => embeddings + layers,
            Sharing::Embeddings => layers,
            Sharing::All => 0,
        };
        own + match spec.objective.has_two_towers() {
            false => masked_lm_head(&small, vocab),
            true => masked_lm_head(&small.side_by_side(), vocab),
        }
    } else {
        0
    };
    let baseline = if spec.objective.has_baseline() { spec.model.generator().hidden } else { 0 };
    (embeddings + encoder(&full) + head + generator + baseline) as u64
}

/// Word, position and type tables, and their LayerNorm.
fn embeddings(shape: &EncoderShape, vocab: usize) -> usize {
    (vocab + shape.positions + shape.types + 2) * shape.embedding
}

/// The layers, and the projection of the embeddings if the widths differ.
fn encoder(shape: &EncoderShape) -> usize {
    let EncoderShape { hidden, ffn, layers, embedding, .. } = *shape;
    let project = if embedding == hidden { 0 } else { (embedding + 1) * hidden };
    project + layers * (4 * hidden * hidden + 2 * hidden * ffn + 9 * hidden + ffn)
}

/// Dense layer, LayerNorm and output bias.
fn masked_lm_head(shape: &EncoderShape, vocab: usize) -> usize {
    (shape.hidden + 3) * shape.embedding + vocab
}

/// Dense layer and an output of one logit.
fn discriminator_head(shape: &EncoderShape) -> usize {
    shape.hidden * shape.hidden + 2 * shape.hidden + 1
}

/// Number of parameters of an encoder with its embeddings, without a head.
pub fn encoder_parameters(shape: &EncoderShape, vocab: usize) -> u64 {
    (embeddings(shape, vocab) + encoder(shape)) as u64
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::experiment::{Masking, ModelSize, ModelSpec, ObjectiveSpec};
    use crate::flops::exact::train_flops_per_step;
    use crate::flops::fixture::trial;
    use crate::flops::paper;
    use crate::model::{Electra, EncoderNetwork, MaskedLm};
    use crate::nn::Parameters;

    const VOCAB: usize = 30_522;

    #[test]
    fn the_count_equals_the_parameters_of_real_models() {
        for (sharing, generator_ratio) in
            [(Sharing::None, 0.5), (Sharing::Embeddings, 0.5), (Sharing::All, 1.0), (Sharing::Gdes, 0.5)]
        {
            let model = ModelSpec { hidden: Some(96), generator_ratio, sharing, ..Default::default() };
            let mut made = Parameters::new(1, &Device::Cpu);
            Electra::new(&mut made, &model, 777).unwrap();
            assert_eq!(n_parameters(&trial(ObjectiveSpec::default(), model.clone()), 777), made.count());
            let mut made = Parameters::new(1, &Device::Cpu);
            MaskedLm::new(&mut made, &EncoderNetwork::of_spec(&model, 777)).unwrap();
            let mlm = ObjectiveSpec::Mlm { mask_fraction: 0.15, masking: Masking::Paper };
            assert_eq!(n_parameters(&trial(mlm, model), 777), made.count());
        }
    }

    /// One encoder that runs twice computes as much as two encoders, and so do tables that are sums of two.
    #[test]
    fn sharing_saves_parameters_and_no_flops() {
        let of = |sharing| {
            let model = ModelSpec { generator_ratio: 1.0, sharing, ..Default::default() };
            let spec = trial(ObjectiveSpec::default(), model);
            let flops = (train_flops_per_step(&spec, VOCAB, 10), paper::train_flops(&spec, VOCAB, 10));
            (n_parameters(&spec, VOCAB), flops)
        };
        let [none, embeddings, all, gdes] =
            [Sharing::None, Sharing::Embeddings, Sharing::All, Sharing::Gdes].map(of);
        assert!(none.1 == embeddings.1 && none.1 == all.1 && none.1 == gdes.1);
        assert!(none.0 == gdes.0 && none.0 > embeddings.0 && embeddings.0 > all.0);
    }

    /// The paper's shapes with BERT's vocabulary: the discriminator with its embeddings, its head, the
    /// generator without embeddings, its head, and the total of joint training. The paper's "14M", "110M" and
    /// "335M" are the first column.
    #[test]
    fn parameters_of_the_papers_shapes() {
        let cases = [
            (ModelSize::Small, 0.25, [13_483_008, 66_049, 608_064, 39_098], 14_196_219),
            (ModelSize::Small, 1.0, [13_483_008, 66_049, 9_510_144, 63_674], 23_122_875),
            (ModelSize::Base, 0.33333, [108_891_648, 591_361, 9_673_984, 229_434], 119_386_427),
            (ModelSize::Large, 0.25, [334_092_288, 1_050_625, 19_216_640, 295_738], 354_655_291),
        ];
        for (size, generator_ratio, parts, joint) in cases {
            let model = ModelSpec { size, generator_ratio, ..Default::default() };
            let (full, small) = (model.discriminator(), model.generator());
            let counted = [
                embeddings(&full, VOCAB) + encoder(&full),
                discriminator_head(&full),
                encoder(&small),
                masked_lm_head(&small, VOCAB),
            ];
            assert_eq!(counted, parts, "{size:?} with a generator of {generator_ratio}");
            assert_eq!(n_parameters(&trial(ObjectiveSpec::default(), model), VOCAB), joint);
        }
    }

    /// Some code pads the vocabulary to 30,528 rows for speed. That is another model, and the count shows it.
    #[test]
    fn a_padded_vocabulary_counts_its_padding() {
        let small =
            trial(ObjectiveSpec::default(), ModelSpec { size: ModelSize::Small, ..Default::default() });
        // Six rows of 128 numbers in the table, and six output biases.
        assert_eq!(n_parameters(&small, 30_528) - n_parameters(&small, VOCAB), 6 * 128 + 6);
    }
}
