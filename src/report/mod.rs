//! From the records in results/ to tables, a page and figures.
//!
//! `plan_records` reads, `axes` lays out the sweep, `frame` makes polars frames of the records, `statistics`
//! and `runs` summarise them, `verdict` and `paper_comparison` judge, `tables`, `page` and `plot` show.
//! `build` puts it together. A report needs results/ and nothing else, so that it can be built on any
//! machine. Must never: train, load a model, or touch the network or the clock.

mod axes;
mod build;
mod discovery;
#[cfg(test)]
mod fixture;
mod frame;
mod input;
mod page;
mod paper_comparison;
mod plan_records;
mod plot;
mod provenance;
mod query;
mod runs;
mod statistics;
mod table;
mod tables;
mod verdict;
mod write;

pub use build::build;
pub use discovery::{DiscoveredExperiment, DiscoveredProfile, find};
pub use input::{ReportInput, ReportSummary};
pub use table::Table;
