//! Why the hub did not give what was asked for.

use std::time::Duration;

/// Why a request to the hub failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The program is to stop.
    Interrupted,
    /// No connection, a broken one, or silence.
    Unreachable(String),
    /// The hub, or the server that it redirects to, refuses.
    Status {
        /// HTTP status.
        status: u16,
        /// The hub's own code of the error.
        code: Option<String>,
        /// The wait that it asks for.
        retry_after: Option<Duration>,
        /// The other server, if it was not the hub.
        host: Option<String>,
    },
    /// An answer that is not in the expected format.
    Malformed(String),
    /// A part of a file's bytes came.
    Incomplete(String),
    /// The bytes of a file are not those of the listing.
    Wrong(String),
    /// The disk refuses.
    Disk(String),
}

/// Characters that are kept of what a server or a library says: it may hold a part of an answer.
const MAX_REASON_CHARS: usize = 200;

impl Failure {
    /// An answer that is not in the expected format.
    pub fn malformed(reason: &str) -> Self {
        Self::Malformed(reason.chars().take(MAX_REASON_CHARS).collect())
    }

    /// The failure of a request or of reading its answer.
    pub fn of_request(error: reqwest::Error) -> Self {
        if error.is_body() || error.is_decode() {
            return Self::Unreachable("the connection broke".into());
        }
        let (is_wrong, cause) = (error.is_builder(), root_cause(&error.without_url()));
        if is_wrong { Self::Malformed(cause) } else { Self::Unreachable(cause) }
    }

    /// Whether the same request may succeed in a while.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Incomplete(_) | Self::Wrong(_) => true,
            // The address at another server is valid for some minutes only: a new one comes with the next
            // try.
            Self::Status { status, host, .. } => {
                matches!(status, 408 | 429) || *status >= 500 || host.is_some()
            }
            Self::Interrupted | Self::Malformed(_) | Self::Disk(_) => false,
        }
    }

    /// Whether the hub did not really answer, so that a whole cache serves as well.
    pub fn allows_cache(&self) -> bool {
        self.is_temporary() || matches!(self, Self::Malformed(_))
    }

    /// The wait that the hub asks for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What happened, in a few words.
    pub fn reason(&self) -> String {
        match self {
            Self::Interrupted => "interrupted".into(),
            Self::Status { status, host: Some(host), .. } => format!("{host} answered {status}"),
            Self::Status { status: 429, retry_after: Some(wait), .. } => {
                format!("it answered 429, too many requests, and asks to wait {} seconds", wait.as_secs())
            }
            Self::Status { status: 429, .. } => "it answered 429, too many requests".into(),
            Self::Status { status, .. } => format!("it answered {status}"),
            Self::Unreachable(reason)
            | Self::Malformed(reason)
            | Self::Incomplete(reason)
            | Self::Wrong(reason)
            | Self::Disk(reason) => reason.clone(),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error.to_string())
    }
}

/// The innermost cause of an error: `Connection refused` says more than `error sending request`.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_repeated_and_replaced_by_the_cache() {
        let status = |status, host: Option<&str>| Failure::Status {
            status,
            code: None,
            retry_after: None,
            host: host.map(String::from),
        };
        for passing in [408, 429, 500, 502, 503, 504] {
            assert!(
                status(passing, None).is_temporary() && status(passing, None).allows_cache(),
                "{passing}"
            );
        }
        for answer in [400, 401, 403, 404, 410] {
            assert!(!status(answer, None).is_temporary() && !status(answer, None).allows_cache(), "{answer}");
        }
        assert!(status(403, Some("cdn")).is_temporary());
        let page = Failure::Malformed("expected value".into());
        assert!(!page.is_temporary() && page.allows_cache());
        assert!(!Failure::Interrupted.allows_cache() && !Failure::Disk("full".into()).allows_cache());
        assert_eq!(status(403, Some("cdn")).reason(), "cdn answered 403");
    }
}
