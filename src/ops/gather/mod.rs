//! Chosen rows of a matrix: x `[N, H]`, M row numbers → `[M, H]`. A row may be chosen more than once.

pub mod cuda;

use std::sync::Arc;

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::backend::CudaBackend;

/// The rows.
pub fn gather(x: &Tensor, rows: &[u32]) -> Result<Tensor> {
    let (n, _) = x.dims2()?;
    if let Some(row) = rows.iter().find(|&&row| row as usize >= n) {
        bail!("row {row} does not exist: the matrix has {n} rows");
    }
    match CudaBackend::of(x)? {
        // There, candle adds the gradients up with one thread per column.
        Some(_) => x.contiguous()?.apply_op1(Gather(rows.into())),
        None => reference(x, rows),
    }
}

/// The same from candle's primitives, which are fast enough on the CPU.
pub fn reference(x: &Tensor, rows: &[u32]) -> Result<Tensor> {
    x.index_select(&Tensor::from_slice(rows, rows.len(), x.device())?, 0)
}

struct Gather(Arc<[u32]>);

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("gather has no CPU kernel: the reference runs there")
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        cuda::forward(x, layout, &self.0)
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        cuda::backward(&CudaBackend::of_tensor(x)?, x, grad, &self.0).map(Some)
    }
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
        assert!(gather(&x, &[4]).unwrap_err().to_string().contains("row 4 does not exist"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn emulated_kernels_gather_and_add_rows() {
        use crate::ops::backend::{Backend, DevicePtr};
        use crate::ops::testing::{EMULATOR, numbers};

        let width = 20;
        let values = numbers(50 * width, 50);
        let table = EMULATOR.upload(&values).unwrap();
        let chosen = EMULATOR.alloc::<f32>(3 * width).unwrap();
        let rows = EMULATOR.upload(&[49u32, 0, 49]).unwrap();
        let (at_table, at_rows) = (EMULATOR.ptr(&table), EMULATOR.ptr(&rows));
        cuda::gather(&EMULATOR, at_table, at_rows, EMULATOR.ptr(&chosen), [3, width]).unwrap();
        assert_eq!(chosen.read()[width..2 * width], values[..width]);
        assert_eq!(chosen.read()[2 * width..], values[49 * width..]);
        let none = cuda::RowRuns::new(&[], 50, &[]);
        cuda::scatter_add(&EMULATOR, DevicePtr::NULL, &none, DevicePtr::NULL, width).unwrap();
        let sums = EMULATOR.zeros(50 * width).unwrap();
        let runs = cuda::RowRuns::new(&[49, 0, 49], 50, &[]);
        cuda::scatter_add(&EMULATOR, EMULATOR.ptr(&chosen), &runs, EMULATOR.ptr(&sums), width).unwrap();
        let sums = sums.read();
        assert_eq!(sums[..width], values[..width]);
        assert!((0..width).all(|i| sums[49 * width + i] == 2.0 * values[49 * width + i]));
        assert!(sums[width..49 * width].iter().all(|&sum| sum == 0.0));
    }
}
