//! Readings of logits, losses, embeddings and the optimizer.

use candle_core::{Device, Tensor, Var};

use super::super::launch::{Address, Rule};
use super::super::{Machine, adam, detection, embedding, readings};
use super::{M, close, on_cpu, values, var};
use crate::ops;
use crate::ops::sampling::Sampler;
use crate::ops::testing::numbers;

#[test]
fn readings_of_rows() {
    let (rows, classes) = (300, 700);
    let z: Vec<f32> = numbers(rows * classes, 1).iter().map(|value| 2.0 * value).collect();
    let targets: Vec<u32> = (0..rows as u32).map(|row| row * 7 % classes as u32).collect();
    let logits = var(&z, &[rows, classes]);
    for temperature in [None, Some(1.0), Some(0.5)] {
        let sampler =
            temperature.map(|temperature| Sampler { temperature, seed: 3, step: 9, first: (1 << 33) + 5 });
        let there = M.floats(&z);
        let got = readings::read(&M, M.at(&there), [rows, classes], sampler).unwrap();
        let expected = ops::readings::read(&logits, &targets, sampler).unwrap();
        assert_eq!(got.best.read(), expected.best.to_vec1::<u32>().unwrap());
        let entropies = got.entropies.read();
        close("entropy", &[entropies.iter().sum::<f32>() / rows as f32], &values(&expected.entropy), 1e-5);
        if let Some(samples) = expected.samples {
            let samples: Vec<u32> = samples.to_vec1().unwrap();
            // The same uniform numbers against sums that round differently: another class only at a border.
            let other = got.samples.read().iter().zip(&samples).filter(|(a, b)| a != b).count();
            assert!(other <= 1, "{other} of {rows} samples differ");
        }
        let there_targets = M.words(&targets).unwrap();
        let (log_sums, at_targets) = (M.at(&got.log_sums), M.at_words(&there_targets));
        let [losses, mean] =
            readings::losses(&M, M.at(&there), [rows, classes], log_sums, at_targets).unwrap();
        let by_row = ops::cross_entropy::row_cross_entropy(&logits, &targets.as_slice().into()).unwrap();
        close("losses", &losses.read(), &values(&by_row), 1e-5);
        close("their mean", &mean.read(), &values(&expected.loss), 1e-6);
        let grad = M.floats(&[0.5]);
        let outer = readings::Outer { log_sums, targets: at_targets, grad: M.at(&grad), each: false };
        readings::turn(&M, M.at(&there), [rows, classes], outer).unwrap();
        let (_, gradients) = on_cpu(&[&logits], &[0.5], || {
            ops::cross_entropy::cross_entropy(&logits, &targets.as_slice().into()).unwrap()
        });
        close("gradient", &there.read(), &gradients[0], 1e-5);
    }
    let (there, grads) = (M.floats(&z), numbers(rows, 5));
    let got = readings::read(&M, M.at(&there), [rows, classes], None).unwrap();
    let (there_targets, grad) = (M.words(&targets).unwrap(), M.floats(&grads));
    let outer = readings::Outer {
        log_sums: M.at(&got.log_sums),
        targets: M.at_words(&there_targets),
        grad: M.at(&grad),
        each: true,
    };
    readings::turn(&M, M.at(&there), [rows, classes], outer).unwrap();
    let (_, gradients) = on_cpu(&[&logits], &grads, || {
        ops::cross_entropy::row_cross_entropy(&logits, &targets.as_slice().into()).unwrap()
    });
    close("gradient of every row", &there.read(), &gradients[0], 1e-5);
}

/// The kernel's own draws follow the softmax: Pearson's chi-square over ten slices of the classes.
#[test]
fn samples_follow_the_softmax() {
    let (rows, classes) = (2000, 700);
    let row: Vec<f32> = (0..classes).map(|class| (class as f32 * 0.37).sin() * 3.0).collect();
    let there = M.floats(&row.repeat(rows));
    let sampler = Sampler { temperature: 1.0, seed: 2, step: 5, first: 0 };
    let drawn = readings::read(&M, M.at(&there), [rows, classes], Some(sampler)).unwrap().samples.read();
    let total: f64 = row.iter().map(|&z| f64::from(z).exp()).sum();
    let slices = 10;
    let statistic: f64 = (0..slices)
        .map(|slice| {
            let classes = slice * classes / slices..(slice + 1) * classes / slices;
            let expected: f64 = row[classes.clone()].iter().map(|&z| f64::from(z).exp()).sum::<f64>() / total;
            let seen = drawn.iter().filter(|&&class| classes.contains(&(class as usize))).count();
            (seen as f64 - expected * rows as f64).powi(2) / (expected * rows as f64)
        })
        .sum();
    // 99.99 % quantile of chi-square with 9 degrees of freedom.
    assert!(statistic < 33.7, "chi-square {statistic}");
}

#[test]
fn detections() {
    let n = 3000;
    let z: Vec<f32> = numbers(n, 1).iter().map(|value| 4.0 * value).collect();
    let labels: Vec<f32> = (0..n).map(|i| f32::from(i % 7 == 0)).collect();
    let (logits, there, there_labels) = (var(&z, &[n]), M.floats(&z), M.floats(&labels));
    let mean = detection::loss(&M, M.at(&there), M.at(&there_labels), n).unwrap();
    let grad = M.floats(&[2.0]);
    let d = detection::gradient(&M, M.at(&there), M.at(&there_labels), M.at(&grad), n).unwrap();
    let (expected, gradients) = on_cpu(&[&logits], &[2.0], || {
        ops::binary_cross_entropy::binary_cross_entropy(
            &logits,
            &Tensor::new(&labels[..], &Device::Cpu).unwrap(),
        )
        .unwrap()
    });
    close("loss", &mean.read(), &expected, 1e-6);
    close("gradient", &d.read(), &gradients[0], 1e-5);
}

#[test]
fn embeddings() {
    let (n, width, sizes) = (1000, 20, [50, 30, 2]);
    let tables = sizes.map(|rows| numbers(rows * width, rows as u64));
    let base = [numbers(sizes[0] * width, 7), numbers(sizes[1] * width, 8)];
    let grad = numbers(n * width, 9);
    // Most tokens are one word, as [MASK] is.
    let words: Vec<u32> = (0..n as u32).map(|i| if i % 3 == 0 { i % 50 } else { 4 }).collect();
    let indices = ops::embedding::Indices {
        words: words.into(),
        positions: (0..n as u32).map(|i| i % 30).collect(),
        kinds: (0..n as u32).map(|i| u32::from(i % 30 > 11)).collect(),
        drawn: None,
    };
    let vars: Vec<Var> = tables.iter().zip(sizes).map(|(table, rows)| var(table, &[rows, width])).collect();
    let there = [0, 1, 2].map(|table| M.floats(&tables[table]));
    let there_base = [0, 1].map(|table| M.floats(&base[table]));
    let rows = [&indices.words, &indices.positions, &indices.kinds];
    let there_rows = rows.map(|rows| M.words(rows).unwrap());
    for with_base in [false, true] {
        let base_at =
            if with_base { [M.at(&there_base[0]), M.at(&there_base[1])] } else { [Address::NULL; 2] };
        let on = embedding::Tables {
            word: M.at(&there[0]),
            position: M.at(&there[1]),
            kind: M.at(&there[2]),
            base: base_at,
            width,
        };
        let out = M.room(n * width).unwrap();
        embedding::embed(&M, on, [0, 1, 2].map(|rows| M.at_words(&there_rows[rows])), M.at(&out), n).unwrap();
        let (expected, gradients) = on_cpu(&[&vars[0], &vars[1], &vars[2]], &grad, || match with_base {
            false => ops::embedding::embedding(&vars[0], &vars[1], &vars[2], &indices).unwrap(),
            true => {
                let base = ops::embedding::Base::new(
                    &var(&base[0], &[sizes[0], width]),
                    &var(&base[1], &[sizes[1], width]),
                );
                ops::embedding::difference_embedding(&base, &vars[0], &vars[1], &vars[2], &indices).unwrap()
            }
        });
        assert_eq!(out.read(), expected);
        let d = M.floats(&grad);
        for (table, expected) in gradients.iter().enumerate() {
            let sums = M.zeros(sizes[table] * width).unwrap();
            let runs = embedding::Runs::new(rows[table], sizes[table], &[]);
            embedding::add_rows(&M, M.at(&d), &runs, M.at(&sums), width).unwrap();
            close("table", &sums.read(), expected, 1e-5);
        }
    }
    let chosen = M.room(3 * width).unwrap();
    let at = M.words(&[49, 0, 49]).unwrap();
    embedding::gather(&M, M.at(&there[0]), M.at_words(&at), M.at(&chosen), [3, width]).unwrap();
    assert_eq!(chosen.read()[width..2 * width], tables[0][..width]);
    assert_eq!(chosen.read()[2 * width..], tables[0][49 * width..]);
    let none = embedding::Runs::new(&[], 50, &[]);
    embedding::add_rows(&M, Address::NULL, &none, Address::NULL, width).unwrap();
}

/// What the host does with words that it knows, done by the device with some that it drew.
#[test]
fn drawn_words() {
    let (n, width, vocabulary) = (1000, 150, 40);
    let words: Vec<u32> = (0..n as u32).map(|i| i * i % vocabulary).collect();
    let grad = numbers(n * width, 9);
    for slots in [0, 1, 300] {
        // Every third position twice, and few different samples.
        let positions: Vec<u32> = (0..slots).map(|slot| 3 * (slot - u32::from(slot % 3 == 1)) + 7).collect();
        let samples: Vec<u32> = (0..slots).map(|slot| slot * 7 % 11 + 20).collect();
        let there = [&words, &positions, &samples].map(|words| M.words(words).unwrap());
        let (now, changed) = (M.word_room(n).unwrap(), M.room(n).unwrap());
        let [at_words, at_positions, at_samples] = [0, 1, 2].map(|i| M.at_words(&there[i]));
        let (slots, to) = ([at_positions, at_samples], [M.at_words(&now), M.at(&changed)]);
        embedding::put_samples(&M, at_words, slots, to, [n, positions.len()]).unwrap();
        let expected = ops::corruption::filled(&words, &positions, &samples);
        assert_eq!(now.read(), expected);
        let differs: Vec<f32> = expected.iter().zip(&words).map(|(now, was)| f32::from(now != was)).collect();
        assert_eq!(changed.read(), differs);

        let mut places = positions.clone();
        places.dedup();
        assert!(positions.len() < 2 || places.len() < positions.len());
        let (d, at_places) = (M.floats(&grad), M.words(&places).unwrap());
        let sums = M.zeros(vocabulary as usize * width).unwrap();
        let runs = embedding::Runs::new(&words, vocabulary as usize, &places);
        embedding::add_rows(&M, M.at(&d), &runs, M.at(&sums), width).unwrap();
        let drawn =
            embedding::Drawn { now: M.at_words(&now), places: M.at_words(&at_places), n: places.len() };
        embedding::add_drawn(&M, M.at(&d), drawn, M.at(&sums), width).unwrap();
        let mut by_hand = vec![0f32; vocabulary as usize * width];
        for (row, word) in grad.chunks_exact(width).zip(&expected) {
            for (sum, value) in by_hand[*word as usize * width..].iter_mut().zip(row) {
                *sum += value;
            }
        }
        close("table", &sums.read(), &by_hand, 1e-5);
    }
}

#[test]
fn updates() {
    let sizes = [20_000, 3, 8192];
    let rule = Rule {
        first: [0.9, 0.1],
        second: [0.999, 0.001],
        epsilon: 1e-6,
        corrections: [1.0, 1.0],
        clip_norm: 1.0,
    };
    let start = |index: usize, kind: u64| -> Vec<f32> {
        let values = numbers(sizes[index], 10 * kind + index as u64);
        if kind == 2 { values.iter().map(|v| v * v).collect() } else { values }
    };
    let there: Vec<[_; 4]> =
        (0..3).map(|index| [0, 1, 2, 3].map(|kind| M.floats(&start(index, kind)))).collect();
    let parameters: Vec<adam::Parameter<'_>> = there
        .iter()
        .zip(sizes)
        .map(|([p, m, v, _], len)| adam::Parameter {
            values: M.at(p),
            first: M.at(m),
            second: M.at(v),
            len,
            decay: if len == 3 { 0.0 } else { 0.1 },
        })
        .collect();
    let pieces = adam::Pieces::new(&M, &parameters, None).unwrap();
    let pieces = adam::Pieces::new(&M, &parameters, Some(pieces)).unwrap();
    let turns: Vec<adam::Turn<'_>> = (there.iter().zip([0.01, 0.02, 0.03]))
        .map(|([_, _, _, gradient], rate)| adam::Turn { gradient: M.at(gradient), rate })
        .collect();
    let turns = adam::turns(&M, &turns).unwrap();
    let turns = M.at_words(&turns);
    let norm = adam::norm(&M, &pieces, turns).unwrap();
    let squares: f64 = (0..3).flat_map(|index| start(index, 3)).map(|g| f64::from(g) * f64::from(g)).sum();
    close("norm", &norm.read(), &[squares.sqrt() as f32], 1e-6);
    let none = M.floats(&[f32::INFINITY]);
    adam::update(&M, &pieces, turns, M.at(&none), rule).unwrap();
    assert_eq!(there[0][0].read(), start(0, 0), "a norm that is not finite changes nothing");
    adam::update(&M, &pieces, turns, M.at(&norm), rule).unwrap();
    for (index, on) in there.iter().enumerate() {
        let vars = [0, 1, 2].map(|kind| var(&start(index, kind), &[sizes[index]]));
        let update = ops::adam::Update {
            rate: [0.01, 0.02, 0.03][index],
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            decay: if sizes[index] == 3 { 0.0 } else { 0.1 },
            gradient_scale: (1.0 / squares.sqrt()) as f32,
            corrections: (1.0, 1.0),
        };
        let gradient = Tensor::from_vec(start(index, 3), sizes[index], &Device::Cpu).unwrap();
        ops::adam::reference(&vars[0], &vars[1], &vars[2], &gradient, update).unwrap();
        for (got, expected) in on.iter().zip(&vars) {
            close("update", &got.read(), &values(expected), 1e-6);
        }
    }
}
