//! The trainable parameters of a network, in the order in which they were made.
//!
//! candle's VarMap is a HashMap (its order differs between processes), initialises from a generator that
//! cannot be seeded, and has no groups. This store is ordered, seeded by name and grouped.

use candle_core::{DType, Device, Tensor, Var};

use super::difference_table::difference_table;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::INITIALIZER_RANGE;
use crate::precision::Precision;
use crate::rng::{Purpose, Stream};

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with the store's initialiser range as standard deviation, truncated at two of them
    /// (google-research/electra, every encoder weight).
    TruncatedNormal,
    /// Uniform in ±√(6 / (fan in + fan out)): TensorFlow's default, which the released code uses for the
    /// embedding projection, the discriminator's output and the task heads.
    Glorot,
    /// Zeros (biases).
    Zeros,
    /// A row of ones (γ) and a row of zeros (β).
    LayerNorm,
    /// Zeros, for a table that is a difference from another one. Weight decay pulls the two tables together.
    Difference,
}

/// One trainable tensor.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name, unique in the store.
    pub name: String,
    /// Its values.
    pub var: Var,
    /// Whether weight decay applies: to weights, but neither to LayerNorm nor to biases.
    pub decays: bool,
    /// 0 for embeddings, i + 1 for layer i, layers + 1 for heads. For layer-wise learning rates.
    pub depth: usize,
}

/// All trainable tensors of a network.
#[derive(Clone, Debug)]
pub struct Parameters {
    entries: Vec<Parameter>,
    device: Device,
    seed: u64,
    range: f64,
    n_sites: u64,
    precision: Precision,
    expected: fn(&str) -> bool,
}

impl Parameters {
    /// An empty store. `seed` decides the initial values.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self::expecting(seed, device, |_| false)
    }

    /// An empty store for a network that is loaded afterwards. The parameters that `expected` accepts by name
    /// are NaN until then, which saves drawing millions of initial values.
    pub fn expecting(seed: u64, device: &Device, expected: fn(&str) -> bool) -> Self {
        Self {
            entries: Vec::new(),
            device: device.clone(),
            seed,
            range: INITIALIZER_RANGE,
            n_sites: 0,
            precision: Precision::F32,
            expected,
        }
    }

    /// The same store with another standard deviation for the parameters that are still to be made.
    pub fn with_initializer_range(self, range: f64) -> Self {
        Self { range, ..self }
    }

    /// The same store with another precision of matrix products.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// A builder without a name prefix.
    pub fn builder(&mut self) -> Builder<'_> {
        Builder { store: self, prefix: String::new(), depth: 0 }
    }

    /// The device of all parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.entries.iter()
    }

    /// Number of trainable scalars.
    pub fn count(&self) -> u64 {
        self.entries.iter().map(|parameter| parameter.var.elem_count() as u64).sum()
    }

    /// The gradients of a scalar as the optimizer would take them, by parameter. Parameters that it does not
    /// reach are absent.
    #[cfg(test)]
    pub fn gradients(&self, loss: &Tensor) -> std::collections::BTreeMap<String, Tensor> {
        let mut gradients =
            crate::ops::gradients::Gradients::new(self.iter().map(|parameter| &parameter.var));
        gradients.backward(loss).unwrap();
        let named = |(index, parameter): (usize, &Parameter)| {
            Some((parameter.name.clone(), gradients.tensor(index).unwrap()?))
        };
        self.iter().enumerate().filter_map(named).collect()
    }

    /// The largest depth of a parameter.
    pub fn max_depth(&self) -> usize {
        self.entries.iter().map(|parameter| parameter.depth).max().unwrap_or(0)
    }

    /// Overwrites the parameters that `wanted` accepts with the tensors that `find` knows by the same name,
    /// or with the sum of a table and a difference from it ([`difference_table`]).
    ///
    /// # Errors
    /// A tensor is missing or has another shape. The error names it.
    pub fn load(&self, wanted: impl Fn(&str) -> bool, find: impl Fn(&str) -> Option<Tensor>) -> Result<()> {
        for parameter in self.entries.iter().filter(|parameter| wanted(&parameter.name)) {
            let name = &parameter.name;
            let mismatch = |what: String| {
                let hint = "the checkpoint belongs to another model; run with --force to train anew";
                Error::new(ErrorKind::Data, what, hint)
            };
            let tensor = match find(name) {
                None => difference_table(name, &find)?,
                found => found,
            };
            let tensor = tensor.ok_or_else(|| mismatch(format!("the checkpoint has no tensor `{name}`")))?;
            if tensor.shape() != parameter.var.shape() {
                let (got, expected) = (tensor.dims(), parameter.var.dims());
                let what = format!("the checkpoint's tensor `{name}` has shape {got:?}, not {expected:?}");
                return Err(mismatch(what));
            }
            parameter.var.set(&tensor.to_device(&self.device)?)?;
        }
        Ok(())
    }
}

/// Makes parameters under a name prefix and at a depth.
pub struct Builder<'a> {
    store: &'a mut Parameters,
    prefix: String,
    depth: usize,
}

impl Builder<'_> {
    /// A builder for the part named `name`.
    pub fn within(&mut self, name: &str) -> Builder<'_> {
        let prefix = if self.prefix.is_empty() { name.into() } else { format!("{}.{name}", self.prefix) };
        Builder { store: self.store, prefix, depth: self.depth }
    }

    /// The same prefix at another depth.
    pub fn at_depth(&mut self, depth: usize) -> Builder<'_> {
        Builder { store: self.store, prefix: self.prefix.clone(), depth }
    }

    /// Precision of the matrix products.
    pub fn precision(&self) -> Precision {
        self.store.precision
    }

    /// A new number for a dropout site.
    pub fn site(&mut self) -> u64 {
        self.store.n_sites += 1;
        self.store.n_sites
    }

    /// A new parameter. Its initial values depend on the seed and its name only.
    pub fn parameter(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let name = if self.prefix.is_empty() { name.into() } else { format!("{}.{name}", self.prefix) };
        if self.store.entries.iter().any(|parameter| parameter.name == name) {
            return Err(Error::internal(format!("two parameters are named `{name}`")));
        }
        let values = match (self.store.expected)(&name) {
            true => vec![f32::NAN; shape.iter().product()],
            false => initial(self.store.seed, self.store.range, &name, shape, init),
        };
        let tensor = Tensor::from_vec(values, shape, &self.store.device)?.to_dtype(DType::F32)?;
        let var = Var::from_tensor(&tensor)?;
        let handle = var.as_tensor().clone();
        let decays = matches!(init, Init::TruncatedNormal | Init::Glorot | Init::Difference);
        self.store.entries.push(Parameter { name, var, decays, depth: self.depth });
        Ok(handle)
    }
}

fn initial(seed: u64, range: f64, name: &str, shape: &[usize], init: Init) -> Vec<f32> {
    let n = shape.iter().product();
    let hash = blake3::hash(name.as_bytes());
    let index = hash.as_bytes().iter().take(8).fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    let mut stream = Stream::new(seed, Purpose::Init, 0, index);
    match init {
        Init::TruncatedNormal => (0..n).map(|_| (range * stream.truncated_normal()) as f32).collect(),
        Init::Glorot => {
            let limit = (6.0 / shape.iter().sum::<usize>().max(1) as f64).sqrt();
            (0..n).map(|_| ((2.0 * stream.uniform() - 1.0) * limit) as f32).collect()
        }
        Init::Zeros | Init::Difference => vec![0.0; n],
        Init::LayerNorm => (0..n).map(|i| if i < n / 2 { 1.0 } else { 0.0 }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(seed: u64, names: &[&str]) -> Vec<Vec<f32>> {
        let mut store = Parameters::new(seed, &Device::Cpu);
        let mut builder = store.builder();
        names
            .iter()
            .map(|name| builder.parameter(name, &[4, 3], Init::TruncatedNormal).unwrap())
            .map(|tensor| tensor.flatten_all().unwrap().to_vec1().unwrap())
            .collect()
    }

    #[test]
    fn initial_values_depend_on_seed_and_name_only() {
        let (a, b) = (values(1, &["x", "y"]), values(1, &["y", "x"]));
        assert_eq!((&a[0], &a[1]), (&b[1], &b[0]));
        assert_ne!(a[0], a[1]);
        assert_ne!(a[0], values(2, &["x"])[0]);
        assert!(a.iter().flatten().all(|v| v.abs() <= 0.04));
    }

    #[test]
    fn the_initializer_range_scales_initial_values() {
        let first = |mut store: Parameters| {
            let tensor = store.builder().parameter("x", &[4, 3], Init::TruncatedNormal).unwrap();
            tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let usual = first(Parameters::new(1, &Device::Cpu));
        let wide = first(Parameters::new(1, &Device::Cpu).with_initializer_range(4.0 * INITIALIZER_RANGE));
        let mut pairs = usual.iter().zip(&wide);
        assert!(pairs.all(|(usual, wide)| (wide - 4.0 * usual).abs() < 1e-7 && *wide != 0.0));
    }

    #[test]
    fn an_expected_parameter_is_nan_and_changes_no_other() {
        let mut store = Parameters::expecting(1, &Device::Cpu, |name| name == "x");
        let mut builder = store.builder();
        let mut first = |name| {
            let tensor = builder.parameter(name, &[4, 3], Init::TruncatedNormal).unwrap();
            tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert!(first("x").iter().all(|value| value.is_nan()));
        assert_eq!(first("y"), values(1, &["y"])[0]);
    }

    #[test]
    fn a_second_parameter_of_the_same_name_is_an_error() {
        let mut store = Parameters::new(1, &Device::Cpu);
        let mut builder = store.builder();
        builder.parameter("x", &[1, 1], Init::Zeros).unwrap();
        assert!(builder.parameter("x", &[1, 1], Init::Zeros).unwrap_err().message.contains("`x`"));
    }
}
