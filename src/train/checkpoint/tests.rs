//! What is wrong inside a checkpoint is noticed before it is used.

use candle_core::Device;

use super::*;
use crate::experiment::TrainSpec;
use crate::nn::Init;

const OWNER: &str = "0123456789ab";

fn parameters(seed: u64) -> Parameters {
    let mut parameters = Parameters::new(seed, &Device::Cpu);
    let mut builder = parameters.builder();
    for name in ["one", "two", "three"] {
        builder.parameter(name, &[4, 8], Init::Glorot).unwrap();
    }
    parameters
}

/// Saves a checkpoint of step 5, in shards with a tensor each if `max_bytes` is small.
fn save(folder: &Path, seed: u64, max_bytes: Option<u64>) -> PathBuf {
    let parameters = parameters(seed);
    let optimizer = Optimizer::new((&TrainSpec::default()).into(), &parameters).unwrap();
    let state = TrainState { step: 5, n_events: Some(2), ..TrainState::default() };
    Checkpoint::save(folder, OWNER, &parameters, &optimizer, &state, max_bytes).unwrap();
    folder.join(file_name(5))
}

fn refusal(path: &Path) -> String {
    let error = Checkpoint::read(path, OWNER).err().expect("it was read");
    assert_eq!(error.kind, ErrorKind::Storage);
    assert!(error.hint.contains("--force --only"), "{error}");
    error.message
}

#[test]
fn a_whole_checkpoint_says_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    for max_bytes in [None, Some(1)] {
        let read = Checkpoint::read(&save(folder.path(), 1, max_bytes), OWNER).unwrap();
        assert_eq!((read.state.step, read.state.n_events, read.state.seal), (5, Some(2), None));
        assert_eq!(read.tensors.len(), 9);
    }
}

/// Every bit of the tensors and of the state counts.
#[test]
fn a_damaged_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), 1, None);
    let whole = std::fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&whole).into_owned();
    let at_step = text.find("step").expect("a state") + 7;
    assert_eq!(whole[at_step], b'5');
    let tensors = whole.len() - 9 * 4 * 8 * 4;
    for at in [at_step, tensors, tensors + 1, whole.len() / 2, whole.len() - 1] {
        for bit in 0..3 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, bytes).unwrap();
            refusal(&path);
        }
    }
    let mut zeros = whole.clone();
    zeros[tensors..].fill(0);
    std::fs::write(&path, zeros).unwrap();
    assert!(refusal(&path).ends_with("its content does not match its checksum"));
    std::fs::write(&path, &whole).unwrap();
    Checkpoint::read(&path, OWNER).unwrap();
}

#[test]
fn a_checkpoint_of_another_trial_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(folder.path(), 1, None);
    let error = Checkpoint::read(&path, "another").err().unwrap();
    assert!(error.message.ends_with("of another trial (0123456789ab, not another)"), "{error}");
}

#[test]
fn a_shard_of_another_checkpoint_is_named() {
    let [here, there] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let path = save(here.path(), 1, Some(1));
    save(there.path(), 2, Some(1));
    let name = "step-000000005-00002-of-00009.safetensors";
    std::fs::copy(there.path().join(name), here.path().join(name)).unwrap();
    let message = refusal(&path);
    assert!(message.contains(&format!("{name} is damaged: it is not the shard")), "{message}");
}

#[test]
fn tensors_of_another_type_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.safetensors");
    let bytes = [0; 4];
    let view = safetensors::tensor::TensorView::new(Dtype::I32, vec![1], &bytes).unwrap();
    let state = serde_json::to_string(&TrainState::default()).unwrap();
    let metadata = HashMap::from([(STATE.to_string(), state)]);
    let file = safetensors::serialize([("model.one", view)], Some(metadata)).unwrap();
    std::fs::write(&path, file).unwrap();
    assert!(refusal(&path).ends_with("its tensor `model.one` has the type I32, not F32"));
}

/// Files of earlier versions have no seal.
#[test]
fn a_checkpoint_without_a_seal_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.safetensors");
    let state =
        r#"{"step":3,"n_updates":2,"tokens":108,"flops":0,"elapsed_s":0,"window":{},"validation":{}}"#;
    let plain = |_: &[String]| Ok(state.to_string());
    shards::write(&path, tensors_of(&parameters(1), None), (STATE, plain), None).unwrap();
    let read = Checkpoint::read(&path, OWNER).unwrap();
    assert_eq!((read.state.step, read.tensors.len()), (3, 3));
}
