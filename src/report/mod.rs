//! From the records in results/ to tables, a page and figures.
//!
//! `plan_records` reads, `axes` lays out the sweep, `frame` makes polars frames of the records. `quantity`
//! says what is measured, `values`, `statistics`, `controls` and `runs` summarise it. `inference` has the
//! statistics of differences; `contrast`, `gates`, `verdict` and `paper_comparison` judge by them;
//! `aggregates` sums up several tasks. `tables`, `page` and `plot` show. `build` puts it together. A report
//! needs results/ and nothing else, so that it can be built on any machine. Must never: train, load a model,
//! or touch the network or the clock.

mod aggregates;
mod axes;
mod build;
mod comparison;
mod contrast;
mod controls;
mod discovery;
#[cfg(test)]
mod fixture;
mod frame;
mod gates;
mod inference;
mod input;
mod page;
mod paper_comparison;
mod plan_records;
mod plot;
mod provenance;
mod quantity;
mod query;
mod request;
mod runs;
mod spread;
mod statistics;
mod table;
mod tables;
mod values;
mod verdict;
mod write;

pub use build::build;
pub use comparison::{ComparedSetting, ComparedValue, Comparison, compare};
pub use discovery::{DiscoveredExperiment, DiscoveredProfile, find};
pub use input::{ReportInput, ReportSummary};
pub use request::ReportRequest;
pub use table::Table;
