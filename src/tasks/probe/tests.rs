//! What a probe of a random encoder sees, and that it repeats itself.

use super::*;
use crate::checkpoint::fixture::a_model;
use crate::experiment::TaskName;
use crate::model::EncoderNetwork;
use crate::rng::{Purpose, Stream};
use crate::tasks::fixture::{load_encoder, random_encoder};
use crate::tasks::table::task_info;

/// Sentences of one to nine random tokens; the label says whether token 7 is among them.
fn examples(n: usize, seed: u64) -> Vec<EncodedExample> {
    let example = |idx: usize| {
        let mut stream = Stream::new(seed, Purpose::Test, 0, idx as u64);
        let mut input_ids = vec![2];
        input_ids.extend((0..stream.below(9) + 1).map(|_| 5 + stream.below(12) as u32));
        input_ids.push(3);
        let label = f32::from(u8::from(input_ids.contains(&7)));
        EncodedExample {
            idx: idx as i64,
            token_type_ids: vec![0; input_ids.len()],
            input_ids,
            label,
            is_cut: false,
        }
    };
    (0..n).map(example).collect()
}

fn probe(task: TaskName, spec: &ProbeSpec, train: &[EncodedExample]) -> Result<Measure> {
    let network = EncoderNetwork::of_spec(&a_model(), 20);
    let parameters = random_encoder(&network);
    let load = |to: &Parameters| load_encoder(to, &parameters);
    let pretrained = Pretrained { network, load: &load };
    let probing = Probing {
        pretrained: &pretrained,
        spec,
        task: task_info(task),
        synthetic: true,
        train,
        validation: &examples(300, 2),
        device: &Device::Cpu,
        stop: &|| Ok(()),
    };
    probing.run()
}

/// The mean of the states shows which tokens occur, even in a random encoder; with eight dimensions for
/// twenty tokens, not surely. `[CLS]` before the first layer is the same in all examples and knows nothing.
#[test]
fn a_random_encoder_knows_which_tokens_occur() {
    let measure = probe(TaskName::Sst2, &ProbeSpec::default(), &examples(400, 1)).unwrap();
    assert_eq!((measure.name.as_str(), measure.n, measure.synthetic), ("probe.sst2", 300, true));
    let chance = measure.chance.unwrap();
    let names: Vec<&str> = measure.others.keys().map(String::as_str).collect();
    assert_eq!(names, ["layer0.cls", "layer0.mean", "layer1.cls", "layer1.mean"]);
    assert_eq!(measure.others["layer0.cls"], chance);
    assert!(measure.others["layer0.mean"] > chance + 2.0, "{measure:?}");
    assert!(measure.value.unwrap() > chance + 4.0 && measure.standard_error.unwrap() < 3.0, "{measure:?}");
}

#[test]
fn a_probe_repeats_itself_with_any_number_of_threads() {
    let train = examples(200, 1);
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| probe(TaskName::Cola, &ProbeSpec::default(), &train).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn only_the_first_training_examples_are_used() {
    let train = examples(200, 1);
    let capped = ProbeSpec { max_train_examples: Some(50), ..ProbeSpec::default() };
    let first = probe(TaskName::Sst2, &capped, &train).unwrap();
    assert_eq!(first, probe(TaskName::Sst2, &ProbeSpec::default(), &train[..50]).unwrap());
    assert_ne!(first, probe(TaskName::Sst2, &ProbeSpec::default(), &train).unwrap());
    let more = ProbeSpec { max_train_examples: Some(1000), ..ProbeSpec::default() };
    assert_eq!(
        probe(TaskName::Sst2, &more, &train).unwrap(),
        probe(TaskName::Sst2, &ProbeSpec::default(), &train).unwrap()
    );
}

/// A batch has other sequences beside an example, which must not change its features beyond rounding.
#[test]
fn features_do_not_depend_on_the_batch() {
    let network = EncoderNetwork::of_spec(&a_model(), 20);
    let mut parameters = Parameters::new(1, &Device::Cpu);
    let (_, encoder) = encoder(&mut parameters.builder(), &network).unwrap();
    let features = |examples: &[EncodedExample]| {
        let mut layers = [LayerFeatures::default(), LayerFeatures::default()];
        add_features(&encoder, examples, &mut layers).unwrap();
        layers
    };
    let examples = examples(5, 3);
    let [_, together] = features(&examples);
    let [_, alone] = features(&examples[3..4]);
    let close =
        |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(&together.cls[24..32], &alone.cls), "{:?}, {:?}", together.cls, alone.cls);
    assert!(close(&together.mean[24..32], &alone.mean), "{:?}, {:?}", together.mean, alone.mean);
    let mut batch = Batch::new();
    batch.push(&examples[3].input_ids, &examples[3].token_type_ids);
    let last = encoder.forward(&tokens(&batch, batch.input_ids.clone()), Mode::evaluate()).unwrap();
    let rows = flat(&last).unwrap();
    assert_eq!(rows[..8], alone.cls);
    assert_eq!(mean_of_rows(&rows, 8), alone.mean);
}

#[test]
fn what_cannot_be_probed_is_refused() {
    let train = examples(20, 1);
    assert!(probe(TaskName::Stsb, &ProbeSpec::default(), &train).is_err());
    assert_eq!(mean_of_rows(&[1.0, 2.0, 4.0, 6.0], 2), [2.5, 4.0]);
}
