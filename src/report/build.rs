//! Builds a report: its tables, its figures and its page.

use std::fs;

use super::axes::Axes;
use super::frame::{PlanFrames, table_csv};
use super::input::{ReportInput, ReportSummary};
use super::page::Page;
use super::plan_records::{DoneTrial, PlanRecords};
use super::values::Measurements;
use super::{paper_comparison, plot, runs, statistics, tables, verdict, write};
use crate::error::{Error, ErrorKind, Result};

/// Files that only a report with published numbers has.
const COMPARISON_FILES: [&str; 2] = ["paper.csv", "paper.tex"];

/// Builds the tables, the figures and report.md (last) into `input.out`.
///
/// # Errors
/// There is no finished trial that can be read, or the folder cannot be written. Nothing is written before
/// all records are read. A damaged trial is left out and named.
pub fn build(input: &ReportInput) -> Result<ReportSummary> {
    let records = PlanRecords::read(input.results, input.trials);
    if records.done.is_empty() {
        let damage = records.errors.first().cloned();
        return Err(damage.unwrap_or_else(|| nothing_done(input, &records)));
    }
    let controls = PlanRecords::read(input.results, input.controls);
    let axes = Axes::new(&input.experiment.report, input.trials);
    let frames = PlanFrames::of(input, &axes, &records.done.iter().collect::<Vec<_>>())?;
    let control_frames = PlanFrames::of(input, &axes, &controls.done.iter().collect::<Vec<_>>())?;
    let summary = statistics::summarise(
        &axes,
        &Measurements {
            experiment: input.experiment,
            trials: input.trials,
            frames: &frames,
            controls: input.controls,
            control_records: &controls,
            control_frames: &control_frames,
        },
    )?;
    let runs = runs::of(&axes, &frames)?;
    let comparison = match &input.experiment.expect.paper {
        Some(paper) => paper_comparison::compare(paper, &axes, &summary, input.trials, &records)?,
        None => None,
    };
    let ordered = comparison.as_ref().map(paper_comparison::sentences).filter(|text| !text.is_empty());
    let verdict = verdict::judge(input.experiment, &axes, &summary, &frames)?;
    let text = [Some(verdict.text.clone()), ordered].into_iter().flatten().collect::<Vec<_>>().join("\n");
    let everything: Vec<&DoneTrial> = records.done.iter().chain(&controls.done).collect();
    let all_frames = PlanFrames::of(input, &axes, &everything)?;
    let csv = table_csv(&everything, &all_frames)?;

    fs::create_dir_all(input.out).map_err(|error| Error::storage(input.out, "make the folder", error))?;
    let mut files = vec![write::bytes(input.out, "table.csv", &csv)?];
    let scores = tables::scores(&axes, &summary, &runs);
    files.push(write::bytes(input.out, "table.tex", scores.to_latex().as_bytes())?);
    if let Some(comparison) = &comparison {
        let latex = paper_comparison::rows_table(comparison).to_latex();
        files.push(write::bytes(input.out, "paper.csv", &paper_comparison::to_csv(comparison)?)?);
        files.push(write::bytes(input.out, "paper.tex", latex.as_bytes())?);
    }
    let figures = plot::draw_all(input, &axes, &summary, &frames, &mut files)?;
    let page = Page {
        input,
        axes: &axes,
        summary: &summary,
        runs: &runs,
        records: &records,
        controls: &controls,
        frames: &frames,
        all_frames: &all_frames,
        verdict: &verdict,
        sentences: &text,
        comparison: comparison.as_ref(),
        figures: &figures,
    };
    let names = plot::file_names().chain(COMPARISON_FILES.map(String::from));
    write::remove_stale(input.out, names, &files)?;
    files.extend(input.request.write(input.out)?);
    files.insert(0, write::bytes(input.out, "report.md", page.markdown()?.as_bytes())?);
    Ok(ReportSummary {
        files,
        n_done: records.done.len(),
        n_trials: input.trials.len(),
        table: tables::terminal(&axes, &summary).to_text(),
        verdict: text,
        errors: records.errors.into_iter().chain(controls.errors).collect(),
    })
}

fn nothing_done(input: &ReportInput, records: &PlanRecords) -> Error {
    let states: Vec<String> = records
        .open
        .iter()
        .take(3)
        .map(|open| format!("{} {}", open.trial.id, open.state.phrase()))
        .collect();
    let more = if records.open.len() > states.len() { "; …" } else { "" };
    Error::new(
        ErrorKind::Data,
        format!(
            "{}: none of the {} trials of profile {} is done ({}{more})",
            input.results.display(),
            input.trials.len(),
            input.request.profile,
            states.join("; ")
        ),
        "run the experiment first, with the same profile and the same --set; or check --results",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Fixture;

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
        generator ratio  trials            cola             rte            mean          mask %              AUC
        ────────────────────────────────────────────────────────────────────────────────────────────────────────
        0.25                2/2  29.4 ± 0.1 (2)  64.4 ± 0.1 (2)  46.9 ± 0.1 (2)  46.6 ± 0.0 (2)  0.75 ± 0.00 (2)
        0.5                 2/2  28.8 ± 0.4 (2)  63.8 ± 0.4 (2)  46.3 ± 0.4 (2)  46.6 ± 0.0 (2)  0.74 ± 0.00 (2)
        1.0                 2/2  23.4 ± 0.4 (2)  58.4 ± 0.4 (2)  40.9 ± 0.4 (2)  51.9 ± 0.0 (2)  0.71 ± 0.00 (2)
        majority class                      0.0            52.5            26.2
        chance                                                                                              0.50
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
        RESULTS: none of the 6 trials of profile quick is done (ID partial, without a checkpoint; ID partial, without a checkpoint; ID partial, without a checkpoint; …)
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
        assert!(
            page.contains(": damaged: ") && page.contains("outcome.json is not a record of electra-lab"),
            "{page}"
        );
        (1..6).for_each(damage);
        assert!(fixture.build().unwrap_err().message.contains("outcome.json is not a record of electra-lab"));
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
