//! The experiment file as a YAML document: reading it, checking it against the schema, naming the line of each mistake.

pub mod locate;
pub mod problem;
pub mod schema;
pub mod source;
pub mod suggest;
pub mod validate;
pub mod value_path;
pub mod value_type;
pub mod yaml;
