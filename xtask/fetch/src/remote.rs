//! The interface to servers, to time and to chance. `http` implements it with sockets, tests with a
//! script.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fs_err as fs;
use host::clock;
use host::interrupt::Interrupted;
use host::secret::SecretUrl;

/// The scheme of locations that need no network.
pub(crate) const FILE_SCHEME: &str = "file://";

/// Answers requests.
pub trait Remote: Send + Sync {
    /// Requests a file, or its end. Follows redirects and decodes nothing.
    fn get(&self, url: &str, resume: Option<&Resume>) -> Result<Response, RemoteError>;

    /// Requests status and length only. The default requests the file and does not read its body.
    fn head(&self, url: &str) -> Result<Head, RemoteError> {
        self.get(url, None).map(|response| response.head())
    }
}

/// An answer without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// HTTP status.
    pub status: u16,
    /// Length of the file.
    pub length: Option<u64>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl Response {
    /// The answer without its body.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            status: self.status,
            length: self.length,
            retry_after: self.retry_after,
        }
    }
}

/// A request for the end of a file whose beginning exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The first byte.
    pub offset: u64,
    /// The `ETag` or `Last-Modified` of the beginning, if it came from the same URL.
    pub validator: Option<String>,
}

/// An answer with an unread body.
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `Content-Length`, which is that of the body, not of the file.
    pub length: Option<u64>,
    /// Strong `ETag`, else `Last-Modified`.
    pub validator: Option<String>,
    /// `Content-Range`.
    pub range: Option<ContentRange>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The body. A read fails if the server stalls.
    pub body: Box<dyn Read + Send>,
}

/// The range of a file that a body contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte.
    pub start: u64,
    /// Length of the whole file, if the server sent it.
    pub total: Option<u64>,
}

/// No answer arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteError {
    /// The error.
    pub why: String,
    /// Whether the same request may succeed later.
    pub passing: bool,
    /// The command that fixes the error, if known.
    pub hint: Option<String>,
}

/// Time and chance.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
    /// Sleeps, unless the run is interrupted.
    fn sleep(&self, time: Duration) -> Result<(), Interrupted>;
    /// A random number from 0 to 1.
    fn chance(&self) -> f64;
}

/// The real clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: clock::monotonic(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, time: Duration) -> Result<(), Interrupted> {
        clock::pause(time)
    }

    fn chance(&self) -> f64 {
        let bytes = host::random::bytes().unwrap_or_default();
        f64::from(u16::from_ne_bytes(bytes)) / f64::from(u16::MAX)
    }
}

/// The servers that files may come from.
#[derive(Clone)]
pub struct Remotes {
    /// The client. `None` means offline: no socket can be opened.
    pub client: Option<Arc<dyn Remote>>,
    /// Bases of Debian mirrors, tried in order.
    pub debian_mirrors: Vec<SecretUrl>,
    /// Base of Debian's snapshot archive.
    pub debian_snapshot: Option<SecretUrl>,
    /// Bases of Kiln mirrors, tried in order after a file's own locations.
    pub mirrors: Vec<SecretUrl>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
}

impl Remotes {
    /// No server may be contacted. `file:` locations still work.
    #[must_use]
    pub fn offline() -> Self {
        Self {
            client: None,
            debian_mirrors: Vec::new(),
            debian_snapshot: None,
            mirrors: Vec::new(),
            clock: Arc::new(SystemClock::default()),
        }
    }

    /// Sends requests through `client`.
    #[must_use]
    pub fn online(client: Arc<dyn Remote>) -> Self {
        Self {
            client: Some(client),
            ..Self::offline()
        }
    }
}

impl fmt::Debug for Remotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remotes")
            .field("offline", &self.client.is_none())
            .field("debian_mirrors", &self.debian_mirrors)
            .field("debian_snapshot", &self.debian_snapshot)
            .field("mirrors", &self.mirrors)
            .finish_non_exhaustive()
    }
}

/// Answers for a `file:` URL like a server.
pub(crate) fn get_file(url: &str) -> Result<Response, RemoteError> {
    let failed = |why: String| RemoteError {
        why,
        passing: false,
        hint: None,
    };
    let path = url.strip_prefix(FILE_SCHEME).and_then(percent_decode);
    let path = path.ok_or_else(|| failed("not a `file:` URL".to_owned()))?;
    let open = || -> io::Result<(fs::File, u64)> {
        let file = fs::File::open(&path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    let (file, length) = open().map_err(|error| failed(error.to_string()))?;
    Ok(Response {
        status: 200,
        length: Some(length),
        validator: None,
        range: None,
        retry_after: None,
        body: Box::new(file),
    })
}

fn percent_decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}
