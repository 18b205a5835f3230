//! The experiment file as a YAML document: reads it, checks it against the schema, finds the line of each
//! mistake.

pub(crate) mod locate;
pub(crate) mod problem;
pub(crate) mod schema;
pub(crate) mod source;
pub(crate) mod suggest;
pub(crate) mod validate;
pub(crate) mod value_path;
pub(crate) mod value_type;
pub(crate) mod yaml;
