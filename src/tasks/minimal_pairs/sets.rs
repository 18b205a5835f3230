//! Sets of minimal pairs: BLiMP and Zorro from the hub, and the built-in language's own.
//!
//! Must never: change a sentence. Next: `scorers.rs`.

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{DataSpec, PairSetSpec};
use crate::formats::parquet::{FileOrigin, ParquetFile, text_column};
use crate::hub::{DataEnv, HubFiles, RepoKind};
use crate::text::MinimalPair;
use crate::text::synthetic::minimal_pairs;

/// Files of a set in its repository: a folder per paradigm.
const FILES: &str = "*/*.parquet";
/// BLiMP's selectional paradigms carry this term of their own in the files.
const SELECTION: &str = "s-selection";
/// The phenomenon to which the paper counts them, which makes 12 phenomena (Warstadt et al. 2020, Table 3).
const ARGUMENT_STRUCTURE: &str = "argument_structure";

/// A set of minimal pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct PairSet {
    /// Its word in the names of measures: `blimp`.
    pub word: &'static str,
    /// The pairs, paradigm by paradigm.
    pub pairs: Vec<MinimalPair>,
    /// Commit of the repository, or `built-in`.
    pub revision: String,
    /// Whether the pairs are the built-in language's.
    pub synthetic: bool,
}

impl PairSet {
    /// A hash of all pairs. It shows when a file changes and its revision does not.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for MinimalPair { paradigm, phenomenon, good, bad } in &self.pairs {
            hasher.update(serde_json::json!([paradigm, phenomenon, good, bad]).to_string().as_bytes());
        }
        hasher.finalize().to_hex()[..16].to_string()
    }
}

/// Opens a set of pairs.
///
/// # Errors
/// Files are not available or damaged; a column is missing; a sentence is missing. The message names file
/// and row.
pub fn open_pairs(set: &PairSetSpec, data: &DataSpec, env: &DataEnv) -> Result<PairSet> {
    let (word, synthetic) = (set.word(), set.is_synthetic());
    match set {
        PairSetSpec::Language { pairs } => {
            let seed = if let DataSpec::Language { seed, .. } = data { *seed } else { 0 };
            let pairs = minimal_pairs(*pairs, seed);
            Ok(PairSet { word, pairs, revision: "built-in".into(), synthetic })
        }
        PairSetSpec::Blimp { repo, revision, max_pairs, paradigms }
        | PairSetSpec::Zorro { repo, revision, max_pairs, paradigms } => {
            let files = pair_files(repo, revision, env)?;
            let mut pairs = Vec::new();
            for (_, (name, path)) in files.paths.iter().enumerate().filter(|(place, _)| paradigms.has(*place))
            {
                let file = ParquetFile::open(path, FileOrigin::Hub)?;
                pairs.extend(read_paradigm(set, name, &file, *max_pairs)?);
            }
            Ok(PairSet { word, pairs, revision: files.revision, synthetic })
        }
    }
}

/// The files of a set on the hub, found or downloaded.
pub fn pair_files(repo: &str, revision: &str, env: &DataEnv) -> Result<HubFiles> {
    env.hub.files(RepoKind::Dataset, repo, revision, FILES)
}

/// The first pairs of one paradigm's file.
fn read_paradigm(
    set: &PairSetSpec,
    name: &str,
    file: &ParquetFile,
    max_pairs: Option<usize>,
) -> Result<Vec<MinimalPair>> {
    let has_terms = matches!(set, PairSetSpec::Blimp { .. });
    let mut columns = vec!["sentence_good", "sentence_bad", "UID"];
    columns.extend(has_terms.then_some("linguistics_term"));
    let mut pairs = Vec::new();
    for rows in file.slices() {
        let frame = file.read(&columns, rows.clone())?;
        let column = |column: &str| text_column(&frame, column, name);
        let (good, bad, paradigms) = (column("sentence_good")?, column("sentence_bad")?, column("UID")?);
        let terms = if has_terms { Some(column("linguistics_term")?) } else { None };
        for (index, row) in rows.clone().enumerate() {
            if max_pairs.is_some_and(|most| pairs.len() >= most) {
                return Ok(pairs);
            }
            let text = |values: &[Option<String>], column: &str| {
                let value = values.get(index).cloned().flatten().filter(|text| !text.trim().is_empty());
                value.ok_or_else(|| missing(name, row, column))
            };
            let paradigm = text(&paradigms, "UID")?;
            let phenomenon = match &terms {
                Some(terms) => blimp_phenomenon(text(terms, "linguistics_term")?),
                // Zorro names a paradigm by its phenomenon and a case of it, joined by a hyphen.
                None => paradigm.split('-').next().unwrap_or_default().to_string(),
            };
            let (good, bad) = (text(&good, "sentence_good")?, text(&bad, "sentence_bad")?);
            pairs.push(MinimalPair { paradigm, phenomenon, good, bad });
        }
    }
    Ok(pairs)
}

fn blimp_phenomenon(term: String) -> String {
    if term == SELECTION { ARGUMENT_STRUCTURE.into() } else { term }
}

fn missing(file: &str, row: usize, column: &str) -> Error {
    let what = format!("{file} row {row} has no {column}");
    Error::new(ErrorKind::Data, what, "take the data set's own files: every row has both sentences and a UID")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "needs ELECTRA_LAB_TEST_HUB: a hub cache with real data"]
    fn real_sets_have_their_numbers() {
        let cache = crate::hub::test_hub();
        let config = crate::hub::HubConfig {
            cache: Some(cache.clone()),
            offline: true,
            ..crate::hub::HubConfig::default()
        };
        let env = DataEnv { hub: crate::hub::Hub::new(config), cache };
        let open = |text: &str| {
            let set: PairSetSpec = serde_json::from_str(text).unwrap();
            open_pairs(&set, &DataSpec::default(), &env).unwrap()
        };
        let distinct = |set: &PairSet, of: fn(&MinimalPair) -> &String| {
            set.pairs.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
        };
        let blimp = open(r#"{"kind": "blimp"}"#);
        let numbers = |set: &PairSet| {
            (set.pairs.len(), distinct(set, |pair| &pair.paradigm), distinct(set, |pair| &pair.phenomenon))
        };
        assert_eq!(numbers(&blimp), (67_000, 67, 12));
        let zorro = open(r#"{"kind": "zorro", "max_pairs": 100}"#);
        assert_eq!(numbers(&zorro), (2300, 23, 13));
        let half =
            |part: &str| open(&format!(r#"{{"kind": "blimp", "max_pairs": 2, "paradigms": "{part}"}}"#));
        let (tuning, claims) = (half("tuning"), half("claims"));
        assert_eq!((numbers(&tuning), numbers(&claims)), ((68, 34, 12), (66, 33, 12)));
        let paradigms = |set: &PairSet| -> std::collections::BTreeSet<String> {
            set.pairs.iter().map(|pair| pair.paradigm.clone()).collect()
        };
        assert!(paradigms(&tuning).is_disjoint(&paradigms(&claims)));
    }

    #[test]
    fn selection_belongs_to_argument_structure() {
        assert_eq!(blimp_phenomenon("s-selection".into()), "argument_structure");
        assert_eq!(blimp_phenomenon("binding".into()), "binding");
    }
}
