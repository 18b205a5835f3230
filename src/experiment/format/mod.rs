//! The types of the experiment file, one file per section.

pub mod controls;
pub mod data;
pub mod evaluate;
pub mod evaluation;
pub mod expect;
pub mod finetune;
pub mod glue_mean;
pub mod init;
pub mod intermediate;
pub mod measure_name;
pub mod minimal_pairs;
pub mod model;
pub mod model_fit;
pub mod objective;
pub mod paper;
pub mod probe;
pub mod published;
pub mod recipe;
pub mod recipe_differences;
pub mod squad;
pub mod task_name;
pub mod top_level;
pub mod train;
