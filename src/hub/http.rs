//! Requests to the hub: time-outs, repetitions, redirects, and where the token may go. The only file that
//! knows reqwest.
//!
//! The token and the password of HF_ENDPOINT go to the origin of HF_ENDPOINT alone, so redirects are followed
//! here. An answer is limited in bytes and in silence, and a request to stop ends the wait for it.
//! Must never: show a token or an address with a password; write a file that it was not handed.

use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use reqwest::Url;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, HeaderMap, HeaderValue, LINK, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Client, Response};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use super::api::Api;
use super::config::Notices;
use super::failure::Failure;
use super::request::FileRequest;

/// How often a wait looks at the request to stop.
pub const TICK: Duration = Duration::from_millis(100);
/// Redirects of one request.
const MAX_REDIRECTS: usize = 10;
/// Bytes of an answer that is no file.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Time for an answer that is no file, however steadily it drips.
const MAX_ANSWER_TIME: Duration = Duration::from_secs(120);
/// Bytes of a file that come at least in six time-outs: a server that drips is silent.
const MIN_BYTES: u64 = 16 << 10;
/// A wait that is worth a word.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// Bytes of the hub's code of an error.
const MAX_CODE_BYTES: usize = 60;

/// Says whether to stop.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// How long and how often a request is made.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Silence before a request has failed.
    pub timeout: Duration,
    /// Repetitions of a request.
    pub retries: u32,
    /// Wait before the first repetition; it doubles each time.
    pub retry_delay: Duration,
}

/// A connection to one hub.
pub struct Http {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    client: Client,
    api: Api,
    /// Without a name and a password.
    endpoint: Url,
    authorization: Option<HeaderValue>,
    limits: Limits,
    stop: Stop,
    notices: Notices,
}

impl Drop for Http {
    /// Leaves a name server that does not answer behind, instead of waiting for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Http {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The address is none of http or https, or the token has a character that no header may have. The text
    /// shows neither.
    pub fn new(
        endpoint: &str,
        token: Option<&str>,
        limits: Limits,
        stop: Stop,
        notices: Notices,
    ) -> Result<Self, String> {
        let mut url = Url::parse(endpoint).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err("it is no address of http or https".into());
        }
        let builder = || {
            Client::builder()
                .user_agent(concat!("electra-lab/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(limits.timeout)
                .http1_only()
        };
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| super::failure::root_cause(&error.without_url()))
        };
        let client = build(builder().redirect(reqwest::redirect::Policy::none()))?;
        let authorization = match token {
            Some(token) => Some(header(&format!("Bearer {token}"))?),
            None => basic(&client, &url),
        };
        // Neither can fail for an address with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        // reqwest drops this header where a redirect leads to another host.
        let own: HeaderMap = authorization.iter().map(|value| (AUTHORIZATION, value.clone())).collect();
        let api = Api::new(url.as_str(), build(builder().default_headers(own))?)?;
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        Ok(Self { runtime: Some(runtime), client, api, endpoint: url, authorization, limits, stop, notices })
    }

    /// An address of the hub. The segments are encoded, slashes too; none may be `.` or `..`.
    pub fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The commit of the request's revision; None if the hub names none.
    pub fn commit(&self, request: FileRequest<'_>, patience: Duration) -> Result<Option<String>, Failure> {
        self.wait_for(
            self.repeat(patience, async || {
                self.within(self.limits.timeout, self.api.commit(request)).await?
            }),
        )
    }

    /// The JSON of an address, and the address of its next page.
    pub fn json<T: DeserializeOwned>(
        &self,
        url: &Url,
        patience: Duration,
    ) -> Result<(T, Option<Url>), Failure> {
        self.wait_for(self.repeat(patience, async || {
            let response = self.send(url, 0).await?;
            if !response.status().is_success() {
                return Err(self.refusal(&response));
            }
            let next = next_page(response.headers(), url);
            let body = self.body(response).await?;
            let value =
                serde_json::from_slice(&body).map_err(|error| Failure::malformed(&error.to_string()))?;
            Ok((value, next))
        }))
    }

    /// Appends the rest of a file of `size` bytes to `file`, which has the first `have` of them. Where the
    /// hub does not give a part of it, the file is emptied and begins anew. `received` hears of each piece.
    ///
    /// # Errors
    /// The hub refuses, breaks off, is silent, or has more or fewer bytes; what came stays in the file.
    pub fn fetch(
        &self,
        url: &Url,
        file: &mut File,
        have: u64,
        size: u64,
        received: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        self.wait_for(self.fetch_rest(url, file, have, size, received))
    }

    async fn fetch_rest(
        &self,
        url: &Url,
        file: &mut File,
        mut have: u64,
        size: u64,
        received: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let mut response = self.send(url, have).await?;
        match response.status().as_u16() {
            206 if continues_at(response.headers(), have) => {}
            // The whole file, a part that was not asked for, or none beyond what is here.
            200 | 206 | 416 if have > 0 => {
                file.set_len(0)?;
                have = 0;
                if response.status().as_u16() != 200 {
                    return Err(Failure::Incomplete("the hub does not continue the file".into()));
                }
            }
            200 => {}
            _ => return Err(self.refusal(&response)),
        }
        if let Some(length) =
            response.content_length().filter(|length| have.checked_add(*length) != Some(size))
        {
            return Err(Failure::Wrong(format!("got an answer of {length} bytes, expected {}", size - have)));
        }
        let (mut since, mut at) = (Instant::now(), have);
        loop {
            if since.elapsed() > self.limits.timeout * 6 {
                if have < at + MIN_BYTES {
                    return Err(Failure::Unreachable("the bytes come too slowly".into()));
                }
                (since, at) = (Instant::now(), have);
            }
            let chunk = match self.within(self.limits.timeout, response.chunk()).await? {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => return Err(Failure::of_request(error)),
            };
            have += chunk.len() as u64;
            if have > size {
                file.set_len(0)?;
                return Err(Failure::Wrong(format!("got more than the {size} bytes of the listing")));
            }
            file.write_all(&chunk)?;
            received(chunk.len() as u64);
        }
        match have == size {
            true => Ok(()),
            false => Err(Failure::Incomplete(format!("got {have} bytes, expected {size}"))),
        }
    }

    /// Sends a request and follows its redirects. Each server gets the token only if it is the hub.
    async fn send(&self, url: &Url, from: u64) -> Result<Response, Failure> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(value) = self.authorization.as_ref().filter(|_| self.is_hub(&url)) {
                request = request.header(AUTHORIZATION, value);
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let sent = self.within(self.limits.timeout, request.send()).await?;
            let response = sent.map_err(Failure::of_request)?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let target = target.and_then(|target| address(&url, target));
            url = target.ok_or_else(|| Failure::Malformed("it redirects to no address".into()))?;
        }
        Err(Failure::Malformed("it redirects in a circle".into()))
    }

    /// Whether an address has the hub's origin (scheme, host and port), or is that of the hub by https.
    fn is_hub(&self, url: &Url) -> bool {
        let is_encrypted = (self.endpoint.scheme(), url.scheme()) == ("http", "https")
            && self.endpoint.host() == url.host()
            && self.endpoint.port().is_none()
            && url.port().is_none();
        is_encrypted || url.origin() == self.endpoint.origin()
    }

    fn refusal(&self, response: &Response) -> Failure {
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let seconds = text(RETRY_AFTER.as_str()).and_then(|value| value.trim().parse().ok());
        let is_word = |code: &&str| {
            code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        Failure::Status {
            status: response.status().as_u16(),
            code: text("x-error-code").filter(is_word).map(String::from),
            retry_after: seconds.map(Duration::from_secs),
            host: (!self.is_hub(response.url()))
                .then(|| response.url().host_str().unwrap_or_default().into()),
        }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let began = Instant::now();
        while let Some(chunk) =
            self.within(self.limits.timeout, response.chunk()).await?.map_err(Failure::of_request)?
        {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES || began.elapsed() > MAX_ANSWER_TIME {
                return Err(Failure::Malformed("it does not end".into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Repeats what failed for the moment, with longer and longer waits, or those that the hub asks for.
    async fn repeat<T>(
        &self,
        patience: Duration,
        attempt: impl AsyncFn() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let mut delay = self.limits.retry_delay;
        for n in 0.. {
            let failure = match attempt().await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let wait = failure.retry_after().unwrap_or(delay).max(delay);
            let is_over = n >= self.limits.retries || began.elapsed().saturating_add(wait) > patience;
            if is_over || !failure.is_temporary() {
                return Err(failure);
            }
            self.announce_wait(wait, &failure);
            self.sleep(wait).await?;
            delay = delay.saturating_mul(2);
        }
        Err(Failure::Malformed("it was never asked".into()))
    }

    /// The result of work, unless it takes longer than `limit` or the program is to stop.
    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut work = pin!(work);
        let began = Instant::now();
        loop {
            if let Ok(value) = tokio::time::timeout(TICK, &mut work).await {
                return Ok(value);
            }
            self.check_stop()?;
            if began.elapsed() >= limit {
                return Err(Failure::Unreachable(format!("no answer within {} s", limit.as_secs_f32())));
            }
        }
    }

    async fn sleep(&self, wait: Duration) -> Result<(), Failure> {
        let end = Instant::now() + wait;
        while Instant::now() < end {
            self.check_stop()?;
            tokio::time::sleep(TICK.min(end.saturating_duration_since(Instant::now()))).await;
        }
        Ok(())
    }

    /// Waits, unless the program is to stop.
    pub fn pause(&self, wait: Duration) -> Result<(), Failure> {
        self.wait_for(self.sleep(wait))
    }

    /// An error once the program is to stop.
    pub fn check_stop(&self) -> Result<(), Failure> {
        if (self.stop)() { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// Says why the program waits, if it is for long.
    pub fn announce_wait(&self, wait: Duration, failure: &Failure) {
        if wait >= LONG_WAIT {
            self.say(&format!("waiting {} seconds for the hub: {}", wait.as_secs(), failure.reason()));
        }
    }

    /// Says a sentence to a person.
    pub fn say(&self, text: &str) {
        (self.notices)(text);
    }

    fn wait_for<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let gone = || Failure::Unreachable("the connection was closed".into());
        self.runtime.as_ref().ok_or_else(gone)?.block_on(work)
    }
}

fn header(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| "the token has a character that no token has, such as a line break".to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The header of the name and password in an address.
fn basic(client: &Client, url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    // reqwest knows how to write it.
    let request = client.get(url.clone()).build().ok()?;
    request.headers().get(AUTHORIZATION).cloned()
}

/// The address that a server names, without a name and password that it might hold.
fn address(base: &Url, target: &str) -> Option<Url> {
    let mut url = base.join(target).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}

/// The address of the next page, from `Link: <https://…>; rel="next"`.
fn next_page(headers: &HeaderMap, url: &Url) -> Option<Url> {
    let links = headers.get(LINK)?.to_str().ok()?;
    let link = links.split(',').find(|link| link.replace('"', "").contains("rel=next"))?;
    let (_, rest) = link.split_once('<')?;
    address(url, rest.split_once('>')?.0)
}

/// Whether a part of a file begins at this byte: `Content-Range: bytes 100-199/200`.
fn continues_at(headers: &HeaderMap, have: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")))
}

#[cfg(test)]
mod tests {
    use super::super::loopback::{Response, Server};
    use super::*;

    fn http(endpoint: &str, token: Option<&str>) -> Result<Http, String> {
        let limits = Limits { timeout: Duration::from_secs(1), retries: 0, retry_delay: Duration::ZERO };
        Http::new(endpoint, token, limits, Arc::new(|| false), Arc::new(|_: &str| {}))
    }

    #[test]
    fn addresses_are_encoded_and_hold_no_password() {
        let hub = http("https://me:open-sesame@host/hf/?a=b", None).unwrap();
        let url = hub.url(["o", "n", "resolve", "refs/pr/1", "a #?%.txt"]);
        assert_eq!(url.as_str(), "https://host/hf/o/n/resolve/refs%2Fpr%2F1/a%20%23%3F%25.txt");
        assert!(hub.authorization.as_ref().unwrap().to_str().unwrap().starts_with("Basic "));
        let both = http("https://me:open-sesame@host", Some("hf_a")).unwrap();
        assert_eq!(both.authorization.as_ref().unwrap().to_str().unwrap(), "Bearer hf_a");
        assert!(http("https://host", None).unwrap().authorization.is_none());
        for wrong in ["huggingface.co", "file:///etc", "", "https://"] {
            assert!(http(wrong, None).is_err(), "{wrong}");
        }
        let error = http("https://host", Some("hf_\nsecret")).err().unwrap();
        assert!(error.contains("line break") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn only_the_hub_is_the_hub() {
        let hub = http("https://host/hf", None).unwrap();
        let is_hub = |url: &str| hub.is_hub(&Url::parse(url).unwrap());
        assert!(is_hub("https://host/other") && is_hub("https://host:443/hf"));
        for other in ["http://host/hf", "https://host:8443/hf", "https://host.evil/hf", "http://host:443/hf"]
        {
            assert!(!is_hub(other), "{other}");
        }
        let plain = http("http://host", None).unwrap();
        let is_hub = |url: &str| plain.is_hub(&Url::parse(url).unwrap());
        assert!(is_hub("https://host/a") && !is_hub("https://host:444/a") && !is_hub("https://other/a"));
    }

    #[test]
    fn a_next_page_is_read_from_the_links() {
        let url = Url::parse("https://host/a?x=1").unwrap();
        let next = |text: &str| {
            let headers = [(LINK, HeaderValue::from_str(text).unwrap())].into_iter().collect();
            next_page(&headers, &url).map(String::from)
        };
        assert_eq!(next("<https://host/a?p=2>; rel=\"next\"").as_deref(), Some("https://host/a?p=2"));
        let two = "<https://host/0>; rel=\"prev\", </b?p=2>; rel=next";
        assert_eq!(next(two).as_deref(), Some("https://host/b?p=2"));
        assert_eq!(next("<https://me:pw@other/b>; rel=\"next\"").as_deref(), Some("https://other/b"));
        for none in [
            "<https://host/0>; rel=\"prev\"",
            ">a<; rel=\"next\"",
            "rel=\"next\"",
            "<file:///etc>; rel=\"next\"",
        ] {
            assert_eq!(next(none), None, "{none}");
        }
    }

    #[test]
    fn a_server_that_drips_is_left() {
        let server =
            Server::start(|_, _| Response { drip: Duration::from_millis(5), ..Response::ok([0; 4000]) });
        let limits = Limits { timeout: Duration::from_millis(50), retries: 0, retry_delay: Duration::ZERO };
        let hub =
            Http::new(&server.address, None, limits, Arc::new(|| false), Arc::new(|_: &str| {})).unwrap();
        let mut received = 0;
        let failure = hub
            .fetch(&hub.url(["a"]), &mut tempfile::tempfile().unwrap(), 0, 4000, &mut |n| received += n)
            .unwrap_err();
        assert!(
            matches!(&failure, Failure::Unreachable(reason) if reason.ends_with("too slowly")),
            "{failure:?}"
        );
        assert!(received > 0 && received < 4000);
    }

    proptest::proptest! {
        #[test]
        fn any_link_is_read_without_a_panic(text in r"[ -~]{0,40}|<[ -~]{0,20}>; rel=next") {
            let headers = [(LINK, HeaderValue::from_str(&text).unwrap())].into_iter().collect();
            let next = next_page(&headers, &Url::parse("https://host/a").unwrap());
            proptest::prop_assert!(next.is_none_or(|url| url.password().is_none() && url.has_host()));
        }
    }

    #[test]
    fn a_part_must_begin_where_the_file_ends() {
        let is_rest = |text: &str| {
            let headers = [(CONTENT_RANGE, HeaderValue::from_str(text).unwrap())].into_iter().collect();
            continues_at(&headers, 10)
        };
        assert!(is_rest("bytes 10-19/20"));
        assert!(!is_rest("bytes 100-199/200") && !is_rest("bytes 0-19/20") && !is_rest("10-19"));
        assert!(!continues_at(&HeaderMap::new(), 10));
    }
}
