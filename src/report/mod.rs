//! From the records in results/ to a table, a page and figures.
//!
//! `records` reads, `axes` lays out the sweep, `statistics` and `runs` summarise, `verdict` and `beside` judge, `frame`,
//! `tables`, `page` and `plot` show. A report needs results/ and nothing else, so that it builds on any machine.
//! Must never: train, load a model, touch the network or the clock.

pub mod axes;
pub mod discovery;
#[cfg(test)]
pub mod fixture;
pub mod frame;
pub mod page;
pub mod paper_comparison;
pub mod plot;
pub mod provenance;
pub mod records;
pub mod runs;
pub mod statistics;
pub mod table;
pub mod tables;
pub mod verdict;
pub mod write;

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{ExperimentSpec, Trial};

use axes::Axes;
pub use discovery::{DiscoveredExperiment, DiscoveredProfile, find};
use page::Page;
use records::Records;

/// What a report is built from.
pub struct ReportInput<'a> {
    /// The experiment with its profile and overrides applied.
    pub experiment: &'a ExperimentSpec,
    /// Name of the profile.
    pub profile: &'a str,
    /// The plan; a report shows these trials and no others.
    pub trials: &'a [Trial],
    /// Folder of the experiment's results: a folder a trial.
    pub results: &'a Path,
    /// Folder that receives the report; made where it is missing.
    pub out: &'a Path,
    /// The command line that builds this report again.
    pub command: &'a str,
}

/// What was built.
#[derive(Debug)]
pub struct ReportSummary {
    /// The files, report.md first.
    pub files: Vec<PathBuf>,
    /// Trials with an outcome.
    pub n_done: usize,
    /// Trials of the plan.
    pub n_trials: usize,
    /// Why some trials were left out: their records cannot be read.
    pub errors: Vec<Error>,
    /// The summary as fixed-width text.
    pub table: String,
    /// What was expected and whether it was seen.
    pub verdict: String,
}

/// Files that only a report beside published numbers has.
const BESIDE_FILES: [&str; 2] = ["paper.csv", "paper.tex"];

/// Builds the tables, the figures and report.md (last) into `input.out`.
///
/// # Errors
/// No finished trial that can be read, a folder that cannot be written. Nothing is written before all records are
/// read; a damaged trial is left out and named.
pub fn build(input: &ReportInput) -> Result<ReportSummary> {
    let records = records::read(input.results, input.trials);
    if records.done.is_empty() {
        let damage = records.errors.first().cloned();
        return Err(damage.unwrap_or_else(|| nothing_done(input, &records)));
    }
    let report = &input.experiment.report;
    let axes = Axes::new(report, input.trials);
    let summary = statistics::summarise(report, &axes, input.trials, &records);
    let runs = runs::of(&axes, input.trials, &records);
    let expect = &input.experiment.expect;
    let beside = match &expect.paper {
        Some(paper) => paper_comparison::beside(paper, &axes, &summary, input.trials, &records)?,
        None => None,
    };
    let ordered = beside.as_ref().map(paper_comparison::sentences).filter(|text| !text.is_empty());
    let verdict = verdict::judge(expect, &axes, &summary);
    let verdict = [Some(verdict), ordered].into_iter().flatten().collect::<Vec<_>>().join("\n");
    let csv = frame::to_csv(&mut frame::build(input, &records)?)?;

    fs::create_dir_all(input.out).map_err(|error| Error::storage(input.out, "make the folder", error))?;
    let mut files = vec![write::bytes(input.out, "table.csv", &csv)?];
    let scores = tables::scores(&axes, &summary, &runs);
    files.push(write::bytes(input.out, "table.tex", scores.to_latex().as_bytes())?);
    if let Some(beside) = &beside {
        files.push(write::bytes(input.out, "paper.csv", &paper_comparison::to_csv(beside)?)?);
        files.push(write::bytes(
            input.out,
            "paper.tex",
            paper_comparison::rows_table(beside).to_latex().as_bytes(),
        )?);
    }
    let figures = plot::draw_all(input, &axes, &summary, &records, &mut files)?;
    let page = Page {
        input,
        axes: &axes,
        summary: &summary,
        runs: &runs,
        records: &records,
        verdict: &verdict,
        beside: beside.as_ref(),
        figures: &figures,
    };
    let names = plot::file_names().chain(BESIDE_FILES.map(String::from));
    write::remove_stale(input.out, names, &files)?;
    files.insert(0, write::bytes(input.out, "report.md", page.markdown().as_bytes())?);
    Ok(ReportSummary {
        files,
        n_done: records.done.len(),
        n_trials: input.trials.len(),
        table: tables::terminal(&axes, &summary).to_text(),
        verdict,
        errors: records.errors,
    })
}

fn nothing_done(input: &ReportInput, records: &Records) -> Error {
    let states: Vec<String> =
        records.open.iter().take(3).map(|open| format!("{} {}", open.trial.id, open.state)).collect();
    let more = if records.open.len() > states.len() { "; …" } else { "" };
    Error::new(
        ErrorKind::Data,
        format!(
            "{}: none of the {} trials of profile {} is done ({}{more})",
            input.results.display(),
            input.trials.len(),
            input.profile,
            states.join("; ")
        ),
        "run the experiment first, with the same profile and the same --set; or check --results",
    )
}

#[cfg(test)]
mod tests {
    use super::fixture::Fixture;
    use super::*;

    #[test]
    fn a_report_has_its_files_and_the_same_bytes_again() {
        let fixture = Fixture::new();
        let first = fixture.build().unwrap();
        let names: Vec<String> =
            first.files.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(
            names,
            [
                "report.md",
                "table.csv",
                "table.tex",
                "score.svg",
                "score.png",
                "curves.svg",
                "curves.png",
                "tasks.svg",
                "tasks.png"
            ]
        );
        let read = || first.files.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>();
        let before = read();
        fixture.build().unwrap();
        assert!(before == read(), "the same records gave other bytes");
        assert_eq!(fs::read_dir(fixture.out()).unwrap().count(), names.len(), "temporary files were left");
        assert_eq!((first.n_done, first.n_trials), (6, 6));
        insta::assert_snapshot!(first.table, @r"
        generator ratio  trials            cola             rte            mean           mlm %          disc %
        ───────────────────────────────────────────────────────────────────────────────────────────────────────
        0.25                2/2  28.2 ± 1.4 (2)  63.2 ± 1.4 (2)  45.7 ± 1.4 (2)  46.6 ± 0.0 (2)  91.0 ± 0.6 (2)
        0.5                 2/2  29.2 ± 0.8 (2)  64.2 ± 0.8 (2)  46.7 ± 0.8 (2)  46.6 ± 0.0 (2)  91.4 ± 0.3 (2)
        1.0                 2/2  23.3 ± 0.3 (2)  58.3 ± 0.3 (2)  40.8 ± 0.3 (2)  51.9 ± 0.0 (2)  90.2 ± 0.1 (2)
        majority class                      0.0            52.5            26.2
        ");
    }

    #[test]
    fn without_a_finished_trial_nothing_is_written() {
        let fixture = Fixture::new();
        for trial in &fixture.trials {
            fs::remove_file(fixture.results().join(&trial.id.0).join("outcome.json")).unwrap();
        }
        let error = fixture.build().unwrap_err();
        let mut text = error.to_string().replace(&fixture.results().display().to_string(), "RESULTS");
        for trial in &fixture.trials {
            text = text.replace(&trial.id.0, "ID");
        }
        insta::assert_snapshot!(text, @r"
        RESULTS: none of the 6 trials of profile quick is done (ID unfinished, at step 200; ID unfinished, at step 200; ID unfinished, at step 200; …)
        hint: run the experiment first, with the same profile and the same --set; or check --results
        ");
        assert!(!fixture.out().exists());
    }

    #[test]
    fn a_damaged_trial_is_named_and_left_out() {
        let fixture = Fixture::new();
        let damage = |index: usize| {
            let id = &fixture.trials[index].id.0;
            fs::write(fixture.results().join(id).join("outcome.json"), "{").unwrap();
        };
        damage(0);
        let report = fixture.build().unwrap();
        assert_eq!((report.n_done, report.n_trials, report.errors.len()), (5, 6, 1));
        let page = fs::read_to_string(fixture.out().join("report.md")).unwrap();
        assert!(page.contains(": damaged: ") && page.contains("outcome.json:1: cannot be read"), "{page}");
        (1..6).for_each(damage);
        assert!(fixture.build().unwrap_err().message.contains("outcome.json:1: cannot be read"));
    }

    #[test]
    fn no_figure_of_an_earlier_report_stays() {
        let fixture = Fixture::new();
        fixture.build().unwrap();
        let kept = fixture.out().join("notes.png");
        fs::write(&kept, "a person's own").unwrap();
        for trial in &fixture.trials {
            fs::remove_file(fixture.results().join(&trial.id.0).join("metrics.jsonl")).unwrap();
        }
        let files = fixture.build().unwrap().files;
        for name in ["curves.svg", "curves.png"] {
            let path = fixture.out().join(name);
            assert!(!files.contains(&path) && !path.exists(), "{name} stays");
        }
        assert!(fixture.out().join("score.svg").exists() && kept.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let fixture = Fixture::new();
        fs::write(fixture.out(), "a file in the way").unwrap();
        let error = fixture.build().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Storage);
        assert!(error.message.contains("reports"), "{error}");
    }
}
