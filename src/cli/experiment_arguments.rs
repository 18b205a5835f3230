//! Arguments that several subcommands share: the experiment, its overrides, the folders of results and
//! reports.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::Result;
use crate::experiment::{Experiment, load};

/// The profile of an experiment, and changes of its values.
#[derive(Args, Clone, Debug, Default)]
pub struct Overrides {
    /// Profile of the experiment file, which sets scale and data [default: the file's first]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// Overrides a value after the profile; repeatable. PATH is dotted from the top of the file (base. may be
    /// left out), VALUE is YAML: --set train.steps=500 --set 'seeds=[1, 2]'
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,
}

impl Overrides {
    /// Reads and checks an experiment file.
    pub fn load(&self, path: &Path) -> Result<Experiment> {
        load(path, self.profile.as_deref(), &self.sets)
    }
}

/// An experiment with its overrides.
#[derive(Args, Clone, Debug)]
pub struct ExperimentArguments {
    /// Experiment file (YAML)
    #[arg(value_name = "EXPERIMENT")]
    pub file: PathBuf,

    /// Profile and --set.
    #[command(flatten)]
    pub overrides: Overrides,
}

impl ExperimentArguments {
    /// Reads and checks the experiment file.
    pub fn load(&self) -> Result<Experiment> {
        self.overrides.load(&self.file)
    }
}

/// The folder of results.
#[derive(Args, Clone, Debug)]
pub struct ResultsArgument {
    /// Folder of all results; those of an experiment are in DIR/NAME/
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
}

/// The folder of reports.
#[derive(Args, Clone, Debug)]
pub struct ReportsArgument {
    /// Folder of all reports; that of an experiment is in DIR/NAME/PROFILE/
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports: PathBuf,
}
