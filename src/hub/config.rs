//! How to reach the hub.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Which setting forbids the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineBy {
    /// The option `--offline`.
    Option,
    /// This environment variable.
    Variable(&'static str),
    /// Both.
    Both(&'static str),
}

impl OfflineBy {
    /// What forbids the network, if anything does.
    pub fn new(option: bool, variable: Option<&'static str>) -> Option<Self> {
        match (option, variable) {
            (true, Some(name)) => Some(Self::Both(name)),
            (true, None) => Some(Self::Option),
            (false, Some(name)) => Some(Self::Variable(name)),
            (false, None) => None,
        }
    }
}

/// Receives sentences for a person: what is downloaded, what is waited for.
pub type Notices = Arc<dyn Fn(&str) + Send + Sync>;

/// How to reach the hub. A field that is None is taken from the environment; see `settings.rs`.
#[derive(Clone)]
pub struct HubConfig {
    /// Address of the hub.
    pub endpoint: Option<String>,
    /// Folder of the hub's cache.
    pub cache: Option<PathBuf>,
    /// Token for private and gated repositories.
    pub token: Option<String>,
    /// Never use the network.
    pub offline: bool,
    /// The setting that forbids the network, for messages; None where it is unknown.
    pub offline_by: Option<OfflineBy>,
    /// How often a request is repeated when the hub is temporarily unable to answer.
    pub retries: u32,
    /// Wait before the first repetition; it doubles each time.
    pub retry_delay: Duration,
    /// How long a request with its repetitions may take before the hub counts as unreachable.
    pub patience: Duration,
    /// How long the hub may be silent.
    pub timeout: Option<Duration>,
    /// Receives sentences for a person; None for those that [`super::on_notice`] set.
    pub notices: Option<Notices>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            cache: None,
            token: None,
            offline: false,
            offline_by: None,
            retries: 4,
            retry_delay: Duration::from_millis(500),
            patience: Duration::from_secs(60),
            timeout: None,
            notices: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_or_a_variable_forbids_the_network() {
        assert_eq!(OfflineBy::new(false, None), None);
        assert_eq!(OfflineBy::new(true, None), Some(OfflineBy::Option));
        assert_eq!(OfflineBy::new(false, Some("A")), Some(OfflineBy::Variable("A")));
        assert_eq!(OfflineBy::new(true, Some("A")), Some(OfflineBy::Both("A")));
    }
}
