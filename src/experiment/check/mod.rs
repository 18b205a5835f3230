//! What the values of an experiment must agree on: the checks that a schema cannot express.

mod evaluate;
pub(crate) mod expect;
pub(crate) mod experiment;
mod positions;
mod repository;
mod squad;
pub(crate) mod trial;
pub(crate) mod violation;
