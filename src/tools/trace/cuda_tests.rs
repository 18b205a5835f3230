//! Ten steps on a CUDA device against the same on the CPU, and against a second run of them.

use super::parity_tests::{golden_trial, numbers};
use super::*;
use crate::records::Silent;
use crate::run::fixture::an_env;

fn traced(trial: &Trial, device: &Device) -> Vec<u8> {
    trace(trial, 10, device, &an_env(), &Silent).unwrap()
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_ten_steps_are_the_cpus() {
    let cuda = Device::new_cuda(0).unwrap();
    // A rounded logit may draw another sample, which changes the discriminator's input: only mlm is compared.
    for (precision, tolerance, names) in [
        ("f32", 1e-3, &["rtd_shared", "mlm_paper"][..]),
        ("tf32", 2e-2, &["mlm_paper"]),
        ("bf16", 1e-1, &["mlm_paper"]),
    ] {
        for name in names {
            let usual = golden_trial(name, &["model.dropout=0.1"]);
            let rounded = golden_trial(name, &["model.dropout=0.1", &format!("train.precision={precision}")]);
            let (expected, got) = (numbers(&traced(&usual, &Device::Cpu)), numbers(&traced(&rounded, &cuda)));
            for step in 0..10 {
                let key = format!("step.{step}/loss");
                let (a, b) = (got[&key][0], expected[&key][0]);
                assert!((a - b).abs() <= tolerance * b.abs(), "{name}, {precision}, {key}: {a} against {b}");
            }
        }
    }
}

#[test]
#[ignore = "needs a CUDA device"]
fn cuda_gives_the_same_bits_twice() {
    let cuda = Device::new_cuda(0).unwrap();
    for name in ["rtd_shared", "mlm_paper"] {
        let trial = golden_trial(name, &["model.dropout=0.1"]);
        assert!(traced(&trial, &cuda) == traced(&trial, &cuda), "{name}");
    }
}
