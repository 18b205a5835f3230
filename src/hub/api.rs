//! What hf-hub asks the hub for: the commit of a revision. The only file that knows hf-hub.
//!
//! hf-hub 1.0 sends the token along to any next page of a listing, makes paths of ETags, waits without limit,
//! and leaves the SHA-256 out of a listing's files. So listings and files are asked for in `http.rs`, and
//! their answers are bounded there. Must never: show a token.

use hf_hub::{HFClient, HFError, split_id};
use reqwest::Client;

use super::failure::{Failure, root_cause};
use super::request::{FileRequest, RepoKind};

/// The hub's API.
pub struct Api {
    client: HFClient,
}

impl Api {
    /// Contacts nothing yet. `endpoint` has no name and password; `client` makes the requests and has the
    /// token.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(endpoint: &str, client: Client) -> Result<Self, String> {
        // The caller repeats requests, with its patience.
        let builder = HFClient::builder().endpoint(endpoint).client(client).retry_max_attempts(0);
        // No header can hold this one: it keeps hf-hub from looking for a token of its own.
        let client = builder.token("\n").build().map_err(|error| error.to_string())?;
        Ok(Self { client })
    }

    /// The commit of the request's revision; None if the hub names none.
    pub async fn commit(&self, request: FileRequest<'_>) -> Result<Option<String>, Failure> {
        let (owner, name) = split_id(request.repo);
        let revision = request.revision;
        let answer = match request.kind {
            RepoKind::Dataset => {
                let asked = self.client.dataset(owner, name);
                asked.info().revision(revision).send().await.map(|info| info.sha)
            }
            RepoKind::Model => {
                let asked = self.client.model(owner, name);
                asked.info().revision(revision).send().await.map(|info| info.sha)
            }
        };
        answer.map_err(failure)
    }
}

/// Whether an answer came whole and is not what hf-hub expects.
fn is_of_json(error: &reqwest::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<serde_json::Error>())
}

/// hf-hub's error in our words; its text may hold addresses, so little of it is kept.
fn failure(error: HFError) -> Failure {
    let (context, code, retry_after) = match error {
        HFError::Http { context }
        | HFError::AuthRequired { context }
        | HFError::Forbidden { context }
        | HFError::Conflict { context } => (Some(context), None, None),
        HFError::RateLimited { retry_after, context } => (Some(context), None, retry_after),
        HFError::RepoNotFound { context, .. } => (context, Some("RepoNotFound"), None),
        HFError::RevisionNotFound { context, .. } => (context, Some("RevisionNotFound"), None),
        HFError::EntryNotFound { context, .. } => (context, Some("EntryNotFound"), None),
        HFError::Request { source, .. } if !is_of_json(&source) => return Failure::of_request(source),
        other => return Failure::malformed(&root_cause(&other)),
    };
    let own_code = context.as_ref().and_then(|context| context.error_code.clone());
    Failure::Status {
        status: context.map_or(404, |context| context.status.as_u16()),
        code: own_code.or(code.map(String::from)),
        retry_after,
        host: None,
    }
}
