//! The command line, one file per subcommand. The only module that prints.
//!
//! Data goes to stdout, everything else to stderr. Must never: compute; it calls `experiment`, `run`, `tools`
//! and `report`.

mod bench;
mod completions;
mod corpus;
mod doctor;
mod evaluate;
mod exit;
mod experiment_arguments;
mod export;
mod fetch;
mod output;
mod panic;
mod plan;
mod probe;
mod rebuild_command;
mod records;
mod report;
mod report_all;
mod run;
mod schema;
mod schema_reference;
mod score;
mod status;
mod submission;
mod table;
mod terminal;
mod trace;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use crate::build_info;
use crate::error::Result;

/// Reproduces ELECTRA and the experiments around it, from one YAML file
#[derive(Parser, Debug)]
#[command(
    name = "electra-lab",
    version,
    long_version = build_info::version(),
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = exit::help_text(),
    long_about = "Reproduces ELECTRA (Clark et al., 2020) and the experiments around it.\n\n\
        An experiment is one YAML file (EXPERIMENT) that asks one question. It is expanded into trials. \
        Each trial is pre-trained, fine-tuned and scored. results/ holds the records, reports/ the report.\n\n\
        Example:\n  electra-lab plan experiments/gen_ratio.yaml\n  electra-lab run experiments/gen_ratio.yaml"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs experiments and builds their reports; skips finished trials and resumes unfinished ones
    #[command(long_about = "Runs experiments and builds their reports.\n\n\
        Everything is checked before the first trial starts. Finished trials are skipped, unfinished ones \
        resume from their last checkpoint, and a failed trial does not stop the others. Ctrl-C saves the \
        running trials and stops; the same command resumes them.\n\n\
        Example:\n  electra-lab run experiments/gen_ratio.yaml --profile small --set 'seeds=[1, 2]'")]
    Run(run::RunArguments),
    /// Shows what a run would do and cost, without running it
    #[command(
        long_about = "Shows what a run would do and cost, without running it. For each trial: its state, \
        parameters, steps, tokens, FLOPs by two counters and the remaining time.\n\n\
        Example:\n  electra-lab plan experiments/gen_ratio.yaml --profile paper"
    )]
    Plan(plan::PlanArguments),
    /// Shows the progress of an experiment, while it runs or afterwards
    #[command(
        long_about = "Shows the progress of an experiment, while it runs or afterwards. For each trial: its \
        state, steps, loss and times, and the error of a failed one.\n\n\
        Example:\n  electra-lab status experiments/gen_ratio.yaml --json"
    )]
    Status(status::StatusArguments),
    /// Rebuilds the report from the results
    #[command(long_about = "Rebuilds the report from the results, without running anything.\n\n\
        Example:\n  electra-lab report experiments/gen_ratio.yaml --reports /tmp/reports\n  \
        electra-lab report --all")]
    Report(report::ReportArguments),
    /// Writes all records as one table, for pandas, polars or a spreadsheet
    #[command(long_about = records::ABOUT)]
    Records(records::RecordsArguments),
    /// Downloads everything that an experiment needs, for runs without network
    #[command(
        long_about = "Downloads everything that an experiment needs into the hub's cache. For a machine \
        without network, copy that cache there, set HF_HUB_CACHE to it, and run with --offline.\n\n\
        Example:\n  electra-lab fetch experiments/gen_ratio.yaml --profile small"
    )]
    Fetch(fetch::FetchArguments),
    /// Carries an experiment's tokenised text to another machine
    #[command(
        long_about = "Carries an experiment's tokenised text to another machine, as one compressed file: a \
        corpus archive.\n\n\
        Example:\n  electra-lab corpus export experiments/small.yaml --profile paper --to /tmp/text.corpus"
    )]
    Corpus(corpus::CorpusArguments),
    /// The old name of `corpus export`
    #[command(hide = true)]
    Pack(corpus::ExportArguments),
    /// The old name of `corpus import`
    #[command(hide = true)]
    Unpack(corpus::ImportArguments),
    /// Fine-tunes and scores a published checkpoint; writes records and a report
    #[command(
        long_about = "Fine-tunes and scores a published ELECTRA or BERT checkpoint on GLUE or SQuAD, and writes the \
        records and the report of a trial. It writes the experiment file RESULTS/evaluate-NAME/evaluate.yaml and \
        runs it. An experiment file with base.published can sweep over checkpoints.\n\n\
        Example:\n  electra-lab evaluate --model google/electra-small-discriminator --tasks cola,rte --seeds 5"
    )]
    Evaluate(evaluate::EvaluateArguments),
    /// Writes a trained trial as folders that transformers loads
    #[command(long_about = "Writes a trained trial as folders that transformers loads: config.json, \
        model.safetensors, tokenizer files and a model card. AutoModelForPreTraining loads DIR, \
        AutoModelForMaskedLM loads DIR/generator (or DIR, if the trial has no discriminator).\n\n\
        Example:\n  electra-lab export 3f2a --to /tmp/my-electra")]
    Export(export::ExportArguments),
    /// Shows which tokens a model takes for replaced, or its predictions at `[MASK]`
    #[command(
        long_about = "Shows which tokens of a text a model takes for replaced, or its predictions at [MASK]. \
        The model is a folder that `export` or transformers wrote, or a hub repository.\n\n\
        Example:\n  electra-lab probe --model /tmp/my-electra --text 'the cat flew on the mat'\n  \
        electra-lab probe --model /tmp/my-electra --generator --text 'the [MASK] sat on the mat' --json"
    )]
    Probe(probe::ProbeArguments),
    /// Scores files of predictions for GLUE or SQuAD, or of minimal pairs, without training
    #[command(
        long_about = "Scores files of predictions for GLUE or SQuAD against files of gold labels, and scores of \
        minimal pairs, by the metrics of trials, without training.\n\n\
        Example:\n  electra-lab score glue --task mrpc --gold dev.tsv --predictions MRPC.tsv\n  \
        electra-lab score squad --dataset dev-v2.0.json --predictions predictions.json --bootstrap\n  \
        electra-lab score pairs scores.csv"
    )]
    Score(score::ScoreArguments),
    /// Writes a trial's test predictions as a zip file for the GLUE leaderboard
    #[command(
        long_about = "Writes a trial's test predictions as a zip file for the GLUE leaderboard: eleven files with \
        the columns index and prediction. The experiment of the trial must set evaluate.predict_test: true.\n\n\
        Example:\n  electra-lab submission 3f2a --to /tmp/glue.zip --partial"
    )]
    Submission(submission::SubmissionArguments),
    /// Times training steps, or tokenising a corpus, on this machine
    #[command(long_about = "Times training steps, or tokenising a corpus, on this machine.\n\n\
        Example:\n  electra-lab bench step --size small --batch 32 --seq 128 --threads 2 --json\n  \
        electra-lab bench corpus experiments/gen_ratio.yaml --profile small")]
    Bench(bench::BenchArguments),
    /// Writes all values of a trial's first steps to a file, for a check in another framework
    #[command(long_about = trace::ABOUT)]
    Trace(trace::TraceArguments),
    /// Prints the JSON Schema of experiment files
    #[command(
        long_about = "Prints the JSON Schema of experiment files, with which editors complete and check them. With --markdown \
        it prints the same as a page to read.\n\n\
        Example:\n  electra-lab schema > experiments/experiment.schema.json\n  \
        electra-lab schema --markdown > docs/experiment.md"
    )]
    Schema(schema::SchemaArguments),
    /// Shows device, threads, caches, network settings and versions
    #[command(
        long_about = "Shows what this machine and this build have: device, threads, SIMD, caches and free \
        space, network settings, versions. It never prints the hub token, only whether there is one.\n\n\
        Example:\n  electra-lab doctor"
    )]
    Doctor(doctor::DoctorArguments),
    /// Prints a completion script for a shell
    #[command(long_about = "Prints a completion script for a shell.\n\n\
        Example:\n  electra-lab completions bash > ~/.local/share/bash-completion/completions/electra-lab")]
    Completions(completions::CompletionsArguments),
}

/// Runs one command line, program name first, and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    panic::install();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // clap returns help and version as errors, too; they go to stdout with code 0. A closed pipe is
            // no error.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::OK };
        }
    };
    panic::guard(move || {
        dispatch(&cli.command).unwrap_or_else(|error| {
            output::error(&error);
            exit::of_kind(error.kind)
        })
    })
}

fn dispatch(command: &Command) -> Result<u8> {
    match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Plan(arguments) => plan::plan(arguments),
        Command::Status(arguments) => status::status(arguments),
        Command::Report(arguments) => report::report(arguments),
        Command::Records(arguments) => records::records(arguments),
        Command::Fetch(arguments) => fetch::fetch(arguments),
        Command::Corpus(arguments) => corpus::corpus(arguments),
        Command::Pack(arguments) => corpus::pack(arguments),
        Command::Unpack(arguments) => corpus::unpack(arguments),
        Command::Evaluate(arguments) => evaluate::evaluate(arguments),
        Command::Export(arguments) => export::export(arguments),
        Command::Probe(arguments) => probe::probe(arguments),
        Command::Score(arguments) => score::score(arguments),
        Command::Submission(arguments) => submission::submission(arguments),
        Command::Bench(arguments) => bench::bench(arguments),
        Command::Trace(arguments) => trace::trace(arguments),
        Command::Schema(arguments) => schema::schema(arguments),
        Command::Doctor(arguments) => doctor::doctor(arguments),
        Command::Completions(arguments) => completions::completions(arguments, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    fn help_of(command: clap::Command) -> String {
        let help = command.term_width(100).render_long_help().to_string();
        // clap leaves spaces at the ends of lines.
        help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn help_of_the_program() {
        insta::assert_snapshot!(help_of(Cli::command()), @r"
        Reproduces ELECTRA (Clark et al., 2020) and the experiments around it.

        An experiment is one YAML file (EXPERIMENT) that asks one question. It is expanded into trials. Each
        trial is pre-trained, fine-tuned and scored. results/ holds the records, reports/ the report.

        Example:
          electra-lab plan experiments/gen_ratio.yaml
          electra-lab run experiments/gen_ratio.yaml

        Usage: electra-lab <COMMAND>

        Commands:
          run          Runs experiments and builds their reports; skips finished trials and resumes
                       unfinished ones
          plan         Shows what a run would do and cost, without running it
          status       Shows the progress of an experiment, while it runs or afterwards
          report       Rebuilds the report from the results
          records      Writes all records as one table, for pandas, polars or a spreadsheet
          fetch        Downloads everything that an experiment needs, for runs without network
          corpus       Carries an experiment's tokenised text to another machine
          evaluate     Fine-tunes and scores a published checkpoint; writes records and a report
          export       Writes a trained trial as folders that transformers loads
          probe        Shows which tokens a model takes for replaced, or its predictions at `[MASK]`
          score        Scores files of predictions for GLUE or SQuAD, or of minimal pairs, without training
          submission   Writes a trial's test predictions as a zip file for the GLUE leaderboard
          bench        Times training steps, or tokenising a corpus, on this machine
          trace        Writes all values of a trial's first steps to a file, for a check in another
                       framework
          schema       Prints the JSON Schema of experiment files
          doctor       Shows device, threads, caches, network settings and versions
          completions  Prints a completion script for a shell
          help         Print this message or the help of the given subcommand(s)

        Options:
          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version

        Exit codes:
            0  success
            1  some trials failed (if all for one reason, the code of that reason)
            2  the command line is wrong
            3  the experiment file, a --set or an --only is wrong
            4  data is missing, unreadable or has the wrong content
            5  the network or the hub failed, or was needed while offline
            6  a file or folder cannot be read or written
            7  the device is missing or out of memory
            8  another process is running the same trial
            9  training failed, for example with a loss that is not finite
           70  a bug in electra-lab
          130  stopped by Ctrl-C, a signal or --max-seconds; the same command resumes
        ");
    }

    #[test]
    fn help_of_run() {
        let mut command = Cli::command();
        command.build();
        let run = command.find_subcommand("run").unwrap();
        insta::assert_snapshot!(help_of(run.clone()), @r#"
        Runs experiments and builds their reports.

        Everything is checked before the first trial starts. Finished trials are skipped, unfinished ones
        resume from their last checkpoint, and a failed trial does not stop the others. Ctrl-C saves the
        running trials and stops; the same command resumes them.

        Example:
          electra-lab run experiments/gen_ratio.yaml --profile small --set 'seeds=[1, 2]'

        Usage: electra-lab run [OPTIONS] <EXPERIMENT>...

        Arguments:
          <EXPERIMENT>...
                  Experiment files (YAML)

        Options:
              --profile <NAME>
                  Profile of the experiment file, which sets scale and data [default: the file's first]

              --set <PATH=VALUE>
                  Overrides a value after the profile; repeatable. PATH is dotted from the top of the file
                  (base. may be left out), VALUE is YAML: --set train.steps=500 --set 'seeds=[1, 2]'

              --only <ID>
                  Runs only the trials whose id starts with ID; repeatable [default: all]

              --jobs <N>
                  Trials at a time, among which the threads are divided; does not change any number
                  [default: on a CPU one per thread where all trials are small, otherwise 1]

              --threads <N>
                  Threads that compute; does not change any number [default: one per core, or
                  RAYON_NUM_THREADS]

              --nice
                  Lets other programs go first: the lowest priority [default: off]

              --device <DEVICE>
                  Device: auto, cpu, cuda or cuda:N; auto uses a CUDA device if there is one

                  [default: auto]

              --max-seconds <N>
                  Stops after N seconds like Ctrl-C: the running trials save their state, and the same
                  command resumes them [default: no limit]

              --results <DIR>
                  Folder of all results; those of an experiment are in DIR/NAME/

                  [default: results]

              --reports <DIR>
                  Folder of all reports; that of an experiment is in DIR/NAME/PROFILE/

                  [default: reports]

              --offline
                  Uses only what is in the caches, never the network, like HF_HUB_OFFLINE=1 [default: off]

              --force
                  Deletes the results of earlier runs of the same trials and starts again [default: off,
                  resumes them]

              --pretrain-only
                  Only pre-trains, so the tasks are not needed. The same command without this option
                  fine-tunes, on this machine or where DIR was copied to [default: off]

          -h, --help
                  Print help (see a summary with '-h')
        "#);
    }

    #[test]
    fn every_subcommand_shows_an_example() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let about = command.get_long_about().map(|text| text.to_string()).unwrap_or_default();
            let example = format!("Example:\n  electra-lab {}", command.get_name());
            assert!(about.contains(&example), "{}", command.get_name());
        }
    }

    #[test]
    fn commands_of_commands_show_an_example() {
        let commands = Cli::command();
        for name in ["score", "corpus"] {
            for command in commands.find_subcommand(name).unwrap().get_subcommands() {
                let about = command.get_long_about().unwrap().to_string();
                let example = format!("Example:\n  electra-lab {name} {} ", command.get_name());
                assert!(about.contains(&example), "{name} {}", command.get_name());
            }
        }
    }

    #[test]
    fn the_old_names_of_corpus_commands_still_parse() {
        for words in [
            &["electra-lab", "pack", "a.yaml", "--profile", "quick", "--to", "text.corpus", "--offline"][..],
            &["electra-lab", "unpack", "text.corpus"],
        ] {
            Cli::try_parse_from(words).unwrap();
        }
    }
}
