//! The compute device: the only place that opens what `--device` names, and what records say about it.

use std::fmt;
use std::str::FromStr;

use candle_core::{Device, DeviceLocation};

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{Precision, Trial};

/// A value of `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device where the build supports it and there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device with this number.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let number = |text: &str| text.parse().ok().map(Self::Cuda);
        match text {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            _ => text.strip_prefix("cuda:").and_then(number),
        }
        .ok_or_else(|| "use auto, cpu, cuda, or cuda:N with the number of a device".into())
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Opens a device.
///
/// # Errors
/// The build has no CUDA, or the device cannot be opened.
pub fn choose(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto if cfg!(feature = "cuda") => Ok(open(0).unwrap_or(Device::Cpu)),
        DeviceChoice::Auto => Ok(Device::Cpu),
        DeviceChoice::Cuda(_) if !cfg!(feature = "cuda") => Err(Error::new(
            ErrorKind::Device,
            format!("--device {choice}: this electra-lab was built without CUDA"),
            "build it with `cargo build --release --features cuda`, or pass --device cpu",
        )),
        DeviceChoice::Cuda(number) => open(number).map_err(|error| {
            Error::new(
                ErrorKind::Device,
                format!("--device {choice}: the device cannot be opened"),
                "see which devices `nvidia-smi` lists, or pass --device cpu",
            )
            .because(error)
        }),
    }
}

fn open(number: usize) -> candle_core::Result<Device> {
    let device = Device::new_cuda(number)?;
    #[cfg(feature = "cuda")]
    {
        keep_freed_memory(&device)?;
        // SAFETY: a thread has one stream and keeps its tensors (`on_this_thread`), so nothing on the device
        // waits for an event. With tracking, each buffer would create two.
        unsafe { device.as_cuda_device()?.disable_event_tracking() };
    }
    Ok(device)
}

/// Lets a CUDA device keep freed memory for the next step. By default it returns to the system whenever the
/// host waits, and every step would map its gigabytes again.
#[cfg(feature = "cuda")]
fn keep_freed_memory(device: &Device) -> candle_core::Result<()> {
    use candle_core::cuda_backend::WrapErr;
    use candle_core::cuda_backend::cudarc::driver::sys;
    let Some(pool) = memory_pool(device)? else { return Ok(()) };
    let threshold = sys::CUmemPool_attribute_enum::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    let mut limit = u64::MAX;
    // SAFETY: the pool belongs to an open device, and the attribute is a number of 64 bits.
    unsafe { sys::cuMemPoolSetAttribute(pool, threshold, (&raw mut limit).cast()).result().w() }
}

/// The pool of a CUDA device's buffers; None on a device without one.
#[cfg(feature = "cuda")]
fn memory_pool(
    device: &Device,
) -> candle_core::Result<Option<candle_core::cuda_backend::cudarc::driver::sys::CUmemoryPool>> {
    use candle_core::cuda_backend::WrapErr;
    use candle_core::cuda_backend::cudarc::driver::sys;
    let context = device.as_cuda_device()?.cuda_stream().context().clone();
    let mut pool = std::ptr::null_mut();
    if !context.has_async_alloc() {
        return Ok(None);
    }
    // SAFETY: the device is open.
    unsafe { sys::cuDeviceGetDefaultMemPool(&raw mut pool, context.cu_device()).result().w()? };
    Ok(Some(pool))
}

/// Peak memory in use on a CUDA device since it was opened, in MiB; None on other devices, and where the
/// driver does not count it.
pub fn peak_device_mib(device: &Device) -> Result<Option<u64>> {
    if !device.is_cuda() {
        return Ok(None);
    }
    #[cfg(feature = "cuda")]
    if let Some(pool) = memory_pool(device)? {
        use candle_core::cuda_backend::WrapErr;
        use candle_core::cuda_backend::cudarc::driver::sys;
        let (high, mut bytes) = (sys::CUmemPool_attribute_enum::CU_MEMPOOL_ATTR_USED_MEM_HIGH, 0u64);
        // SAFETY: the pool belongs to an open device, and the attribute is a number of 64 bits.
        unsafe { sys::cuMemPoolGetAttribute(pool, high, (&raw mut bytes).cast()).result().w()? };
        return Ok(Some(bytes >> 20));
    }
    Ok(None)
}

/// The same device for use by this thread: parallel trials share neither cuBLAS's workspace nor each other's
/// errors.
pub fn on_this_thread(device: &Device) -> Result<Device> {
    match device.location() {
        DeviceLocation::Cuda { gpu_id } => choose(DeviceChoice::Cuda(gpu_id)),
        _ => Ok(device.clone()),
    }
}

/// Errors where a trial asks for a precision that the device does not have.
pub fn check_precision<'a>(device: &Device, trials: impl IntoIterator<Item = &'a Trial>) -> Result<()> {
    let is_reduced = |trial: &&Trial| trial.spec.train.precision != Precision::F32;
    let Some(trial) = trials.into_iter().find(is_reduced) else { return Ok(()) };
    let Some(why) = f32_only(device)? else { return Ok(()) };
    let precision = if trial.spec.train.precision == Precision::Bf16 { "bf16" } else { "tf32" };
    Err(Error::new(
        ErrorKind::Device,
        format!("trial {}: base.train.precision = {precision}, but {why}", trial.label()),
        "set base.train.precision to f32, or pass --device cuda on a machine with an Ampere GPU or newer",
    ))
}

/// Why a device computes in f32 only, if it does.
pub fn f32_only(device: &Device) -> Result<Option<&'static str>> {
    if device.is_cpu() {
        return Ok(Some("the CPU computes in f32 only"));
    }
    #[cfg(feature = "cuda")]
    {
        use candle_core::cuda_backend::{WrapErr, cudarc::driver::sys::CUdevice_attribute};
        let major = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
        if device.as_cuda_device()?.cuda_stream().context().attribute(major).w()? < 8 {
            return Ok(Some("the CUDA device is older than Ampere and computes in f32 only"));
        }
    }
    Ok(None)
}

/// The device's name in records: `cpu`, or `cuda:0` and the model.
pub fn describe(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".into(),
        #[cfg(feature = "cuda")]
        DeviceLocation::Cuda { gpu_id } => {
            let name = device.as_cuda_device().ok().and_then(|cuda| cuda.cuda_stream().context().name().ok());
            format!("cuda:{gpu_id} {}", name.unwrap_or_default()).trim_end().into()
        }
        #[cfg(not(feature = "cuda"))]
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture::a_trial;

    #[test]
    fn the_cpu_computes_in_f32_only() {
        let mut trial = a_trial(1);
        assert!(check_precision(&Device::Cpu, [&trial]).is_ok());
        trial.spec.train.precision = Precision::Bf16;
        insta::assert_snapshot!(check_precision(&Device::Cpu, [&trial]).unwrap_err(), @r#"
        trial seed=1: base.train.precision = bf16, but the CPU computes in f32 only
        hint: set base.train.precision to f32, or pass --device cuda on a machine with an Ampere GPU or newer
        "#);
    }

    #[test]
    fn device_names_are_parsed() {
        let parse = |text: &str| text.parse::<DeviceChoice>();
        assert_eq!(parse("auto"), Ok(DeviceChoice::Auto));
        assert_eq!(parse("cpu"), Ok(DeviceChoice::Cpu));
        assert_eq!(parse("cuda"), Ok(DeviceChoice::Cuda(0)));
        assert_eq!(parse("cuda:3"), Ok(DeviceChoice::Cuda(3)));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(describe(&choose(DeviceChoice::Cpu).unwrap()), "cpu");
        assert!(choose(DeviceChoice::Auto).is_ok());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn cuda_without_the_feature_names_the_build_command() {
        insta::assert_snapshot!(choose(DeviceChoice::Cuda(1)).unwrap_err(), @r"
        --device cuda:1: this electra-lab was built without CUDA
        hint: build it with `cargo build --release --features cuda`, or pass --device cpu
        ");
    }
}
