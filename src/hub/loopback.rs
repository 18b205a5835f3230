//! A small HTTP server on the loopback address, for tests of the hub client.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that the server received.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET` or `HEAD`.
    pub method: String,
    /// Path without its query.
    pub path: String,
    /// The query, without its question mark.
    pub query: String,
    /// All header lines, in lower case.
    pub headers: String,
}

/// The answer to a request.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header lines without Content-Length.
    pub headers: Vec<String>,
    /// The body; HEAD gets none.
    pub body: Vec<u8>,
    /// Content-Length if it differs from the body's length: the connection is cut after the body.
    pub content_length: Option<usize>,
    /// Send no Content-Length: the end of the connection is the end of the body.
    pub without_length: bool,
    /// Accept the request and never answer.
    pub silent: bool,
    /// Wait so long after each byte of the body.
    pub drip: Duration,
}

impl Response {
    /// Status 200 with a body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    /// An error status with the hub's error code.
    pub fn error(status: u16, code: &str) -> Self {
        let headers = vec![format!("X-Error-Code: {code}")];
        Self { status, headers, body: b"{\"error\": \"no\"}".to_vec(), ..Self::default() }
    }

    /// No answer.
    pub fn silence() -> Self {
        Self { silent: true, ..Self::default() }
    }

    /// Adds a header line.
    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }
}

/// A server that runs until the test process ends.
pub struct Server {
    /// `http://127.0.0.1:port`.
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server; `answer` gets each request and the server's own address.
    pub fn start(answer: impl Fn(&Request, &str) -> Response + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (own_address, received) = (address.clone(), requests.clone());
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let Some(request) = parse(&String::from_utf8_lossy(&head)) else { continue };
                received.lock().unwrap().push(request.clone());
                let response = answer(&request, &own_address);
                if response.silent {
                    silent.push(stream);
                    continue;
                }
                let bytes = bytes(&request, &response);
                let n_drips = if response.drip.is_zero() { 0 } else { response.body.len() };
                let (first, drips) = bytes.split_at(bytes.len() - n_drips);
                let _ = stream.write_all(first);
                for byte in drips {
                    if stream.write_all(&[*byte]).is_err() {
                        break;
                    }
                    std::thread::sleep(response.drip);
                }
            }
        });
        Self { address, requests }
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn parse(head: &str) -> Option<Request> {
    let (first, headers) = head.split_once("\r\n")?;
    let mut words = first.split(' ');
    let method = words.next()?.to_string();
    let address = words.next()?;
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    Some(Request { method, path: path.into(), query: query.into(), headers: headers.to_ascii_lowercase() })
}

fn bytes(request: &Request, response: &Response) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", response.status);
    for line in &response.headers {
        text += &format!("{line}\r\n");
    }
    if !response.without_length {
        text += &format!("Content-Length: {}\r\n", response.content_length.unwrap_or(response.body.len()));
    }
    let mut bytes = (text + "\r\n").into_bytes();
    if request.method != "HEAD" {
        bytes.extend_from_slice(&response.body);
    }
    bytes
}
