//! What the values of an experiment must agree on: the checks that a schema cannot express.

pub mod evaluate;
pub mod squad;
pub mod trial;
pub mod whole;
