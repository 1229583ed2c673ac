//! Reading and writing over HTTP and HTTPS: the only door to the network.
//!
//! A transfer runs in a thread of its own and hands its bytes over a short queue, so that stalls and
//! interruptions end it at once, wherever it is. Bytes come as the server stores them (`identity`):
//! never decoded. Retries, resuming and checking are the caller's (`forge::fetch`).
//! `--offline` means that there is no [`Client`] at all.

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

/// How much later than its reader a transfer's own thread gives up.
const AFTER: Duration = Duration::from_secs(5);

/// Reads from the network. Clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: blocking::Client,
    limits: Limits,
}

impl Client {
    /// A client with these limits. There is none without: `CARGO_HTTP_TIMEOUT` holds for every request.
    pub fn with_limits(limits: Limits) -> Result<Self, HttpError> {
        // Another thread may have installed it already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Proxies come from `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.
        let inner = blocking::Client::builder()
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            // Of the headers, and of each read of the body. The receiver has left by then.
            .timeout(limits.stall + limits.connect + AFTER)
            .redirect(policy::redirects())
            .referer(false)
            .build()
            .map_err(|error| HttpError::Setup {
                why: error::chain(&error),
            })?;
        Ok(Self { inner, limits })
    }

    /// Asks for a file, from byte `resume.from` on when the server still has the same one.
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
        self.begin(shown, request)?.checked(shown, resume)
    }

    /// Asks for a file at an address that holds a secret; messages say `shown`.
    pub fn get_signed(&self, url: &str, shown: &str) -> Result<Response, HttpError> {
        interrupt::check()?;
        let request = self.inner.get(url).header(ACCEPT_ENCODING, "identity");
        self.begin(shown, request)?.checked(shown, None)
    }

    fn begin(&self, shown: &str, request: blocking::RequestBuilder) -> Result<Response, HttpError> {
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

/// The wish for the rest of a file of which some bytes are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// How many bytes are there.
    pub from: u64,
    /// The [`Response::validator`] of the response they came from: if the server's file is another one
    /// now, all of it comes. `None` takes the rest of whatever is there, for those who hash the whole.
    pub validator: Option<String>,
}

/// An answer with a file in it: 200 with the whole, or 206 with its rest. Read it to get the bytes.
#[derive(Debug)]
pub struct Response {
    /// Where it came from, after redirections, as it may be shown.
    pub url: String,
    /// 200, or 206 for the rest of a file.
    pub status: u16,
    /// The first byte's place in the file: 0 unless resuming was granted.
    pub start: u64,
    /// Length of this body, when the server said it.
    pub length: Option<u64>,
    /// For [`Resume`]: a strong `ETag`, else the date of the last change.
    pub validator: Option<String>,
    /// Of a 206.
    pub content_range: Option<ContentRange>,
    retry_after: Option<Duration>,
    body: Body,
}

impl Response {
    /// Refuses what is neither the whole file nor the rest that was asked for.
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
    /// Errors carry an [`HttpError`], recovered by [`HttpError::from_io`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}
