//! The declaration of kernels in Rust.

/// Declares the kernels of an operation: `SOURCE`, and a function per kernel that builds its call from
/// arguments of the right types. `x: [f32]` is a pointer that the kernel reads, `y: [mut f32]` one that it
/// writes, `n: u64` a value. A test compares the declarations with the `.cu` files (`ops/kernel_tests.rs`).
macro_rules! kernels {
    (
        $source:literal: [$($file:expr),* $(,)?];
        $($(#[$doc:meta])* fn $kernel:ident($($argument:ident: $kind:tt),* $(,)?);)*
    ) => {
        /// The kernels of this file.
        pub static SOURCE: $crate::ops::backend::source::Source = $crate::ops::backend::source::Source {
            name: concat!("electra-lab/", $source),
            files: &[$($file),*],
            kernels: &[$($crate::ops::backend::source::Signature {
                kernel: stringify!($kernel),
                parameters: &[$($crate::ops::backend::kernels::kernels!(@parameter $kind)),*],
            }),*],
        };

        $(
            $(#[$doc])*
            #[allow(clippy::too_many_arguments, reason = "the kernel's parameters")]
            fn $kernel<'a>(
                $($argument: $crate::ops::backend::kernels::kernels!(@type 'a $kind)),*
            ) -> $crate::ops::backend::launch::Call<'a> {
                $crate::ops::backend::launch::Call {
                    source: &SOURCE,
                    kernel: stringify!($kernel),
                    arguments: vec![$($crate::ops::backend::kernels::kernels!(@argument $argument $kind)),*],
                }
            }
        )*
    };
    (@parameter [mut $type:ty]) => {
        $crate::ops::backend::source::Parameter::Output(<$type as $crate::ops::backend::cuda_type::CudaType>::NAME)
    };
    (@parameter [$type:ty]) => {
        $crate::ops::backend::source::Parameter::Input(<$type as $crate::ops::backend::cuda_type::CudaType>::NAME)
    };
    (@parameter $type:ty) => {
        $crate::ops::backend::source::Parameter::Value(<$type as $crate::ops::backend::cuda_type::CudaType>::NAME)
    };
    (@type $life:lifetime [mut $type:ty]) => { $crate::ops::backend::launch::DevicePtr<$life, $type> };
    (@type $life:lifetime [$type:ty]) => { $crate::ops::backend::launch::DevicePtr<$life, $type> };
    (@type $life:lifetime $type:ty) => { $type };
    (@argument $argument:ident [$($type:tt)*]) => { $crate::ops::backend::launch::Argument::pointer($argument) };
    (@argument $argument:ident $type:ty) => { $crate::ops::backend::launch::Argument::value($argument) };
}
pub(crate) use kernels;
