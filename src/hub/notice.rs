//! Sentences for a person while files are downloaded. The library does not print: the program says where they
//! go.

use std::sync::{Arc, OnceLock};

use super::config::Notices;

static RECEIVER: OnceLock<Notices> = OnceLock::new();

/// Sends the notices of all downloads of this process to `receiver`; only the first call counts.
pub fn on_notice(receiver: impl Fn(&str) + Send + Sync + 'static) {
    let _ = RECEIVER.set(Arc::new(receiver));
}

/// Says a sentence to the receiver, or to nobody.
pub(super) fn say(text: &str) {
    if let Some(receiver) = RECEIVER.get() {
        receiver(text);
    }
}
