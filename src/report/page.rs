//! report.md: the question, the answer, the numbers, the figures and their provenance.
//!
//! The same records give the same bytes on every machine and at any time. Must never: compute a number.

use std::fmt::Write;

use super::axes::Axes;
use super::frame::PlanFrames;
use super::input::ReportInput;
use super::paper_comparison::{self, PaperComparison};
use super::plan_records::PlanRecords;
use super::quantity::Quantity;
use super::runs::Runs;
use super::statistics::Summary;
use super::table::Table;
use super::verdict::Verdict;
use super::{aggregates, provenance, tables, verdict};
use crate::error::Result;
use crate::escape::{markdown, markdown_code};

/// What the two columns of FLOPs mean.
const FLOPS: &str = "FLOPs of pre-training. The exact counter (`flops` in table.csv) counts the matrix products \
    that were run, on sequences of their real lengths. The paper counter (`flops_paper`) follows the rules behind \
    ELECTRA's tables, on full sequences: compare it only with the paper's figures. A dash means that the record is \
    older than the counter.";

/// What a score is.
const SCORES: &str = "Scores are × 100. A trial's score on a task is the median over its fine-tuning seeds; the mean \
    over tasks is taken within a trial. ";

/// What a cell is.
const CELLS: &str = "Cells: mean ± sample standard deviation over pre-training seeds (n of them). The 95 % interval is \
    Student's t of the mean over these seeds, from n = 2 on. Held-out values are measured after the last step, without \
    dropout; losses are in nats.";

/// What the measures without fine-tuning are.
const ZERO_SHOT: &str = "What is measured without fine-tuning: of a minimal pair the encoder should prefer the good sentence, by the \
    scorer in brackets; a frozen probe is a linear classifier on features of the encoder.";

/// What the controls are.
const UNTRAINED: &str = "*untrained* is the same encoder at its initial values, evaluated in the same way with the same seeds: \
    only what lies above it comes from pre-training.";

/// How undefined scores are counted.
const UNDEFINED: &str = "Undefined scores (such as a correlation with constant predictions) count as 0 in every median and \
    mean, and their number stands in the cell: fine-tuning runs of a task, and of all tasks for the mean.";

/// What the columns of the fine-tuning runs mean.
const RUNS: &str = "One row per trial and task: `runs` fine-tuning runs from one pre-trained encoder, which differ in their \
    seed (head, order of examples, dropout). The reported score is their median, never the best of them. sd: sample \
    standard deviation over the runs. The two intervals answer different questions: *over fine-tuning seeds* is an \
    interval of the median by the ranks of the runs, which holds for any distribution and needs 6 runs (of fewer even the \
    whole range covers the median in less than 95 % of cases); *over examples* is a bootstrap of the median run's score \
    over the scored examples (1,000 resamples; of an even number of runs the lower of the two in the middle). A dash means \
    that there are too few runs, or that the record is older than the interval.";

/// Everything that the page shows.
pub struct Page<'a> {
    /// The report that was asked for.
    pub input: &'a ReportInput<'a>,
    /// The sweep.
    pub axes: &'a Axes,
    /// The numbers.
    pub summary: &'a Summary,
    /// The fine-tuning runs behind them.
    pub runs: &'a [Runs],
    /// The trials.
    pub records: &'a PlanRecords<'a>,
    /// The control trials.
    pub controls: &'a PlanRecords<'a>,
    /// The finished trials of the sweep as frames.
    pub frames: &'a PlanFrames,
    /// The same with the finished controls.
    pub all_frames: &'a PlanFrames,
    /// The verdict.
    pub verdict: &'a Verdict,
    /// Its sentences, with those about the paper's order.
    pub sentences: &'a str,
    /// The comparison with published numbers.
    pub comparison: Option<&'a PaperComparison<'a>>,
    /// File stems of the figures that were drawn, with their captions.
    pub figures: &'a [(&'static str, String)],
}

impl Page<'_> {
    /// The whole page.
    pub fn markdown(&self) -> Result<String> {
        let experiment = self.input.experiment;
        let mut page = format!("# {}: {}\n\n", experiment.name, markdown(&experiment.about));
        let n_done = self.records.done.len();
        let n_trials = n_done + self.records.open.len();
        let _ = writeln!(
            page,
            "Profile `{}`, {n_done} of {n_trials} trials done.\n",
            markdown(self.input.profile)
        );
        if self.summary.synthetic {
            let text = self.synthetic_notice();
            let _ = writeln!(page, "> **Synthetic data.** {text}\n");
        }
        let _ = writeln!(
            page,
            "**Expected.** {}\n",
            markdown(&verdict::expectation(&experiment.expect, self.axes))
        );
        let word = self.verdict.word.map_or(String::new(), |word| format!(": {}", word.as_str()));
        let sentences: Vec<String> = self.sentences.lines().map(markdown).collect();
        let _ = writeln!(page, "**Verdict{word}.**  \n{}\n", sentences.join("  \n"));
        page += &self.judged();
        page += &self.open_trials();
        page += &self.results();
        page += &self.aggregates();
        page += &self.comparison.map(paper_comparison::page).unwrap_or_default();
        page += &self.tasks()?;
        page += &self.runs();
        for (stem, caption) in self.figures {
            let caption = markdown(caption);
            let _ = writeln!(page, "![{caption}]({stem}.png)\n\n*{caption}* ([SVG]({stem}.svg))\n");
        }
        let _ = writeln!(page, "## Trials\n\n{}\n{FLOPS}\n", tables::trials(self.all_frames)?.to_markdown());
        let _ = writeln!(page, "## Provenance\n\n{}", provenance::list(&self.frames.trials)?);
        let _ = writeln!(
            page,
            "## Rebuild\n\nFrom the records in results/ alone:\n\n{}\nEvery score is in \
             [table.csv](table.csv): one row per trial, task and fine-tuning seed, and per measure. The table of results for LaTeX is in \
             [table.tex](table.tex){}.",
            markdown_code("sh", self.input.command),
            match self.comparison {
                Some(_) =>
                    ", the comparison with the paper in [paper.csv](paper.csv) and [paper.tex](paper.tex)",
                None => "",
            }
        );
        Ok(page)
    }

    /// The gates and contrasts behind the verdict, and how it is reached.
    fn judged(&self) -> String {
        let mut text = String::new();
        if !self.verdict.gates.is_empty() {
            let _ = writeln!(text, "{}", verdict::table_of_gates(&self.verdict.gates).to_markdown());
        }
        if !self.verdict.contrasts.is_empty() {
            let table = verdict::table_of_contrasts(&self.verdict.contrasts, self.summary);
            let _ = writeln!(text, "{}\nHow it is reached: {}\n", table.to_markdown(), verdict::RULE);
        }
        text
    }

    /// Names the numbers that are synthetic.
    fn synthetic_notice(&self) -> String {
        let labels: Vec<&str> = self
            .summary
            .quantities
            .iter()
            .filter(|quantity| quantity.synthetic)
            .map(|quantity| quantity.label.as_str())
            .collect();
        format!(
            "These numbers come from the built-in miniature language and say nothing about English or GLUE: {}.",
            markdown(&labels.join("; "))
        )
    }

    fn open_trials(&self) -> String {
        let list = |what: &str, records: &PlanRecords| {
            if records.open.is_empty() {
                return String::new();
            }
            let mut text = format!("These {what} are not done, and no number below includes them:\n\n");
            for open in &records.open {
                let words = format!("{}: {}", open.trial.label(), open.state.phrase());
                let _ = writeln!(text, "- `{}` {}", open.trial.id, markdown(&words));
            }
            text + "\n"
        };
        list("trials", self.records) + &list("controls", self.controls)
    }

    /// The aggregates over several tasks, where there are enough of them and of seeds.
    fn aggregates(&self) -> String {
        let table = aggregates::table(self.axes, self.summary, &self.verdict.contrasts);
        let section = |table: Table| {
            format!("## Aggregates over tasks\n\n{}\n{}\n\n", table.to_markdown(), aggregates::RULE)
        };
        table.map_or(String::new(), section)
    }

    /// How each task was scored, and the limit on its training examples.
    fn tasks(&self) -> Result<String> {
        let table = tables::tasks(self.summary, self.frames)?;
        if table.is_empty() {
            return Ok(String::new());
        }
        let limit = match self.input.experiment.evaluate.finetune.max_train_examples {
            Some(limit) => {
                format!("Fine-tuning on tasks of GLUE used at most {limit} training examples per task.\n\n")
            }
            None => String::new(),
        };
        let recipes: String =
            tables::recipes(self.frames)?.iter().map(|recipe| format!("- {}\n", markdown(recipe))).collect();
        Ok(format!("{}\nFine-tuning:\n\n{recipes}\n{limit}", table.to_markdown()))
    }

    /// The fine-tuning runs behind the medians.
    fn runs(&self) -> String {
        if self.runs.is_empty() {
            return String::new();
        }
        format!("## Fine-tuning runs\n\n{}\n{RUNS}\n\n", tables::runs(self.axes, self.runs).to_markdown())
    }

    fn results(&self) -> String {
        let mut text =
            format!("## Results\n\n{}\n", tables::scores(self.axes, self.summary, self.runs).to_markdown());
        let has_tasks = self.summary.quantities.iter().any(|quantity| quantity.task().is_some());
        text += if has_tasks { SCORES } else { "" };
        let _ = writeln!(text, "{CELLS}\n");
        if self.summary.quantities.iter().any(Quantity::is_zero_shot) {
            let _ = writeln!(text, "{ZERO_SHOT}\n");
        }
        if !self.summary.controls.untrained.iter().all(|control| control.n_done == 0) {
            let _ = writeln!(text, "{UNTRAINED}\n");
        }
        let n_undefined: usize =
            self.summary.points.iter().flat_map(|point| &point.cells).map(|cell| cell.n_undefined).sum();
        if n_undefined > 0 {
            let _ = writeln!(text, "{UNDEFINED}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::report::fixture::{Fixture, outcome};

    /// The page with the trials' ids replaced.
    fn page(fixture: &Fixture) -> String {
        fixture.build().unwrap();
        let mut text = fs::read_to_string(fixture.out().join("report.md")).unwrap();
        for (index, trial) in fixture.trials.iter().enumerate() {
            text = text.replace(&trial.id.0, &format!("TRIAL-{index:06}"));
        }
        text
    }

    #[test]
    fn the_page_of_a_finished_experiment() {
        insta::assert_snapshot!(page(&Fixture::new()).split("## Rebuild").next().unwrap(), @r"
        # gen_ratio: Does a generator of 1/4 to 1/2 the discriminator's width work best?

        Profile `quick`, 6 of 6 trials done.

        > **Synthetic data.** These numbers come from the built-in miniature language and say nothing about English or GLUE: cola (matthews); rte (accuracy); mean of cola, rte; held-out accuracy at [MASK], %; held-out AUC of the discriminator.

        **Expected.** best at 0.25 to 0.5, worse at 1.0; the best mean is expected at model.generator_ratio = 0.25 or 0.5 (ELECTRA, Figure 3 left).

        **Verdict: agrees.**  
        agrees: 0.25, 0.5 above the others. The mean of cola, rte should be higher at 0.25, 0.5 than at the other points; the difference is +5.73, 95 % interval [+1.09, +10.37], n = 2 paired seeds, p = 0.040.  
        The best mean of cola, rte is 46.86 ± 0.13 (sd), n = 2, at 0.25.

        | contrast                   | measure           | difference |   95 % interval |   n |     p | p (Holm) | verdict |
        | -------------------------- | ----------------- | ---------: | --------------: | --: | ----: | -------: | ------- |
        | 0.25, 0.5 above the others | mean of cola, rte |      +5.73 | [+1.09, +10.37] |   2 | 0.040 |    0.040 | agrees  |

        How it is reached: Each contrast was named before the run. Its difference is taken seed by seed, since the same seed gives both sides the same text, order and masks; several points of one side are averaged within a seed. The 95 % interval and p are by Student's t over the differences of the seeds (by Welch's t where the sides share fewer than two). p is corrected for the number of contrasts by Holm's method; the interval is not. *agrees*: the difference is as claimed and the corrected p is below 0.05. *contradicts*: it is the opposite and the corrected p is below 0.05. *open*: anything else, a gate that does not hold, or a trial that is missing. If nothing is there to be found, at most 5 % of experiments conclude anything. The number of seeds that would decide is the smallest one that finds the effect with a probability of 80 %, if the spread of a seed is the measured one; few seeds know their spread only roughly.

        ## Results

        | model.generator_ratio | head  | trials |  cola (matthews) |   rte (accuracy) | mean of cola, rte | held-out accuracy at [MASK], % | held-out AUC of the discriminator | 95 % interval of the mean of cola, rte |
        | --------------------- | ----- | -----: | ---------------: | ---------------: | ----------------: | -----------------------------: | --------------------------------: | -------------------------------------: |
        | 0.25                  | paper |    2/2 | 29.37 ± 0.13 (2) | 64.36 ± 0.13 (2) |  46.86 ± 0.13 (2) |               46.60 ± 0.00 (2) |                 0.745 ± 0.002 (2) |                         [45.66, 48.07] |
        | 0.5                   | paper |    2/2 | 28.80 ± 0.37 (2) | 63.80 ± 0.37 (2) |  46.30 ± 0.37 (2) |               46.60 ± 0.00 (2) |                 0.738 ± 0.004 (2) |                         [42.93, 49.66] |
        | 1.0                   | paper |    2/2 | 23.35 ± 0.40 (2) | 58.35 ± 0.40 (2) |  40.85 ± 0.40 (2) |               51.93 ± 0.00 (2) |                 0.705 ± 0.005 (2) |                         [37.29, 44.41] |
        | majority class        |       |        |             0.00 |            52.50 |             26.25 |                                |                                   |                                        |
        | chance                |       |        |                  |                  |                   |                                |                             0.500 |                                        |

        Scores are × 100. A trial's score on a task is the median over its fine-tuning seeds; the mean over tasks is taken within a trial. Cells: mean ± sample standard deviation over pre-training seeds (n of them). The 95 % interval is Student's t of the mean over these seeds, from n = 2 on. Held-out values are measured after the last step, without dropout; losses are in nats.

        | task            | head  | examples          | revision | fine-tuning runs | training examples | scored examples |
        | --------------- | ----- | ----------------- | -------- | ---------------: | ----------------: | --------------: |
        | cola (matthews) | paper | built-in language | built-in |               18 |              1000 |             400 |
        | rte (accuracy)  | paper | built-in language | built-in |               18 |              1000 |             400 |

        Fine-tuning:

        - no named recipe: learning rate 3e-4, layer decay 0.8 (rule of the paper), epochs 3, batch 32, warm-up 0.1, weight decay 0, sequences of 128, paper head

        ## Fine-tuning runs

        | model.generator_ratio | task | head  | seed | runs | median |   sd |     min to max | 95 % over fine-tuning seeds | 95 % over examples |
        | --------------------- | ---- | ----- | ---: | ---: | -----: | ---: | -------------: | --------------------------: | -----------------: |
        | 0.25                  | cola | paper |    1 |    3 |  29.46 | 0.40 | 29.06 to 29.86 |                           – |     [24.46, 33.46] |
        | 0.25                  | cola | paper |    2 |    3 |  29.27 | 0.40 | 28.87 to 29.67 |                           – |     [24.27, 33.27] |
        | 0.25                  | rte  | paper |    1 |    3 |  64.46 | 0.40 | 64.06 to 64.86 |                           – |     [59.46, 68.46] |
        | 0.25                  | rte  | paper |    2 |    3 |  64.27 | 0.40 | 63.87 to 64.67 |                           – |     [59.27, 68.27] |
        | 0.5                   | cola | paper |    1 |    3 |  28.53 | 0.40 | 28.13 to 28.93 |                           – |     [23.53, 32.53] |
        | 0.5                   | cola | paper |    2 |    3 |  29.06 | 0.40 | 28.66 to 29.46 |                           – |     [24.06, 33.06] |
        | 0.5                   | rte  | paper |    1 |    3 |  63.53 | 0.40 | 63.13 to 63.93 |                           – |     [58.53, 67.53] |
        | 0.5                   | rte  | paper |    2 |    3 |  64.06 | 0.40 | 63.66 to 64.46 |                           – |     [59.06, 68.06] |
        | 1.0                   | cola | paper |    1 |    3 |  23.63 | 0.40 | 23.23 to 24.03 |                           – |     [18.63, 27.63] |
        | 1.0                   | cola | paper |    2 |    3 |  23.07 | 0.40 | 22.67 to 23.47 |                           – |     [18.07, 27.07] |
        | 1.0                   | rte  | paper |    1 |    3 |  58.63 | 0.40 | 58.23 to 59.03 |                           – |     [53.63, 62.63] |
        | 1.0                   | rte  | paper |    2 |    3 |  58.07 | 0.40 | 57.67 to 58.47 |                           – |     [53.07, 62.07] |

        One row per trial and task: `runs` fine-tuning runs from one pre-trained encoder, which differ in their seed (head, order of examples, dropout). The reported score is their median, never the best of them. sd: sample standard deviation over the runs. The two intervals answer different questions: *over fine-tuning seeds* is an interval of the median by the ranks of the runs, which holds for any distribution and needs 6 runs (of fewer even the whole range covers the median in less than 95 % of cases); *over examples* is a bootstrap of the median run's score over the scored examples (1,000 resamples; of an even number of runs the lower of the two in the middle). A dash means that there are too few runs, or that the record is older than the interval.

        ![mean of cola, rte over model.generator_ratio: mean, bars: standard deviation over pre-training seeds (n = 2).](score.png)

        *mean of cola, rte over model.generator_ratio: mean, bars: standard deviation over pre-training seeds (n = 2).* ([SVG](score.svg))

        ![Pre-training, one line per value of model.generator_ratio: mean over seeds, single seeds thin.](curves.png)

        *Pre-training, one line per value of model.generator_ratio: mean over seeds, single seeds thin.* ([SVG](curves.svg))

        ![Each task over model.generator_ratio: mean, bars: standard deviation over pre-training seeds (n = 2).](tasks.png)

        *Each task over model.generator_ratio: mean, bars: standard deviation over pre-training seeds (n = 2).* ([SVG](tasks.svg))

        ## Trials

        | trial          | point                      | seed | steps | tokens | FLOPs (exact) | FLOPs (paper) | parameters | pre-train s | fine-tune s |
        | -------------- | -------------------------- | ---: | ----: | -----: | ------------: | ------------: | ---------: | ----------: | ----------: |
        | `TRIAL-000000` | model.generator_ratio=0.25 |    1 |   200 | 800000 |      3.125e12 |      5.000e12 |     900000 |        30.2 |        12.5 |
        | `TRIAL-000001` | model.generator_ratio=0.25 |    2 |   200 | 800000 |      3.125e12 |      5.000e12 |     900000 |        30.2 |        12.5 |
        | `TRIAL-000002` | model.generator_ratio=0.5  |    1 |   200 | 800000 |      3.750e12 |      6.000e12 |     900000 |        30.2 |        12.5 |
        | `TRIAL-000003` | model.generator_ratio=0.5  |    2 |   200 | 800000 |      3.750e12 |      6.000e12 |     900000 |        30.2 |        12.5 |
        | `TRIAL-000004` | model.generator_ratio=1.0  |    1 |   200 | 800000 |      5.000e12 |      8.000e12 |     900000 |        30.2 |        12.5 |
        | `TRIAL-000005` | model.generator_ratio=1.0  |    2 |   200 | 800000 |      5.000e12 |      8.000e12 |     900000 |        30.2 |        12.5 |

        FLOPs of pre-training. The exact counter (`flops` in table.csv) counts the matrix products that were run, on sequences of their real lengths. The paper counter (`flops_paper`) follows the rules behind ELECTRA's tables, on full sequences: compare it only with the paper's figures. A dash means that the record is older than the counter.

        ## Provenance

        - electra-lab: 0.1.0
        - commit: 0123456789abcdef
        - device: cpu
        - threads: 2
        - instruction set: avx2
        - pre-training reused from: no other trial
        - pre-training text: built-in language
        - its revision: built-in
        - its hash when packed: c0ffee
        - packed examples: 5000
        - packed tokens: 600000
        - share of the text's tokens that packing keeps: not recorded
        - tokenizer's hash: beef
        - vocabulary: 800
        - tasks' revision: built-in
        ");
    }

    #[test]
    fn the_page_ends_with_the_command_that_rebuilds_it() {
        let page = page(&Fixture::new());
        insta::assert_snapshot!(page.split("## Rebuild").nth(1).unwrap(), @r"
        From the records in results/ alone:

        ```sh
        electra-lab report experiments/gen_ratio.yaml --profile quick
        ```

        Every score is in [table.csv](table.csv): one row per trial, task and fine-tuning seed, and per measure. The table of results for LaTeX is in [table.tex](table.tex).
        ");
    }

    #[test]
    fn missing_trials_undefined_scores_and_differing_devices_are_shown() {
        let fixture = Fixture::sweep(&[0.25, 1.0], &[1, 2, 3]);
        let mut first = outcome(&fixture.trials[0]);
        first.scores.iter_mut().for_each(|score| score.value = None);
        first.flops_paper = None;
        fixture.write(&fixture.trials[0], &first);
        let folder = |index: usize| fixture.results().join(&fixture.trials[index].id.0);
        let path = folder(1).join("trial.json");
        let text = fs::read_to_string(&path).unwrap().replace("\"cpu\"", "\"cuda:0\"");
        let reused = "\"taken_from\": \"parts/0123456789ab\", \"tasks_revision\"";
        fs::write(&path, text.replace("\"tasks_revision\"", reused)).unwrap();
        fs::remove_file(folder(5).join("outcome.json")).unwrap();
        let page = page(&fixture);
        assert!(page.contains("5 of 6 trials done"), "{page}");
        assert!(
            page.contains("- `TRIAL-000005` model.generator_ratio=1.0 seed=3: partial, without a checkpoint")
        );
        assert!(page.contains("- device: **2 different values**: cpu (4 trials); cuda:0 (1 trial)"));
        let reused =
            "reused from: **2 different values**: no other trial (4 trials); parts/0123456789ab (1 trial)";
        assert!(page.contains(reused), "{page}");
        assert!(page.contains("(3), 3 undefined"), "{page}");
        assert!(page.contains("|      3.125e12 |             – |"), "{page}");
        assert!(page.contains("**Verdict: open.**") && page.contains("Open, since 5 of 6 trials are done."));
    }
}
