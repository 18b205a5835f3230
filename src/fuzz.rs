//! Everything that reads bytes reads damaged files without a panic, a hang, or memory that only a header asks
//! for.
//!
//! Each target is a folder of real, small files and a reader. An input is the folder with one of its files
//! mutated: flipped bits, huge numbers, cuts, repeats, splices. The reader may accept it or refuse it with a
//! documented error; an internal error is a bug. Inputs depend on their number alone, so a failure can be
//! repeated. `CONTRIBUTING.md` has the command for tens of thousands of inputs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use polars::prelude::DataFrame;

use crate::error::{Error, ErrorKind, Result};
use crate::hub::DataEnv;
use crate::rng::{Purpose, Stream};

/// Inputs of each target in the test suite.
const N_INPUTS: u64 = 200;
/// A number of inputs of each target in place of [`N_INPUTS`].
const N_VARIABLE: &str = "ELECTRA_LAB_FUZZ";
/// The most memory that one allocation may ask for; all files are smaller than 100 KiB.
const MOST_BYTES: usize = 64 << 20;
/// The most time for one input, many times what it takes.
const MOST_TIME: Duration = Duration::from_secs(10);

/// The system's allocator, which notes the largest request of the process.
struct Noting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are those of the same call.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are those of the same call.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's promises are those of the same call.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those of the same call.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

fn note(size: usize) {
    if size > MOST_BYTES {
        LARGEST.fetch_max(size, Relaxed);
    }
}

/// A reader, the folder with its files, and those that are mutated, with their intact bytes.
struct Target {
    name: &'static str,
    folder: tempfile::TempDir,
    files: Vec<(PathBuf, Vec<u8>)>,
    read: fn(&Path) -> Result<()>,
}

impl Target {
    /// Mutates these files of a folder.
    fn new(
        name: &'static str,
        folder: tempfile::TempDir,
        files: &[&str],
        read: fn(&Path) -> Result<()>,
    ) -> Self {
        let intact = |file: &&str| {
            let path = folder.path().join(file);
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
            (path, bytes)
        };
        let files = files.iter().map(intact).collect();
        Self { name, folder, files, read }
    }

    /// Reads the folder with `n` mutations in turn.
    fn run(&self, n: u64) {
        (self.read)(self.folder.path())
            .unwrap_or_else(|error| panic!("{}: intact files are refused: {error}", self.name));
        let mut n_accepted = 0;
        for number in 0..n {
            let mut stream = Stream::new(
                0,
                Purpose::Test,
                blake3::hash(self.name.as_bytes()).as_bytes()[0].into(),
                number,
            );
            let (path, bytes) = &self.files[stream.below(self.files.len())];
            let others: Vec<&[u8]> = self.files.iter().map(|(_, bytes)| bytes.as_slice()).collect();
            std::fs::write(path, mutated(bytes, &others, &mut stream)).unwrap();
            let began = Instant::now();
            LARGEST.store(0, Relaxed);
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| (self.read)(self.folder.path())));
            let wrong = match outcome {
                Err(panic) => Some(format!("a panic: {}", message_of(&*panic))),
                Ok(Err(error)) if error.kind == ErrorKind::Internal => Some(format!("a bug: {error}")),
                Ok(result) => {
                    n_accepted += u64::from(result.is_ok());
                    let (took, largest) = (began.elapsed(), LARGEST.load(Relaxed));
                    let is_large = (largest > MOST_BYTES).then(|| format!("{largest} bytes at once"));
                    is_large.or_else(|| (took > MOST_TIME).then(|| format!("{took:?}")))
                }
            };
            if let Some(wrong) = wrong {
                let kept = std::env::temp_dir().join(format!("electra-lab-fuzz-{}-{number}", self.name));
                let _ = std::fs::copy(path, &kept);
                panic!("{}, input {number} of {}: {wrong} ({})", self.name, path.display(), kept.display());
            }
            std::fs::write(path, bytes).unwrap();
        }
        assert!(n_accepted < n, "{}: no input was refused", self.name);
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".into())
}

/// Texts that numbers of a text are replaced by.
const NUMBERS: [&str; 10] = [
    "-1",
    "0",
    "1e308",
    "NaN",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "-9223372036854775808",
    "0.5",
    "1000000000",
];

/// The bytes with one to four mutations.
fn mutated(intact: &[u8], others: &[&[u8]], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = intact.to_vec();
    for _ in 0..1 + stream.below(4) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = stream.below(bytes.len());
        let length = (1 + stream.below(40)).min(bytes.len() - at);
        match stream.below(9) {
            0 => bytes[at] ^= 1 << stream.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'\n'][stream.below(8)],
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let part = bytes[at..at + length].repeat(1 + stream.below(50));
                bytes.splice(at..at, part);
            }
            5 => {
                let huge: u64 = [u64::MAX, 1 << 63, 1 << 40, u64::from(u32::MAX), 1 << 31][stream.below(5)];
                let width = [2, 4, 8][stream.below(3)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&huge.to_le_bytes()[..width]);
            }
            6 => {
                let other = others[stream.below(others.len())];
                let from = stream.below(other.len().max(1));
                let part = other.iter().skip(from).take(length * 4).copied().collect::<Vec<u8>>();
                bytes.splice(at..at + length, part);
            }
            _ => {
                // The next number in a text.
                let start = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit()).unwrap_or(at);
                let end = (start..bytes.len()).find(|at| !bytes[*at].is_ascii_digit()).unwrap_or(bytes.len());
                bytes.splice(start..end, NUMBERS[stream.below(NUMBERS.len())].bytes());
            }
        }
    }
    bytes
}

/// How many inputs each target gets.
fn n_inputs() -> u64 {
    std::env::var(N_VARIABLE).ok().and_then(|n| n.parse().ok()).unwrap_or(N_INPUTS)
}

fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// An error that may hide a worse one: the internal one of several results, or else the first.
fn worst(results: impl IntoIterator<Item = Result<()>>) -> Result<()> {
    let errors: Vec<Error> = results.into_iter().filter_map(Result::err).collect();
    let internal = errors.iter().find(|error| error.kind == ErrorKind::Internal);
    internal.or(errors.first()).map_or(Ok(()), |error| Err(error.clone()))
}

#[test]
fn experiment_files() {
    let read = |folder: &Path| {
        let file = folder.join("a.yaml");
        worst([None, Some("small")].map(|profile| crate::experiment::load(&file, profile, &[]).map(drop)))
    };
    let text = include_bytes!("../experiments/gen_ratio.yaml");
    let small = b"name: a\nabout: b\nbase: { train: { steps: 10, warmup: 2 }, model: { size: tiny } }\n\
        sweep: { model.generator_ratio: [0.25, 0.5] }\nseeds: [1, 2]\nprofiles: { small: { seeds: [3] } }\n";
    let folder = folder_with(&[("a.yaml", small), ("b.yaml", text)]);
    // The longer file lends its parts to the splices.
    Target::new("experiment", folder, &["a.yaml", "b.yaml"], read).run(n_inputs());
}

#[test]
fn parquet_files() {
    fn read(folder: &Path) -> Result<()> {
        use crate::formats::parquet::{FileOrigin, ParquetFile, number_column, text_column};
        let each = |name: &str, columns: &[&str], of: fn(&DataFrame, &str) -> Result<()>| -> Result<()> {
            let file = ParquetFile::open(&folder.join(name), FileOrigin::Local)?;
            for rows in file.slices() {
                worst(columns.iter().map(|column| of(&file.read(&[column], rows.clone())?, column)))?;
            }
            Ok(())
        };
        let texts = |frame: &DataFrame, column: &str| text_column(frame, column, "a").map(drop);
        let numbers = |frame: &DataFrame, column: &str| number_column(frame, column, "a").map(drop);
        worst([
            each("columns.parquet", &["text", "large_text", "category", "nulls"], texts),
            each("columns.parquet", &["int8", "uint8", "int16", "uint16", "bool", "double"], numbers),
            crate::tasks::squad_questions(&folder.join("squad.parquet")).map(drop),
        ])
    }
    let folder = folder_with(&[
        ("columns.parquet", include_bytes!("../tests/golden/columns.parquet")),
        ("squad.parquet", include_bytes!("../tests/golden/squad_list.parquet")),
    ]);
    Target::new("parquet", folder, &["columns.parquet", "squad.parquet"], read).run(n_inputs());
}

const WORDS: &str = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat .";

/// A tiny model as `export` writes it.
fn a_model() -> tempfile::TempDir {
    let words: Vec<String> = WORDS.split(' ').map(String::from).collect();
    let folder = tempfile::tempdir().unwrap();
    crate::checkpoint::fixture::a_pair(words.len()).main.write(folder.path(), 0).unwrap();
    let tokenizer = crate::text::Tokenizer::from_vocabulary(&words, "a test").unwrap();
    tokenizer.write_files(folder.path(), 16).unwrap();
    folder
}

#[test]
fn published_models() {
    let read = |folder: &Path| {
        let (published, tokenizer) = crate::tasks::open_published(folder)?;
        let network = published.discriminator(&candle_core::Device::Cpu).map(drop);
        let encoded =
            tokenizer.map_or(Ok(()), |one| one.encode_as_published("The cat [MASK].", None).map(drop));
        worst([network, encoded])
    };
    let files = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    Target::new("model", a_model(), &files, read).run(n_inputs());
}

#[test]
fn sharded_weights() {
    let folder = a_model();
    let whole = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&whole).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let shard = "model-00001-of-00001.safetensors";
    let names: std::collections::BTreeMap<String, &str> =
        header.tensors().into_keys().map(|name| (name, shard)).collect();
    std::fs::rename(whole, folder.path().join(shard)).unwrap();
    let index = serde_json::json!({"metadata": {}, "weight_map": names}).to_string();
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let read = |folder: &Path| {
        crate::checkpoint::Published::open(folder)?.discriminator(&candle_core::Device::Cpu).map(drop)
    };
    Target::new("shards", folder, &["model.safetensors.index.json", shard], read).run(n_inputs());
}

#[test]
fn vocabularies() {
    let folder = folder_with(&[("vocab.txt", include_bytes!("../tests/golden/vocabulary.txt"))]);
    let read = |folder: &Path| {
        let tokenizer = crate::text::tokenizer_in(folder)?.ok_or_else(|| Error::internal("no tokenizer"))?;
        tokenizer.encode("The cat sat, naïvely.").map(drop)
    };
    Target::new("vocabulary", folder, &["vocab.txt"], read).run(n_inputs());
}

/// Models whose weights are a pickle, of PyTorch before 1.6 and of today: of the right form, with tensors
/// that belong to no network.
#[test]
fn pickled_weights() {
    let read = |folder: &Path| match crate::checkpoint::Published::open(folder) {
        Err(error) if error.message.contains("has no tensor embeddings.word_embeddings.weight") => Ok(()),
        other => other.map(drop),
    };
    let legacy = include_bytes!("../tests/golden/legacy.bin");
    let zipped = include_bytes!("../tests/golden/pytorch.bin");
    for (name, bytes) in [("pickle", &legacy[..]), ("zipped_pickle", &zipped[..])] {
        let folder = a_model();
        std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
        std::fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
        Target::new(name, folder, &["pytorch_model.bin"], read).run(n_inputs());
    }
}

/// A folder with a text and its exported archive.
#[test]
fn archives() {
    use crate::experiment::{DataSpec, TokenizerSpec};
    use crate::records::Silent;
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "The cat saw the dog.\nIt ran home.\n\n".repeat(120)).unwrap();
    let data = DataSpec::Files {
        paths: vec![text.display().to_string()],
        column: "text".into(),
        max_documents: None,
        sentences: Default::default(),
        tokenizer: TokenizerSpec::Own { size: 60, documents: 100 },
    };
    let archive = folder.path().join("text.archive");
    let env = DataEnv::at(&folder.path().join("cache"));
    crate::text::export_archive(&[(&data, vec![16])], &archive, &env, &Silent).unwrap();
    let read = |folder: &Path| {
        let env = DataEnv::at(&folder.join("elsewhere"));
        let imported = crate::text::import_archive(&folder.join("text.archive"), &env, &Silent).map(drop);
        let _ = std::fs::remove_dir_all(folder.join("elsewhere"));
        imported
    };
    Target::new("archive", folder, &["text.archive"], read).run(n_inputs());
}

#[test]
fn records_of_trials() {
    use crate::experiment::TaskName;
    use crate::records::{Failure, PredictedExample, Predictions, RECORD_VERSION, TrialFolder, frame};
    use crate::run::fixture::{a_trial, a_trial_record, an_outcome};
    fn folder_of(folder: &Path) -> TrialFolder {
        TrialFolder::within(folder, &a_trial(1).id)
    }
    let folder = tempfile::tempdir().unwrap();
    let trial = folder_of(folder.path());
    std::fs::create_dir_all(trial.path()).unwrap();
    trial.write_trial(&a_trial_record(&a_trial(1).id)).unwrap();
    trial.write_outcome(&an_outcome(&a_trial(1).id)).unwrap();
    let failure = serde_json::json!({"record_version": 1, "message": "no", "at": "2026-01-01T00:00:00Z"});
    std::fs::write(trial.path().join("failure.json"), failure.to_string()).unwrap();
    let event = |step: u64| {
        format!(
            "{{\"split\":\"train\",\"step\":{step},\"tokens\":64,\"flops\":1e9,\"elapsed_s\":1.5,\"values\":{{\"loss\":9.5}}}}\n"
        )
    };
    std::fs::write(trial.metrics(), event(1) + &event(2)).unwrap();
    let example = |idx| PredictedExample { idx, prediction: 1.0, label: (idx % 2) as f64 };
    let predictions = Predictions {
        record_version: RECORD_VERSION,
        task: TaskName::Rte,
        synthetic: true,
        finetune_seed: 1,
        n_train: 10,
        steps: 5,
        majority: 0.0,
        n_cut: 0,
        examples: (0..4).map(example).collect(),
    };
    std::fs::create_dir_all(trial.path().join("predictions")).unwrap();
    trial.write_predictions(&predictions).unwrap();
    let read = |folder: &Path| {
        let trial = folder_of(folder);
        let predictions = trial.predictions(TaskName::Rte, 1).map(|read| {
            let score = |read: Predictions| crate::tasks::score(&crate::tasks::task_info(read.task), &read);
            drop(read.map(score));
        });
        let records = trial.records().and_then(|records| {
            let Some(records) = records else { return Ok(()) };
            let frames = frame::Frames::of(&[frame::FrameTrial {
                experiment: "a",
                profile: &records.trial.profile,
                record: &records.trial,
                outcome: records.outcome.as_ref(),
                events: &records.events,
            }])?;
            frame::to_csv(&frames.long()?).map(drop)
        });
        let failure = trial.failure().map(|_: Option<Failure>| ());
        worst([records, predictions, failure, trial.state().map(drop)])
    };
    let id = a_trial(1).id.to_string();
    let files = ["trial.json", "outcome.json", "metrics.jsonl", "failure.json", "predictions/rte-1.json"];
    let files = files.map(|name| format!("{id}/{name}"));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    Target::new("records", folder, &files, read).run(n_inputs());
}

#[test]
fn files_of_score() {
    use crate::tools::{score_glue, score_minimal_pairs, score_squad};
    let folder = folder_with(&[
        ("gold.tsv", b"index\tsentence1\tlabel\n0\ta\tentailment\n1\tb\tnot_entailment\n2\tc\t1\n"),
        ("RTE.tsv", b"index\tprediction\n0\tentailment\n1\t0\n2\t1.0\n"),
        ("dev.json", br#"{"version": "v2.0", "data": [{"title": "t", "paragraphs": [{"context": "It was 1900.", "qas": [{"id": "q0", "question": "When?", "answers": [{"text": "1900", "answer_start": 7}]}, {"id": "q1", "question": "When?", "is_impossible": true, "answers": []}]}]}]}"#),
        ("answers.json", br#"{"q0": "1900", "q1": ""}"#),
        ("na.json", br#"{"q0": 0.25, "q1": 0.75}"#),
        ("pairs.csv", b"set,paradigm,phenomenon,pair,scorer,good,bad,n_good,n_bad\ns,a,x,0,pll,-1,-2,3,4\ns,b,\"x,y\",0,pll,-3,-2,3,4\n"),
    ]);
    let read = |folder: &Path| {
        let path = |name: &str| folder.join(name);
        let rte = crate::tasks::glue_task("rte").ok_or_else(|| Error::internal("no task"))?;
        worst([
            score_glue(rte, &path("gold.tsv"), &path("RTE.tsv"), false, Some(100)).map(drop),
            score_squad(&path("dev.json"), &path("answers.json"), Some(&path("na.json")), 0.5, Some(100))
                .map(drop),
            score_minimal_pairs(&path("pairs.csv")).map(drop),
        ])
    };
    let files = ["gold.tsv", "RTE.tsv", "dev.json", "answers.json", "na.json", "pairs.csv"];
    Target::new("score", folder, &files, read).run(n_inputs());
}
