//! The command line: words in, exit code out. One file a subcommand.
//!
//! Data goes to stdout, everything else to stderr. Must never: compute; it asks `run`, `report` and `spec`.

mod bench;
mod completions;
mod doctor;
mod evaluate;
pub mod exit;
mod export;
mod fetch;
mod output;
mod pack;
mod panic;
mod plan;
mod probe;
mod report;
mod report_all;
mod run;
mod schema;
mod score;
mod spec_arguments;
mod status;
mod submission;
mod table;
mod terminal;
mod trace;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::error::Result;

/// Reproduces ELECTRA and the experiments around it, from one YAML file
#[derive(Parser, Debug)]
#[command(
    name = "electra-lab",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = exit::help_text(),
    long_about = "Reproduces ELECTRA (Clark et al., 2020) and the experiments around it.\n\n\
        An experiment is one YAML file that asks one question. It is expanded into trials; each is \
        pre-trained, fine-tuned and scored; results/ keeps what happened and reports/ shows it.\n\n\
        Example:\n  electra-lab plan experiments/gen_ratio.yaml\n  electra-lab run experiments/gen_ratio.yaml"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs experiments and builds their reports; finished trials are skipped, unfinished ones continue
    #[command(long_about = "Runs experiments and builds their reports.\n\n\
        Everything is checked before the first trial starts. Finished trials are skipped, unfinished ones \
        continue from their last checkpoint, a failed one does not stop the others. Ctrl-C saves and stops; \
        the same command continues.\n\n\
        Example:\n  electra-lab run experiments/gen_ratio.yaml --profile small --set 'seeds=[1, 2]'")]
    Run(run::RunArguments),
    /// Shows what a run would do and cost, without running it
    #[command(long_about = "Shows what a run would do and cost, without running it: per trial its state, \
        parameters, steps, tokens, FLOPs by two counters and the time that is left.\n\n\
        Example:\n  electra-lab plan experiments/gen_ratio.yaml --profile paper")]
    Plan(plan::PlanArguments),
    /// Shows how far an experiment is, while it runs or after
    #[command(long_about = "Shows how far an experiment is, while it runs or after: per trial its state, \
        steps, loss and times, and why it failed.\n\n\
        Example:\n  electra-lab status experiments/gen_ratio.yaml --json")]
    Status(status::StatusArguments),
    /// Builds the report again from the results
    #[command(long_about = "Builds the report again from the results, without running anything.\n\n\
        Example:\n  electra-lab report experiments/gen_ratio.yaml --reports /tmp/reports\n  \
        electra-lab report --all")]
    Report(report::ReportArguments),
    /// Downloads all that an experiment needs, for machines that will be offline
    #[command(
        long_about = "Downloads all that an experiment needs into the hub's cache. Copy that cache to \
        a machine without network, set HF_HUB_CACHE to it, and run with --offline.\n\n\
        Example:\n  electra-lab fetch experiments/gen_ratio.yaml --profile small"
    )]
    Fetch(fetch::FetchArguments),
    /// Writes an experiment's tokenised text into one compressed file, for another machine
    #[command(
        long_about = "Writes an experiment's tokenised text into one compressed file. `unpack` puts it into the \
        cache of a machine that has neither the text nor a network; there a run of the same experiment finds it.\n\n\
        Example:\n  electra-lab pack experiments/small.yaml --profile paper --to /tmp/text.parcel"
    )]
    Pack(pack::PackArguments),
    /// Puts a text that `pack` wrote into the cache of this machine
    #[command(
        long_about = "Puts a text that `pack` wrote on another machine into the cache of this one. A run of the same experiment \
        takes it where the text itself cannot be had. With --pretrain-only it needs no more; the same command without it, \
        where the tasks are and the results were copied, fine-tunes.\n\n\
        Example:\n  electra-lab unpack /tmp/text.parcel\n  \
        electra-lab run experiments/small.yaml --profile paper --pretrain-only --offline"
    )]
    Unpack(pack::UnpackArguments),
    /// Fine-tunes and scores a published checkpoint, with the records and the report of a trial
    #[command(
        long_about = "Fine-tunes and scores a published ELECTRA or BERT checkpoint on GLUE, with the records and the \
        report of a trial. It writes RESULTS/evaluate-NAME/evaluate.yaml and runs that; an experiment file with \
        base.published can sweep over checkpoints.\n\n\
        Example:\n  electra-lab evaluate --model google/electra-small-discriminator --tasks cola,rte --seeds 5"
    )]
    Evaluate(evaluate::EvaluateArguments),
    /// Writes a trained trial as folders that transformers loads
    #[command(long_about = "Writes a trained trial as folders that transformers loads: config.json, \
        model.safetensors, tokenizer files and a model card. AutoModelForPreTraining loads DIR, \
        AutoModelForMaskedLM its subfolder generator (DIR itself of a trial without a discriminator).\n\n\
        Example:\n  electra-lab export 3f2a --to /tmp/my-electra")]
    Export(export::ExportArguments),
    /// Asks a model which tokens of a text were replaced, or what belongs at [MASK]
    #[command(
        long_about = "Asks a model which tokens of a text were replaced, or what belongs at [MASK]. The model \
        is a folder that `export` or transformers wrote, or a hub repository.\n\n\
        Example:\n  electra-lab probe --model /tmp/my-electra --text 'the cat flew on the mat'\n  \
        electra-lab probe --model /tmp/my-electra --generator --text 'the [MASK] sat on the mat' --json"
    )]
    Probe(probe::ProbeArguments),
    /// Scores anyone's predictions for GLUE or SQuAD, without training
    #[command(
        long_about = "Scores anyone's predictions for GLUE or SQuAD, without training: the same metrics that \
        a trial is scored by, from files of gold and predictions.\n\n\
        Example:\n  electra-lab score glue --task mrpc --gold dev.tsv --predictions MRPC.tsv\n  \
        electra-lab score squad --dataset dev-v2.0.json --predictions predictions.json --bootstrap"
    )]
    Score(score::ScoreArguments),
    /// Writes a trial's test predictions as the zip that the GLUE leaderboard takes
    #[command(
        long_about = "Writes a trial's test predictions as the zip that the GLUE leaderboard takes: eleven files \
        of an index and a prediction. The trial has predicted the test splits where its experiment says \
        evaluate.predict_test: true.\n\n\
        Example:\n  electra-lab submission 3f2a --to /tmp/glue.zip --partial"
    )]
    Submission(submission::SubmissionArguments),
    /// Times training, or making a corpus, on this machine
    #[command(long_about = "Times training, or making a corpus, on this machine.\n\n\
        Example:\n  electra-lab bench step --size small --batch 32 --seq 128 --threads 2 --json\n  electra-lab bench corpus experiments/gen_ratio.yaml --profile small")]
    Bench(bench::BenchArguments),
    /// Writes everything that happens in a trial's first steps to a file, to check it elsewhere
    #[command(long_about = trace::ABOUT)]
    Trace(trace::TraceArguments),
    /// Prints the JSON Schema of experiment files
    #[command(
        long_about = "Prints the JSON Schema of experiment files; editors complete and check with it.\n\n\
        Example:\n  electra-lab schema > experiments/experiment.schema.json"
    )]
    Schema,
    /// Shows device, threads, caches, network settings and versions
    #[command(
        long_about = "Shows what this machine and this build offer: device, threads, SIMD, caches and \
        free space, network settings, versions. A token is never shown, only whether there is one.\n\n\
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
            // Help and version come this way too, to stdout and with code 0. A closed pipe is no error.
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
        Command::Fetch(arguments) => fetch::fetch(arguments),
        Command::Pack(arguments) => pack::pack(arguments),
        Command::Unpack(arguments) => pack::unpack(arguments),
        Command::Evaluate(arguments) => evaluate::evaluate(arguments),
        Command::Export(arguments) => export::export(arguments),
        Command::Probe(arguments) => probe::probe(arguments),
        Command::Score(arguments) => score::score(arguments),
        Command::Submission(arguments) => submission::submission(arguments),
        Command::Bench(arguments) => bench::bench(arguments),
        Command::Trace(arguments) => trace::trace(arguments),
        Command::Schema => schema::schema(),
        Command::Doctor(arguments) => doctor::doctor(arguments),
        Command::Completions(arguments) => completions::completions(arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    fn help_of(command: clap::Command) -> String {
        let help = command.term_width(100).render_long_help().to_string();
        // clap leaves spaces on empty lines.
        help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn help_reads_well() {
        insta::assert_snapshot!(help_of(Cli::command()), @r"
        Reproduces ELECTRA (Clark et al., 2020) and the experiments around it.

        An experiment is one YAML file that asks one question. It is expanded into trials; each is
        pre-trained, fine-tuned and scored; results/ keeps what happened and reports/ shows it.

        Example:
          electra-lab plan experiments/gen_ratio.yaml
          electra-lab run experiments/gen_ratio.yaml

        Usage: electra-lab <COMMAND>

        Commands:
          run          Runs experiments and builds their reports; finished trials are skipped, unfinished
                       ones continue
          plan         Shows what a run would do and cost, without running it
          status       Shows how far an experiment is, while it runs or after
          report       Builds the report again from the results
          fetch        Downloads all that an experiment needs, for machines that will be offline
          pack         Writes an experiment's tokenised text into one compressed file, for another machine
          unpack       Puts a text that `pack` wrote into the cache of this machine
          evaluate     Fine-tunes and scores a published checkpoint, with the records and the report of a
                       trial
          export       Writes a trained trial as folders that transformers loads
          probe        Asks a model which tokens of a text were replaced, or what belongs at [MASK]
          score        Scores anyone's predictions for GLUE or SQuAD, without training
          submission   Writes a trial's test predictions as the zip that the GLUE leaderboard takes
          bench        Times training, or making a corpus, on this machine
          trace        Writes everything that happens in a trial's first steps to a file, to check it
                       elsewhere
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
            0  all went well
            1  some trials failed (all for one reason: that reason's code)
            2  the command line is wrong
            3  the experiment file, a --set or an --only is wrong
            4  data is missing, unreadable or not what it should be
            5  the network or the hub refused, or offline and not cached
            6  a file or folder of ours cannot be read or written
            7  the device is missing or out of memory
            8  another process is running the same trial
            9  training went wrong, say a loss that is not finite
           70  a bug in electra-lab
          130  stopped by Ctrl-C or SIGTERM; run again to continue
        ");
    }

    #[test]
    fn help_of_run_reads_well() {
        let mut command = Cli::command();
        command.build();
        let run = command.find_subcommand("run").unwrap();
        insta::assert_snapshot!(help_of(run.clone()), @r#"
        Runs experiments and builds their reports.

        Everything is checked before the first trial starts. Finished trials are skipped, unfinished ones
        continue from their last checkpoint, a failed one does not stop the others. Ctrl-C saves and stops;
        the same command continues.

        Example:
          electra-lab run experiments/gen_ratio.yaml --profile small --set 'seeds=[1, 2]'

        Usage: electra-lab run [OPTIONS] <SPEC>...

        Arguments:
          <SPEC>...
                  Experiment files (YAML)

        Options:
              --profile <NAME>
                  Profile of the experiment file, for scale and data [default: the file's first]

              --set <PATH=VALUE>
                  Overrides a value after the profile; repeatable. PATH is dotted from the top of the file
                  (base. may be left out), VALUE is YAML: --set train.steps=500 --set 'seeds=[1, 2]'

              --only <ID>
                  Runs only the trials whose id begins with ID; repeatable [default: all]

              --jobs <N>
                  Trials at a time; they share the threads, and numbers do not depend on it

                  [default: 1]

              --device <DEVICE>
                  Where to compute: auto, cpu, cuda or cuda:N; auto takes a CUDA device if there is one

                  [default: auto]

              --max-seconds <N>
                  Stops after N seconds as an interrupt does: the running trials save their state, and the
                  same command goes on from there [default: no limit]

              --results <DIR>
                  Folder of all results; an experiment's are in DIR/NAME/

                  [default: results]

              --reports <DIR>
                  Folder of all reports; an experiment's is in DIR/NAME/PROFILE/

                  [default: reports]

              --offline
                  Uses what is in the caches and never the network, like HF_HUB_OFFLINE=1 [default: off]

              --force
                  Discards what earlier runs of the same trials left, and starts afresh [default: off,
                  continues them]

              --pretrain-only
                  Pre-trains and no more: tasks need not be here, and the same command without it
                  fine-tunes, here or where DIR is copied [default: off]

          -h, --help
                  Print help (see a summary with '-h')
        "#);
    }

    #[test]
    fn every_subcommand_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let about = command.get_long_about().map(|text| text.to_string()).unwrap_or_default();
            let example = format!("Example:\n  electra-lab {}", command.get_name());
            assert!(about.contains(&example), "{}", command.get_name());
        }
    }

    #[test]
    fn both_kinds_of_scoring_show_an_example() {
        let command = Cli::command();
        let score = command.find_subcommand("score").unwrap();
        for kind in score.get_subcommands() {
            let about = kind.get_long_about().unwrap().to_string();
            let example = format!("Example:\n  electra-lab score {} --", kind.get_name());
            assert!(about.contains(&example), "{}", kind.get_name());
        }
    }
}
