//! The seam to the other end of a request. The implementation that opens sockets is in `http`;
//! tests have one that plays a script. Time and chance are behind a seam too, for the same reason.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fs_err as fs;
use host::clock;
use host::interrupt::Interrupted;
use host::secret::SecretUrl;

/// Locations that need no network.
pub(super) const FILE_SCHEME: &str = "file://";

/// Who answers requests.
pub trait Remote: Send + Sync {
    /// Asks for a file, or for its end. Redirects are followed, nothing is decoded.
    fn get(&self, url: &str, resume: Option<&Resume>) -> Result<Response, RemoteError>;

    /// Asks for status and length alone. A remote that has no such request asks for the file and does
    /// not read its body.
    fn head(&self, url: &str) -> Result<Head, RemoteError> {
        self.get(url, None).map(|response| response.head())
    }
}

/// An answer without its body.
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

/// The end of a file of which the beginning is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// First byte that is wanted.
    pub offset: u64,
    /// `ETag` or `Last-Modified` that the beginning came with, where it came from the same URL.
    pub validator: Option<String>,
}

/// An answer, its body still to be read.
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `Content-Length`: of the body, not of the file.
    pub length: Option<u64>,
    /// Strong `ETag`, else `Last-Modified`.
    pub validator: Option<String>,
    /// `Content-Range`.
    pub range: Option<ContentRange>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The body. A read fails when the other end stalls.
    pub body: Box<dyn Read + Send>,
}

/// Which part of a file a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// First byte.
    pub start: u64,
    /// Length of the whole file, if the server sent it.
    pub total: Option<u64>,
}

/// No answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteError {
    /// What went wrong.
    pub why: String,
    /// Whether the same request may succeed later.
    pub passing: bool,
    /// What fixes it, where that is known.
    pub hint: Option<String>,
}

/// Time and chance.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
    /// Lets time pass, unless the run is asked to end.
    fn sleep(&self, time: Duration) -> Result<(), Interrupted>;
    /// A number from 0 to 1, another one each time.
    fn chance(&self) -> f64;
}

/// The real time.
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

/// From where files may come.
#[derive(Clone)]
pub struct Remotes {
    /// Who asks; `None` is offline: no socket can be opened.
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
    /// no server may be contacted; `file:` locations still work.
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

    /// Asks through `client`.
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

/// Answers for a `file:` URL, as a server would.
pub(super) fn get_file(url: &str) -> Result<Response, RemoteError> {
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
