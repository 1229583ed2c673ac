//! Requests that write, and their answers. Used to publish releases.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use fs_err as fs;
use host::wait::{self, Limit, NotReceived};
use host::{clock, interrupt};
use reqwest::blocking;

use crate::{Client, HttpError, error, policy};

/// Time limit of a whole request. A stalled request ends much sooner.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Maximum number of kept bytes of an answer.
const ANSWER: u64 = 16 << 20;

/// The HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads the file.
    Get,
    /// Asks whether the file exists.
    Head,
    /// Writes the file.
    Put,
    /// Requests an action.
    Post,
    /// Deletes the file.
    Delete,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub enum Payload {
    /// No body.
    Empty,
    /// Bytes from memory.
    Bytes(Vec<u8>),
    /// A file, streamed.
    File(Utf8PathBuf),
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL, which may carry a signature and is never printed.
    pub url: String,
    /// The URL for messages.
    pub shown: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub payload: Payload,
}

/// The answer, of any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The first 16 MiB of the body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the status is a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The delay that the server requested, if any.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let header = |name: &str| self.headers.get(name).map(String::as_str);
        policy::parse_retry_after(header("retry-after")?, header("date"), clock::now())
    }

    /// The server's message in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let plain: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        if plain.is_empty() {
            "no message".to_owned()
        } else {
            plain
        }
    }
}

impl Client {
    /// Sends a request and waits for the whole answer. Fails if no byte moves for too long.
    pub fn send(&self, request: &Request) -> Result<Answer, HttpError> {
        interrupt::check()?;
        let moved = Arc::new(AtomicU64::new(0));
        let shown = request.shown.clone();
        let broken = |why: String| HttpError::Broken {
            url: shown.clone(),
            why,
        };
        let builder = self
            .prepare(request, &moved)
            .map_err(|error| broken(error.to_string()))?;
        let (sender, receiver) = mpsc::channel();
        let (name, counter) = (shown.clone(), Arc::clone(&moved));
        thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                // The caller may have given up.
                let _ = sender.send(perform(&name, builder, counter));
            })
            .map_err(|error| HttpError::Setup {
                why: error.to_string(),
            })?;
        let limit = self.limits.connect + self.limits.stall;
        let last = Cell::new((0, Instant::now()));
        let has_stalled = || {
            let now = moved.load(Ordering::Relaxed);
            let (before, since) = last.get();
            if now != before {
                last.set((now, Instant::now()));
            }
            now == before && since.elapsed() > limit
        };
        let is_over = || interrupt::is_pending() || has_stalled();
        interrupt::check()?;
        match wait::receive(&receiver, Limit::unless(&is_over)) {
            Ok(answer) => answer,
            Err(NotReceived::Closed) => Err(broken("no answer".to_owned())),
            Err(NotReceived::GaveUp(_)) => {
                interrupt::check()?;
                Err(HttpError::Stalled {
                    url: shown,
                    time: limit,
                })
            }
        }
    }

    fn prepare(
        &self,
        request: &Request,
        moved: &Arc<AtomicU64>,
    ) -> io::Result<blocking::RequestBuilder> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Put => reqwest::Method::PUT,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut builder = self.inner.request(method, &request.url).timeout(LONGEST);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let writes = matches!(request.method, Method::Put | Method::Post);
        Ok(match &request.payload {
            // Some servers require a length even without a body.
            Payload::Empty if writes => builder.header("content-length", "0"),
            Payload::Empty => builder,
            Payload::Bytes(bytes) => builder.body(bytes.clone()),
            Payload::File(path) => {
                let file = fs::File::open(path)?;
                let size = file.metadata()?.len();
                let moved = Arc::clone(moved);
                builder.body(blocking::Body::sized(Moving { inner: file, moved }, size))
            }
        })
    }
}

fn perform(
    shown: &str,
    builder: blocking::RequestBuilder,
    moved: Arc<AtomicU64>,
) -> Result<Answer, HttpError> {
    let response = builder.send().map_err(|error| {
        // The URL may contain a signature, so the message of reqwest is printed without it.
        error::classify(shown, &error.without_url())
    })?;
    let headers = response.headers().iter();
    let headers = headers
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let status = response.status().as_u16();
    let mut body = Vec::new();
    Moving {
        inner: response,
        moved,
    }
    .take(ANSWER)
    .read_to_end(&mut body)
    .map_err(|error| HttpError::Broken {
        url: shown.to_owned(),
        why: error.to_string(),
    })?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// A reader that counts its bytes, so that another thread sees progress.
struct Moving<R> {
    inner: R,
    moved: Arc<AtomicU64>,
}

impl<R: Read> Read for Moving<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.moved.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
