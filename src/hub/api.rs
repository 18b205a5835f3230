//! What hf-hub asks the hub for: the commit of a revision. The only file that knows hf-hub.
//!
//! hf-hub 1.0 sends the token along to any next page of a listing, makes paths of ETags, waits without limit,
//! and leaves the SHA-256 out of a listing's files. So listings and files are asked for in `http.rs`, and
//! their answers are bounded there. Must never: show a token.

use hf_hub::{HFClient, HFError, split_id};
use reqwest::Client;

use super::failure::Failure;
use super::request::{FileRequest, RepoKind};

/// Characters of an error that is none of the hub's answers.
const MAX_REASON_CHARS: usize = 200;

/// The hub's API.
pub struct Api {
    client: HFClient,
}

impl Api {
    /// Contacts nothing yet. `endpoint` has no name and password; `client` makes the requests.
    ///
    /// # Errors
    /// The address or the token is none.
    pub fn new(endpoint: &str, token: Option<&str>, client: Client) -> Result<Self, String> {
        // The caller repeats requests, with its patience.
        let mut builder = HFClient::builder().endpoint(endpoint).client(client).retry_max_attempts(0);
        if let Some(token) = token {
            builder = builder.token(token);
        }
        Ok(Self { client: builder.build().map_err(|error| error.to_string())? })
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
        HFError::Request { source, .. } => return Failure::of_request(source),
        other => return Failure::Malformed(other.to_string().chars().take(MAX_REASON_CHARS).collect()),
    };
    let own_code = context.as_ref().and_then(|context| context.error_code.clone());
    Failure::Status {
        status: context.map_or(404, |context| context.status.as_u16()),
        code: own_code.or(code.map(String::from)),
        retry_after,
        host: None,
    }
}
