//! Reads and writes over HTTP and HTTPS. No other crate uses the network.
//!
//! A transfer runs in its own thread and passes its bytes over a short queue, so that stalls and
//! interruptions end it at once in any phase. Bytes arrive as the server stores them (`identity`)
//! and are never decoded. Retries, resuming and checking are the caller's (the crate `fetch`). With
//! `--offline` no [`Client`] exists.

mod error;
mod exchange;
mod policy;
mod tls;
mod transfer;

use std::io::{self, Read};
use std::time::Duration;

use host::interrupt;
use host::limits::Limits;
use host::secret::shown;
use reqwest::blocking;
use reqwest::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};

pub use error::HttpError;
pub use exchange::{Answer, Method, Payload, Request};
pub use policy::ContentRange;
use transfer::Body;

/// A transfer's thread gives up this much later than its reader.
const AFTER: Duration = Duration::from_secs(5);

/// An HTTP client. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: blocking::Client,
    limits: Limits,
}

impl Client {
    /// Creates a client with these limits. Every client has limits: `CARGO_HTTP_TIMEOUT` applies to
    /// every request.
    pub fn with_limits(limits: Limits) -> Result<Self, HttpError> {
        // Another thread may have installed it already, which is equivalent.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Proxies come from `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.
        let inner = blocking::Client::builder()
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            // Applies to the headers and to each read of the body. The receiver has given up by
            // then.
            .timeout(limits.stall + limits.connect + AFTER)
            .redirect(policy::redirects())
            .referer(false)
            .build()
            .map_err(|error| HttpError::Setup {
                why: error::chain(&error),
            })?;
        Ok(Self { inner, limits })
    }

    /// Requests a file, from byte `resume.from` if the server still has the same file.
    pub fn get(&self, url: &str, resume: Option<&Resume>) -> Result<Response, HttpError> {
        interrupt::check()?;
        let mut request = self.inner.get(url).header(ACCEPT_ENCODING, "identity");
        if let Some(Resume { from, validator }) = resume {
            request = request.header(RANGE, format!("bytes={from}-"));
            if let Some(validator) = validator {
                request = request.header(IF_RANGE, validator);
            }
        }
        let shown = &shown(url);
        self.send_request(shown, request)?.checked(shown, resume)
    }

    /// Requests a file from a URL that contains a secret. Messages print `shown`.
    pub fn get_signed(&self, url: &str, shown: &str) -> Result<Response, HttpError> {
        interrupt::check()?;
        let request = self.inner.get(url).header(ACCEPT_ENCODING, "identity");
        self.send_request(shown, request)?.checked(shown, None)
    }

    fn send_request(
        &self,
        shown: &str,
        request: blocking::RequestBuilder,
    ) -> Result<Response, HttpError> {
        let (head, body) = transfer::start(shown, request, self.limits)?;
        Ok(Response {
            url: head.url,
            status: head.status,
            start: head.range.map_or(0, |range| range.start),
            length: head.length,
            validator: head.validator,
            content_range: head.range,
            retry_after: head.retry_after,
            body,
        })
    }
}

/// A request for the rest of a partially downloaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The number of bytes that are already downloaded.
    pub from: u64,
    /// The [`Response::validator`] of the response that those bytes came from. If the server's file
    /// has changed, all of it is sent. `None` requests the rest of the current file, for callers
    /// that hash the whole.
    pub validator: Option<String>,
}

/// An answer with a file: 200 with the whole, or 206 with the rest. Read it to get the bytes.
#[derive(Debug)]
pub struct Response {
    /// The URL after redirects, without credentials.
    pub url: String,
    /// 200, or 206 for the rest of a file.
    pub status: u16,
    /// Offset of the first byte in the file: 0 unless resuming was granted.
    pub start: u64,
    /// Length of this body, if the server sent it.
    pub length: Option<u64>,
    /// For [`Resume`]: a strong `ETag`, else the date of the last change.
    pub validator: Option<String>,
    /// The range of a 206.
    pub content_range: Option<ContentRange>,
    retry_after: Option<Duration>,
    body: Body,
}

impl Response {
    /// Refuses anything but the whole file or the requested rest.
    fn checked(self, asked: &str, resume: Option<&Resume>) -> Result<Self, HttpError> {
        let url = asked.to_owned();
        match (self.status, resume, self.content_range) {
            (200, _, _) => Ok(Self {
                start: 0,
                content_range: None,
                ..self
            }),
            (206, Some(resume), Some(range)) if range.start == resume.from => Ok(self),
            (206, _, _) => Err(HttpError::WrongRange { url }),
            (status, _, _) => Err(HttpError::Status {
                url,
                status,
                retry_after: self.retry_after,
            }),
        }
    }
}

impl Read for Response {
    /// Errors contain an [`HttpError`]: see [`HttpError::from_io`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}
