//! Tests against transformers and candle-transformers: the same weights give the same numbers.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config as BertConfig};
use serde::Deserialize;

use super::config::Family;
use super::names::{join, part_shape, published_names, split};
use crate::experiment::EncoderShape;
use crate::model::{Discriminator, EncoderNetwork, MaskedLm, encoder};
use crate::nn::{DropoutRates, Mode, Parameters, Tokens};
use crate::ops::embedding::Indices;

const VOCAB: usize = 30_522;
const OFF: DropoutRates = DropoutRates { hidden: 0.1, attention: 0.1 };

/// tests/golden/logits.json, written by scripts/golden_logits.py.
#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    role: String,
    hidden: usize,
    layers: usize,
    heads: usize,
    embedding: usize,
    lengths: Vec<usize>,
    logits: serde_json::Value,
    #[serde(default)]
    words: Vec<usize>,
    #[serde(default)]
    positions: Vec<(usize, usize)>,
    #[serde(default)]
    log_sums: Vec<f64>,
}

/// The numbers of the script: splitmix64, counting up from the FNV-1a hash of the name.
fn mixed(name: &str) -> impl Iterator<Item = u64> {
    let state = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    (1u64..).map(move |count| {
        let x = state.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    })
}

fn weight(name: &str, shape: &[usize]) -> Tensor {
    let (centre, width) = if name.ends_with("LayerNorm.weight") {
        (1.0, 0.5)
    } else if shape.len() == 1 || name.contains("embeddings.") {
        (0.0, 0.25)
    } else if name.contains("dense_prediction") {
        (0.0, 2.0)
    } else {
        (0.0, 0.125)
    };
    let unit = |x: u64| (x >> 40) as f32 * 2f32.powi(-24) - 0.5;
    let values: Vec<f32> =
        mixed(name).take(shape.iter().product()).map(|x| centre + unit(x) * width).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Sets every parameter to the numbers of the script for its published names.
fn fill(parameters: &Parameters) {
    for parameter in parameters.iter() {
        let name = &parameter.name;
        let shape = part_shape(name, parameter.var.dims());
        let published = published_names(name, Family::Electra, "electra.").unwrap();
        let tensors: Vec<Tensor> = published.iter().map(|part| weight(part, &shape)).collect();
        parameter.var.set(&join(name, &tensors).unwrap()).unwrap();
    }
}

fn ragged(sequences: &[(Vec<u32>, Vec<u32>)]) -> Tokens {
    let mut offsets = vec![0];
    for (ids, _) in sequences {
        offsets.push(offsets.last().unwrap() + ids.len());
    }
    Tokens {
        indices: Indices {
            input_ids: sequences.iter().flat_map(|(ids, _)| ids.iter().copied()).collect(),
            position_ids: sequences.iter().flat_map(|(ids, _)| 0..ids.len() as u32).collect(),
            token_type_ids: sequences
                .iter()
                .flat_map(|(_, token_types)| token_types.iter().copied())
                .collect(),
            device_ids: None,
        },
        offsets: offsets.into(),
    }
}

/// The sequences of the script.
fn sequences(lengths: &[usize]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let one = |(index, &length): (usize, &usize)| {
        let mut ids = vec![101];
        ids.extend(mixed(&format!("ids.{index}")).take(length - 2).map(|x| 1000 + (x % 29_000) as u32));
        ids.push(102);
        let split = if index % 2 == 1 { length * 2 / 3 } else { length };
        (ids, (0..length).map(|position| u32::from(position >= split)).collect())
    };
    lengths.iter().enumerate().map(one).collect()
}

fn close(what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < 1e-4, "{what}: {ours} against {theirs} of transformers");
}

fn check(case: &Case) {
    let Case { hidden, layers, heads, embedding, .. } = *case;
    let shape = EncoderShape {
        hidden,
        layers,
        heads,
        ffn: 4 * hidden,
        embedding,
        positions: 512,
        types: 2,
        norm_epsilon: 1e-12,
    };
    let network = EncoderNetwork { shape, rates: OFF, vocab: VOCAB };
    let tokens = ragged(&sequences(&case.lengths));
    let mut parameters = Parameters::new(0, &Device::Cpu);
    if case.role == "discriminator" {
        let network = Discriminator::new(&mut parameters, &network).unwrap();
        fill(&parameters);
        let ours: Vec<f32> = network.forward(&tokens, Mode::evaluate()).unwrap().to_vec1().unwrap();
        let theirs: Vec<f64> = serde_json::from_value(case.logits.clone()).unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (token, (&ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            close(&format!("{}, token {token}", case.name), f64::from(ours), theirs);
        }
        return;
    }
    let network = MaskedLm::new(&mut parameters, &network).unwrap();
    fill(&parameters);
    let rows: Vec<u32> = case
        .positions
        .iter()
        .map(|&(sequence, position)| (tokens.offsets[sequence] + position) as u32)
        .collect();
    let hidden = network.encoder.forward(&tokens, Mode::evaluate()).unwrap();
    let chosen = hidden.index_select(&Tensor::new(rows, &Device::Cpu).unwrap(), 0).unwrap();
    let ours: Vec<Vec<f32>> = network.head.forward(&chosen).unwrap().to_vec2().unwrap();
    let theirs: Vec<Vec<f64>> = serde_json::from_value(case.logits.clone()).unwrap();
    assert_eq!(ours.len(), theirs.len());
    for ((ours, theirs), log_sum) in ours.iter().zip(theirs).zip(&case.log_sums) {
        for (&token, theirs) in case.words.iter().zip(theirs) {
            close(&format!("{}, vocabulary entry {token}", case.name), f64::from(ours[token]), theirs);
        }
        let sum: f64 = ours.iter().map(|&logit| f64::from(logit).exp()).sum();
        close(&format!("{}, log of the sum", case.name), sum.ln(), *log_sum);
    }
}

fn check_all(wanted: impl Fn(&str) -> bool) {
    let golden: Golden = serde_json::from_str(include_str!("../../tests/golden/logits.json")).unwrap();
    let cases: Vec<&Case> = golden.cases.iter().filter(|case| wanted(&case.name)).collect();
    assert!(!cases.is_empty());
    cases.into_iter().for_each(check);
}

/// Tiny, small and base; lengths from 2 to 512, padded in transformers; two segments.
#[test]
fn discriminator_logits_equal_those_of_transformers() {
    check_all(|name| !name.starts_with("generator"));
}

/// Every generator ratio of the paper's sweep at small size, and base with 1/3.
#[test]
fn generator_logits_equal_those_of_transformers() {
    check_all(|name| name.starts_with("generator"));
}

fn bert_hidden(bert: &BertModel, sequences: &[(Vec<u32>, Vec<u32>)]) -> Vec<Vec<f32>> {
    let mut hidden = Vec::new();
    for (ids, token_types) in sequences {
        let row = |values: &[u32]| Tensor::new(values, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let output = bert.forward(&row(ids), &row(token_types), None).unwrap();
        hidden.extend(output.squeeze(0).unwrap().to_vec2::<f32>().unwrap());
    }
    hidden
}

fn assert_close(ours: &Tensor, theirs: &[Vec<f32>], tolerance: f32) {
    let ours = ours.to_vec2::<f32>().unwrap();
    assert_eq!((ours.len(), ours[0].len()), (theirs.len(), theirs[0].len()));
    for (a, b) in ours.iter().flatten().zip(theirs.iter().flatten()) {
        assert!((a - b).abs() < tolerance, "{a} against {b} of candle-transformers");
    }
}

/// The layout of the heads, the order of the LayerNorms, the exact GELU and ε are those of BERT.
#[test]
fn hidden_states_equal_those_of_candle_transformers() {
    let shape = EncoderShape {
        hidden: 24,
        layers: 2,
        heads: 3,
        ffn: 40,
        embedding: 24,
        positions: 16,
        types: 2,
        norm_epsilon: 1e-5,
    };
    let mut parameters = Parameters::new(5, &Device::Cpu);
    let (_, network) =
        encoder(&mut parameters.builder(), &EncoderNetwork { shape, rates: OFF, vocab: 50 }).unwrap();
    let mut published = HashMap::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let noise = crate::ops::testing::tensor(parameter.var.dims(), index as u64);
        let value = (parameter.var.as_detached_tensor() + (noise * 0.2).unwrap()).unwrap();
        parameter.var.set(&value).unwrap();
        let names = published_names(&parameter.name, Family::Bert, "").unwrap();
        published.extend(names.into_iter().zip(split(&parameter.name, &value).unwrap()));
    }
    let config: BertConfig = serde_json::from_value(serde_json::json!({
        "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 40, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "max_position_embeddings": 16, "type_vocab_size": 2, "initializer_range": 0.02,
        "layer_norm_eps": 1e-5, "pad_token_id": 0
    }))
    .unwrap();
    let variables = VarBuilder::from_tensors(published, DType::F32, &Device::Cpu);
    let bert = BertModel::load(variables, &config).unwrap();
    let sequences =
        [(vec![2, 9, 17, 33, 3, 8, 3], vec![0, 0, 0, 0, 0, 1, 1]), (vec![2, 49, 1, 3], vec![0, 0, 0, 0])];
    let ours = network.forward(&ragged(&sequences), Mode::evaluate()).unwrap();
    assert_close(&ours, &bert_hidden(&bert, &sequences), 1e-5);
}

#[test]
#[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with sentence-transformers/all-MiniLM-L6-v2"]
fn a_pretrained_encoder_gives_the_hidden_states_of_candle_transformers() {
    let hub = std::env::var_os("ELECTRA_LAB_TEST_HUB").expect("set ELECTRA_LAB_TEST_HUB to a hub cache");
    let snapshots = "models--sentence-transformers--all-MiniLM-L6-v2/snapshots";
    let mut folders = std::fs::read_dir(std::path::Path::new(&hub).join(snapshots)).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    let published = super::read::Published::open(&folder).unwrap();
    let mut parameters = Parameters::new(0, &Device::Cpu);
    let (_, network) = encoder(&mut parameters.builder(), &published.config.network).unwrap();
    published.load_encoder(&parameters).unwrap();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let variables = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap();
    let bert = BertModel::load(variables, &serde_json::from_str(&config).unwrap()).unwrap();
    let sequences = sequences(&[128, 33, 7]);
    let ours = network.forward(&ragged(&sequences), Mode::evaluate()).unwrap();
    assert_close(&ours, &bert_hidden(&bert, &sequences), 1e-4);
}
