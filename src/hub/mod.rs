//! Files of the Hugging Face hub: downloaded, or found in its cache on this machine.
//!
//! `client.rs` talks to the hub, `cache.rs` reads its cache, `pattern.rs` says which names match, `errors.rs`
//! words the errors. Must never: be used by a run on built-in or local data, or show a token.

mod cache;
mod client;
mod config;
mod env;
mod errors;
mod model_folder;
mod pattern;
mod request;

#[cfg(test)]
pub(crate) use client::Hub;
#[cfg(test)]
pub(crate) use config::{HubConfig, OfflineBy};
pub use env::DataEnv;
pub use model_folder::{LOCAL, model_folder, tokenizer_files};
pub(crate) use pattern::{local_files, matches, same_file};
pub use request::{HubFiles, RepoKind};

#[cfg(test)]
mod loopback;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use env::test_hub;
