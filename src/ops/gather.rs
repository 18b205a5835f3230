//! Chosen rows of a matrix: x [N, H], M row numbers → [M, H]. A row may be chosen more than once.

use candle_core::{Result, Tensor};

/// The rows.
pub fn gather(x: &Tensor, rows: &[u32]) -> Result<Tensor> {
    let (n, _) = x.dims2()?;
    if let Some(row) = rows.iter().find(|&&row| row as usize >= n) {
        candle_core::bail!("row {row} of a matrix of {n} rows");
    }
    // candle adds the gradients up with one thread a column there.
    #[cfg(feature = "cuda")]
    if super::gpu::tensors::takes(x) {
        return super::gpu::tensors::embedding::gather(x, &rows.into());
    }
    reference(x, rows)
}

/// The same from candle's primitives.
pub fn reference(x: &Tensor, rows: &[u32]) -> Result<Tensor> {
    x.index_select(&Tensor::from_slice(rows, rows.len(), x.device())?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing;

    #[test]
    fn rows_by_hand_and_their_gradients() {
        let x = testing::tensor(&[4, 3], 1);
        let rows = [3, 0, 3];
        let chosen = gather(&x, &rows).unwrap().to_vec2::<f32>().unwrap();
        let all = x.to_vec2::<f32>().unwrap();
        assert_eq!(chosen, rows.map(|row| all[row as usize].clone()));
        testing::compare(std::slice::from_ref(&x), |t| gather(&t[0], &rows), |t| reference(&t[0], &rows));
        assert!(gather(&x, &[4]).unwrap_err().to_string().contains("row 4 of a matrix of 4 rows"));
    }
}
