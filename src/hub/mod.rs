//! Files of the Hugging Face hub: downloaded, or found in its cache on this machine.
//!
//! `client.rs` searches, `download.rs` downloads, `http.rs` sends requests, `api.rs` asks hf-hub, `cache.rs`
//! reads and writes the cache, `listing.rs` keeps what the hub says of a commit, `settings.rs` reads the
//! environment, `pattern.rs` says which names match, `errors.rs` words the errors. Must never: be used by a
//! run on built-in or local data, show a token, or let a name from the hub lead out of the cache.

mod api;
mod cache;
mod client;
mod config;
mod download;
mod env;
mod errors;
mod failure;
mod http;
mod listing;
mod model_folder;
mod notice;
mod pattern;
mod request;
mod settings;

#[cfg(test)]
pub(crate) use client::Hub;
#[cfg(test)]
pub(crate) use config::{HubConfig, OfflineBy};
pub use env::DataEnv;
pub use model_folder::{LOCAL, model_folder, tokenizer_files};
pub use notice::on_notice;
pub(crate) use pattern::{local_files, matches, same_file};
pub use request::{HubFiles, RepoKind};
pub use settings::{HubSettings, shown_address};

#[cfg(test)]
mod loopback;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use env::test_hub;
