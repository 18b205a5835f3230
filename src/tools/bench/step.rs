//! Times one whole joint step: generator, sampling, discriminator, backward, clip, optimizer.
//!
//! Random tokens of full length over a vocabulary of 30,522, ELECTRA's shapes, dropout 0.1. The units and the
//! JSON keys are those of the PyTorch script that the project is compared with: tokens/s = batch × seq over a
//! step's seconds.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result, lack_of_threads};
use crate::experiment::{ModelSize, ModelSpec, Precision, TrainSpec, TrialSpec};
use crate::flops;
use crate::objective::{Objective, Vocabulary, build};
use crate::records::median;
use crate::rng::{Purpose, Stream};
use crate::run::device::{DeviceChoice, choose, describe, f32_only, peak_device_mib};
use crate::text::Batch;
use crate::train::{Optimizer, Stepper};

/// Size of BERT's English vocabulary.
const VOCAB: usize = 30_522;

/// Steps before the clock starts.
const WARM_UP: usize = 2;

/// Steps of the learning-rate schedule whose first ones are timed.
const SCHEDULE: u64 = 1_000_000;

/// What to time.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// Named shape.
    pub size: ModelSize,
    /// Sequences per step.
    pub batch: usize,
    /// Sequences computed at a time; None computes the batch at once.
    pub micro_batch: Option<usize>,
    /// Tokens per sequence.
    pub seq: usize,
    /// Threads that compute; None takes the machine's.
    pub threads: Option<usize>,
    /// Timed steps.
    pub steps: usize,
    /// Generator width as a share of the discriminator's.
    pub ratio: f64,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Precision of the factors of matrix products.
    pub precision: Precision,
}

/// What was timed.
#[derive(Clone, Debug, Serialize)]
pub struct BenchResult {
    /// Shape, as named.
    pub size: ModelSize,
    /// Sequences per step.
    pub batch: usize,
    /// Sequences computed at a time, if not the whole batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// Tokens per sequence.
    pub seq: usize,
    /// Threads that computed.
    pub threads: usize,
    /// Where it was computed, `cpu` or `cuda:0`.
    pub device: String,
    /// Precision of the factors of matrix products.
    pub precision: Precision,
    /// Timed steps.
    pub steps: usize,
    /// batch × seq over the median step's seconds.
    pub tokens_per_s_median: f64,
    /// batch × seq over the best step's seconds.
    pub tokens_per_s_best: f64,
    /// Peak resident memory; absent where the system does not report it.
    pub peak_rss_mib: Option<u64>,
    /// Peak memory in use on a CUDA device; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_device_mib: Option<u64>,
    /// GFLOP/s of a large matrix product on this machine, the best of several.
    pub gemm_gflops: f64,
    /// Share of that rate that the median step's own matrix products reach.
    pub gemm_share: f64,
    /// Version of this crate.
    pub version: &'static str,
}

/// Times `options.steps` joint steps after two unmeasured ones.
pub fn step(options: &BenchOptions) -> Result<BenchResult> {
    on_threads(options.threads, |threads| timed(options, threads))
}

/// Runs `body` on `threads` threads, by default the machine's, and passes it their number.
pub(crate) fn on_threads<R: Send>(
    threads: Option<usize>,
    body: impl FnOnce(usize) -> Result<R> + Send,
) -> Result<R> {
    let threads = threads.unwrap_or_else(rayon::current_num_threads);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| lack_of_threads().because(error))?;
    pool.install(|| body(threads))
}

/// A model that trains on random tokens, one step at a time.
pub struct Steps {
    options: BenchOptions,
    train: TrainSpec,
    objective: Box<dyn Objective>,
    optimizer: Optimizer,
    next: u64,
}

impl Steps {
    /// Makes the model. Its steps run on the caller's thread pool; `options.threads` is ignored.
    pub fn new(options: &BenchOptions) -> Result<Self> {
        Self::on(&choose(options.device)?, options)
    }

    fn on(device: &Device, options: &BenchOptions) -> Result<Self> {
        let spec = trial(options);
        let never_masked = vec![0, 101, 102, 103];
        let vocabulary =
            Vocabulary { size: VOCAB, mask: 103, never_masked, counts: Vec::new(), bigrams: None };
        let objective = build(&spec, &vocabulary, device)?;
        let optimizer = Optimizer::new((&spec.train).into(), objective.parameters())?;
        Ok(Self { options: options.clone(), train: spec.train, objective, optimizer, next: 0 })
    }

    /// One step.
    pub fn advance(&mut self) -> Result<()> {
        let batch = random_batch(&self.options, self.next);
        let (spec, objective) = (&self.train, self.objective.as_ref());
        let stepper = Stepper { seed: 1, spec, n_steps: SCHEDULE, objective, trace: false };
        // The PyTorch script also waits for its device after every step.
        stepper.step(&mut self.optimizer, self.next, batch)?.norm.wait()?;
        self.next += 1;
        Ok(())
    }
}

fn timed(options: &BenchOptions, threads: usize) -> Result<BenchResult> {
    let (spec, device) = (trial(options), choose(options.device)?);
    if options.precision != Precision::F32
        && let Some(why) = f32_only(&device)?
    {
        let hint = "leave out --precision, or pass --device cuda on a machine with an Ampere GPU or newer";
        return Err(Error::new(ErrorKind::Device, why, hint));
    }
    let mut steps = Steps::on(&device, options)?;
    for _ in 0..WARM_UP {
        steps.advance()?;
    }
    let mut seconds = Vec::new();
    for _ in 0..options.steps.max(1) {
        let began = Instant::now();
        steps.advance()?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    let median = median(&seconds).unwrap_or(f64::NAN);
    let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let tokens = (options.batch * options.seq) as f64;
    // Read before the large product below allocates its own memory.
    let peak_device_mib = peak_device_mib(&device)?;
    let gemm_gflops = gemm_rate(&device, options.precision)?;
    let step_gflops = flops::train_flops_per_step(&spec, VOCAB, spec.train.steps) / median / 1e9;
    Ok(BenchResult {
        size: options.size,
        batch: options.batch,
        micro_batch: options.micro_batch,
        seq: options.seq,
        threads,
        device: describe(&device),
        precision: options.precision,
        steps: seconds.len(),
        tokens_per_s_median: tokens / median,
        tokens_per_s_best: tokens / best,
        peak_rss_mib: peak_rss_mib(),
        peak_device_mib,
        gemm_gflops,
        gemm_share: step_gflops / gemm_gflops,
        version: env!("CARGO_PKG_VERSION"),
    })
}

fn trial(options: &BenchOptions) -> TrialSpec {
    let positions = options.seq.max(512);
    let model =
        ModelSpec { size: options.size, generator_ratio: options.ratio, positions, ..Default::default() };
    let BenchOptions { batch, micro_batch, seq: seq_len, precision, .. } = *options;
    let train = TrainSpec { batch, micro_batch, seq_len, precision, ..Default::default() };
    let (objective, data, init, evaluate) = Default::default();
    TrialSpec { seed: 1, model, objective, data, train, published: None, init, evaluate, control: None }
}

fn random_batch(options: &BenchOptions, step: u64) -> Batch {
    let mut batch = Batch::new();
    for sequence in 0..options.batch as u64 {
        let mut stream = Stream::new(1, Purpose::Test, step, sequence);
        let ids: Vec<u32> = (0..options.seq).map(|_| 1000 + stream.below(VOCAB - 1000) as u32).collect();
        batch.push(&ids, &vec![0; options.seq]);
    }
    batch
}

/// Best rate in GFLOP/s of a 4096×256 by 256×1024 product, the largest of an ELECTRA-Small layer; on another
/// device of one of 8192×8192 by 8192×8192, in bfloat16 where that is the precision.
fn gemm_rate(device: &Device, precision: Precision) -> Result<f64> {
    let (m, k, n) = if device.is_cpu() { (4096, 256, 1024) } else { (8192, 8192, 8192) };
    let dtype = if precision == Precision::Bf16 { DType::BF16 } else { DType::F32 };
    let (a, b) = (Tensor::ones((m, k), dtype, device)?, Tensor::ones((k, n), dtype, device)?);
    candle_core::cuda::set_gemm_reduced_precision_f32(precision == Precision::Tf32);
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let began = Instant::now();
        a.matmul(&b)?;
        device.synchronize()?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(2.0 * (m * k * n) as f64 / best / 1e9)
}

/// The process's largest resident memory so far.
pub(crate) fn peak_rss_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}
