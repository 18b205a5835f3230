//! The declarations of all kernels against their sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::backend::primitives;
use super::backend::source::{Parameter, Source};
use super::*;

/// Every program of kernels.
pub const SOURCES: [&Source; 12] = [
    &primitives::SOURCE,
    &adam::cuda::SOURCE,
    &attention::cuda::SOURCE,
    &binary_cross_entropy::cuda::SOURCE,
    &corruption::cuda::SOURCE,
    &cross_entropy::cuda::SOURCE,
    &dropout::cuda::SOURCE,
    &embedding::cuda::SOURCE,
    &gather::cuda::SOURCE,
    &gelu::cuda::SOURCE,
    &layer_norm::cuda::SOURCE,
    &row_stats::cuda::SOURCE,
];

/// Before the name of every kernel.
const KERNEL: &str = "extern \"C\" __global__ void ";

/// The kernels of a program, with their parameters, as its text declares them.
fn declared(source: &Source) -> Vec<(String, Vec<String>)> {
    let program = source.program();
    let kernel = |rest: &str| {
        let (name, rest) = rest.split_once('(').unwrap();
        let (parameters, _) = rest.split_once(')').unwrap();
        let words = |parameter: &str| parameter.split_whitespace().collect::<Vec<_>>().join(" ");
        (name.to_string(), parameters.split(',').map(words).collect())
    };
    program.split(KERNEL).skip(1).map(kernel).collect()
}

/// A parameter as the sources write it, without its name.
fn written(parameter: Parameter) -> String {
    match parameter {
        Parameter::Value(name) => name.to_string(),
        Parameter::Input(name) => format!("const {name}*"),
        Parameter::Output(name) => format!("{name}*"),
    }
}

#[test]
fn declarations_agree_with_the_sources() {
    for source in SOURCES {
        let mut rust: Vec<(String, Vec<String>)> = Vec::new();
        for signature in source.kernels {
            let parameters = signature.parameters.iter().map(|&parameter| written(parameter)).collect();
            rust.push((signature.kernel.to_string(), parameters));
        }
        let mut cuda = declared(source);
        for (_, parameters) in &mut cuda {
            for parameter in parameters {
                let (kind, _name) = parameter.rsplit_once(' ').unwrap();
                *parameter = kind.to_string();
            }
        }
        rust.sort();
        cuda.sort();
        assert_eq!(rust, cuda, "{}", source.name);
    }
}

/// A `.cu` file that no program has would never be compiled.
#[test]
fn every_source_file_is_part_of_a_program() {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "cu" || extension == "cuh") {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let mut found = BTreeSet::new();
    walk(&root, &root, &mut found);
    let files = SOURCES.iter().flat_map(|source| source.files);
    let used: BTreeSet<String> = files.map(|(name, _)| (*name).to_string()).collect();
    assert_eq!(found, used);
    for (name, text) in SOURCES.iter().flat_map(|source| source.files) {
        assert!(fs::read_to_string(root.join(name)).unwrap() == *text, "{name} is named wrongly");
    }
    let names: BTreeSet<&str> = SOURCES.iter().map(|source| source.name).collect();
    assert_eq!(names.len(), SOURCES.len(), "two programs have one name");
}
