//! Embeddings against their reference.

use candle_core::Var;

use super::*;
use crate::ops::testing;

fn indices() -> Indices {
    Indices {
        input_ids: vec![0, 4, 4, 2, 0].into(),
        position_ids: vec![0, 1, 2, 0, 1].into(),
        token_type_ids: vec![0, 0, 1, 0, 1].into(),
        device_ids: None,
    }
}

#[test]
fn fused_agrees_with_the_reference() {
    let inputs = [testing::tensor(&[6, 8], 1), testing::tensor(&[4, 8], 2), testing::tensor(&[2, 8], 3)];
    testing::compare(
        &inputs,
        |t| embedding(&t[0], &t[1], &t[2], &indices()),
        |t| reference(&t[0], &t[1], &t[2], &indices()),
    );
}

fn base() -> [Tensor; 2] {
    [testing::tensor(&[6, 8], 4), testing::tensor(&[4, 8], 5)]
}

#[test]
fn differences_agree_with_the_reference() {
    let inputs = [testing::tensor(&[6, 8], 1), testing::tensor(&[4, 8], 2), testing::tensor(&[2, 8], 3)];
    let [word, position] = base();
    let reference = |t: &[Tensor]| {
        let of = |table: &Tensor| table.to_dtype(t[0].dtype());
        let base = BaseTables::new(&of(&word)?, &of(&position)?);
        difference_reference(&base, &t[0], &t[1], &t[2], &indices())
    };
    let fused = |t: &[Tensor]| {
        difference_embedding(&BaseTables::new(&word, &position), &t[0], &t[1], &t[2], &indices())
    };
    testing::compare(&inputs, fused, reference);
}

/// The bits of the sums' embeddings, also after the base has changed, and no gradient into the base.
#[test]
fn differences_are_read_as_their_sums() {
    let [word, position] = base().map(|table| Var::from_tensor(&table).unwrap());
    let tables = [testing::tensor(&[6, 8], 1), testing::tensor(&[4, 8], 2), testing::tensor(&[2, 8], 3)];
    let [dw, dp, token_type] = tables.map(|table| Var::from_tensor(&table).unwrap());
    let base = BaseTables::new(&word, &position);
    let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for index in 6..8 {
        let read = difference_embedding(&base, &dw, &dp, &token_type, &indices()).unwrap();
        let (w, p) = ((word.as_tensor() + dw.as_tensor()), (position.as_tensor() + dp.as_tensor()));
        let sums = embedding(&w.unwrap(), &p.unwrap(), &token_type, &indices()).unwrap();
        assert_eq!(values(&read), values(&sums));
        let gradients = read.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(&word).is_none() && gradients.get(&position).is_none());
        assert!([&dw, &dp, &token_type].iter().all(|table| gradients.get(table).is_some()));
        word.set(&testing::tensor(&[6, 8], index)).unwrap();
    }
}

#[test]
fn an_index_outside_its_table_is_an_error() {
    let (word, rest) = (testing::tensor(&[4, 8], 1), testing::tensor(&[4, 8], 2));
    let error = embedding(&word, &rest, &rest, &indices()).unwrap_err().to_string();
    assert!(error.contains("index 4 lies outside an embedding table of 4 rows"), "{error}");
}

#[cfg(target_os = "linux")]
mod emulated {
    //! The kernels, run from their source.

    use candle_core::Var;

    use super::super::cuda::{self, SampledIds, TablePtrs};
    use super::super::{BaseTables, Indices, difference_embedding, embedding};
    use crate::ops::backend::{Backend, DevicePtr};
    use crate::ops::gather::cuda::{RowRuns, scatter_add};
    use crate::ops::testing::{EMULATOR, close, numbers, on_cpu, var};

    #[test]
    fn kernels_agree_with_the_cpu() {
        let (n, width, sizes) = (1000, 20, [50, 30, 2]);
        let tables = sizes.map(|rows| numbers(rows * width, rows as u64));
        let base = [numbers(sizes[0] * width, 7), numbers(sizes[1] * width, 8)];
        let grad = numbers(n * width, 9);
        let indices = Indices {
            // Most tokens have one id, as [MASK] does.
            input_ids: (0..n as u32).map(|i| if i % 3 == 0 { i % 50 } else { 4 }).collect(),
            position_ids: (0..n as u32).map(|i| i % 30).collect(),
            token_type_ids: (0..n as u32).map(|i| u32::from(i % 30 > 11)).collect(),
            device_ids: None,
        };
        let vars: Vec<Var> =
            tables.iter().zip(sizes).map(|(table, rows)| var(table, &[rows, width])).collect();
        let rows = [&indices.input_ids, &indices.position_ids, &indices.token_type_ids];
        let on_tables = tables.each_ref().map(|table| EMULATOR.upload(table).unwrap());
        let on_rows = rows.map(|rows| EMULATOR.upload(rows).unwrap());
        let on_base = base.each_ref().map(|table| EMULATOR.upload(table).unwrap());
        let [word, position, token_type] = on_tables.each_ref().map(|table| EMULATOR.ptr(table));
        for with_base in [false, true] {
            let at_base = on_base.each_ref().map(|table| EMULATOR.ptr(table));
            let base_at = if with_base { at_base } else { [DevicePtr::NULL; 2] };
            let tables = TablePtrs { word, position, token_type, base: base_at, width };
            let out = EMULATOR.alloc::<f32>(n * width).unwrap();
            let ids = on_rows.each_ref().map(|rows| EMULATOR.ptr(rows));
            cuda::embedding(&EMULATOR, tables, ids, EMULATOR.ptr(&out), n).unwrap();
            let inputs: Vec<&Var> = vars.iter().collect();
            let (expected, gradients) = on_cpu(&inputs, &grad, || match with_base {
                false => embedding(&vars[0], &vars[1], &vars[2], &indices).unwrap(),
                true => {
                    let base = BaseTables::new(
                        &var(&base[0], &[sizes[0], width]),
                        &var(&base[1], &[sizes[1], width]),
                    );
                    difference_embedding(&base, &vars[0], &vars[1], &vars[2], &indices).unwrap()
                }
            });
            assert_eq!(out.read(), expected);
            let d = EMULATOR.upload(&grad).unwrap();
            for (table, expected) in gradients.iter().enumerate() {
                let sums = EMULATOR.zeros(sizes[table] * width).unwrap();
                let runs = RowRuns::new(rows[table], sizes[table], &[]);
                scatter_add(&EMULATOR, EMULATOR.ptr(&d), &runs, EMULATOR.ptr(&sums), width).unwrap();
                close("table", &sums.read(), expected, 1e-5);
            }
        }
    }

    /// The gradients of sampled tokens, added by the device, against sums by hand.
    #[test]
    fn gradients_of_sampled_tokens() {
        let (n, width, vocabulary) = (1000, 150, 40u32);
        let grad = numbers(n * width, 9);
        for slots in [0u32, 1, 300] {
            // Every third position twice, and few different samples.
            let mut positions: Vec<u32> =
                (0..slots).map(|slot| 3 * (slot - u32::from(slot % 3 == 1)) + 7).collect();
            let mut input_ids: Vec<u32> = (0..n as u32).map(|i| i * i % vocabulary).collect();
            for (slot, &position) in (0..slots).zip(&positions) {
                input_ids[position as usize] = slot * 7 % 11 + 20;
            }
            positions.dedup();
            let d = EMULATOR.upload(&grad).unwrap();
            let [on_ids, on_positions] =
                [&input_ids, &positions].map(|values| EMULATOR.upload(values).unwrap());
            let sums = EMULATOR.zeros(vocabulary as usize * width).unwrap();
            let (d, at_sums) = (EMULATOR.ptr(&d), EMULATOR.ptr(&sums));
            let runs = RowRuns::new(&input_ids, vocabulary as usize, &positions);
            scatter_add(&EMULATOR, d, &runs, at_sums, width).unwrap();
            let sampled = SampledIds {
                input_ids: EMULATOR.ptr(&on_ids),
                positions: EMULATOR.ptr(&on_positions),
                n: positions.len(),
            };
            cuda::add_sampled_rows(&EMULATOR, d, sampled, at_sums, width).unwrap();
            let mut by_hand = vec![0f32; vocabulary as usize * width];
            for (row, id) in grad.chunks_exact(width).zip(&input_ids) {
                for (sum, value) in by_hand[*id as usize * width..].iter_mut().zip(row) {
                    *sum += value;
                }
            }
            close("table", &sums.read(), &by_hand, 1e-5);
        }
    }
}
