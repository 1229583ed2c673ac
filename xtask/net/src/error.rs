//! Why a transfer failed, and whether a retry may help.

use std::error::Error;
use std::io;
use std::time::Duration;

use host::causes::causes;
use host::interrupt::Interrupted;

use crate::policy::Refused;
use crate::tls;

/// Why a URL could not be fetched completely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The client could not be created: no certificates or threads.
    #[error("failed to set up HTTP: {why}")]
    Setup {
        /// The error chain.
        why: String,
    },
    /// The text is not an HTTP URL.
    #[error("`{url}` is not an HTTP URL: {why}")]
    BadUrl {
        /// The text as given.
        url: String,
        /// The error chain.
        why: String,
    },
    /// The connection failed: name, network or certificate.
    #[error("failed to connect to `{url}`: {why}")]
    Connect {
        /// The requested URL.
        url: String,
        /// The error chain.
        why: String,
    },
    /// No secure connection: the certificate, or the server's TLS. A retry does not help.
    #[error("failed to connect to `{url}`: {why}")]
    Tls {
        /// The requested URL.
        url: String,
        /// The cause.
        why: String,
        /// The server's certificate was refused.
        certificate: bool,
    },
    /// The server answered with another status.
    #[error("`{url}` answered with status {status}")]
    Status {
        /// The requested URL.
        url: String,
        /// HTTP status.
        status: u16,
        /// Delay that the server requested before a retry.
        retry_after: Option<Duration>,
    },
    /// More than five redirects, or a loop.
    #[error("too many redirects from `{url}`")]
    TooManyRedirects {
        /// The requested URL.
        url: String,
    },
    /// A redirect from HTTPS to plain HTTP.
    #[error("`{url}` redirects from https to http")]
    Downgrade {
        /// The requested URL.
        url: String,
    },
    /// The server sent another range than requested.
    #[error("`{url}` sent a different range than requested")]
    WrongRange {
        /// The requested URL.
        url: String,
    },
    /// The server sent nothing, or next to nothing, for too long.
    #[error("`{url}` sent no data for {} s", time.as_secs_f32())]
    Stalled {
        /// The requested URL.
        url: String,
        /// The length of the silence.
        time: Duration,
    },
    /// The connection broke, or the body is shorter than announced.
    #[error("the transfer from `{url}` failed: {why}")]
    Broken {
        /// The requested URL.
        url: String,
        /// The error chain.
        why: String,
    },
    /// The run was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl HttpError {
    /// Whether the same request may succeed a moment later. Otherwise the caller tries the next
    /// location.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Connect { .. } | Self::Stalled { .. } | Self::Broken { .. } => true,
            _ => false,
        }
    }

    /// The error without the URL.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::BadUrl { why, .. } => format!("not an HTTP URL: {why}"),
            Self::Connect { why, .. } => format!("failed to connect: {why}"),
            Self::Tls { why, .. } => why.clone(),
            Self::Status { status, .. } => format!("HTTP status {status}"),
            Self::TooManyRedirects { .. } => "too many redirects".to_owned(),
            Self::Downgrade { .. } => "redirects from https to http".to_owned(),
            Self::WrongRange { .. } => "sent a different range than requested".to_owned(),
            Self::Stalled { time, .. } => format!("sent no data for {} s", time.as_secs_f32()),
            Self::Broken { why, .. } => format!("transfer failed: {why}"),
            Self::Setup { .. } | Self::Interrupted(_) => self.to_string(),
        }
    }

    /// Delay that the server requested before a retry.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setup { why } if why.to_ascii_lowercase().contains("certificate") => {
                Some("cargo xtask setup".to_owned())
            }
            Self::Tls {
                certificate: true, ..
            } => Some("trust the authorities in a PEM file: export SSL_CERT_FILE=FILE".to_owned()),
            _ => None,
        }
    }

    /// Recovers the error that a [`crate::Response`] returned to its reader.
    #[must_use]
    pub fn from_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<HttpError> for io::Error {
    fn from(error: HttpError) -> Self {
        let kind = match error {
            HttpError::Stalled { .. } => io::ErrorKind::TimedOut,
            // Not `Interrupted`, because `read_to_end` retries on that kind.
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Classifies an error of reqwest for a request to `url`.
pub(super) fn classify(url: &str, error: &reqwest::Error) -> HttpError {
    let url = url.to_owned();
    let refused = causes(error).find_map(|cause| cause.downcast_ref::<Refused>());
    match refused {
        Some(Refused::TooMany) => return HttpError::TooManyRedirects { url },
        Some(Refused::Downgrade) => return HttpError::Downgrade { url },
        None => {}
    }
    if let Some(refused) = tls::find(error) {
        let why = tls::describe(refused).to_owned();
        let certificate = matches!(refused, rustls::Error::InvalidCertificate(_));
        return HttpError::Tls {
            url,
            why,
            certificate,
        };
    }
    let why = chain(error);
    if error.is_builder() {
        HttpError::BadUrl { url, why }
    } else if error.is_connect() || error.is_timeout() {
        HttpError::Connect { url, why }
    } else {
        HttpError::Broken { url, why }
    }
}

/// The innermost causes of an error in one line, without the phrases of reqwest that repeat the
/// URL.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line: Vec<&str> = Vec::new();
    // The error's own kind already says that a client failed to connect or to send.
    let causes: Vec<String> = causes(error)
        .map(ToString::to_string)
        .filter(|cause| !cause.starts_with("client error ("))
        .collect();
    for cause in &causes {
        // Wrappers often print what they wrap. The innermost wording is enough.
        line.retain(|outer| !outer.contains(cause.as_str()));
        if !line.contains(&cause.as_str()) {
            line.push(cause);
        }
    }
    if line.is_empty() {
        error.to_string()
    } else {
        line.join(": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::interrupt::Signal;

    #[test]
    fn only_transient_errors_are_retried() {
        let url = || "https://x/y".to_owned();
        let status = |status| HttpError::Status {
            url: url(),
            status,
            retry_after: None,
        };
        let check = |error: HttpError, expect: bool| {
            assert_eq!(error.is_transient(), expect, "{error}");
        };
        for again in [408, 429, 500, 502, 503, 504] {
            check(status(again), true);
        }
        for never in [301, 400, 401, 403, 404, 410, 416] {
            check(status(never), false);
        }
        check(
            HttpError::Connect {
                url: url(),
                why: String::new(),
            },
            true,
        );
        check(
            HttpError::Stalled {
                url: url(),
                time: Duration::ZERO,
            },
            true,
        );
        check(
            HttpError::Broken {
                url: url(),
                why: String::new(),
            },
            true,
        );
        check(HttpError::Downgrade { url: url() }, false);
        check(
            HttpError::Tls {
                url: url(),
                why: String::new(),
                certificate: false,
            },
            false,
        );
        check(HttpError::TooManyRedirects { url: url() }, false);
        check(HttpError::WrongRange { url: url() }, false);
        check(HttpError::Interrupted(Interrupted(Signal(2))), false);
    }

    #[test]
    fn certificate_errors_have_hints() {
        let why = "no CA certificates were loaded from the system".to_owned();
        let error = HttpError::Setup { why };
        assert_eq!(error.hint().as_deref(), Some("cargo xtask setup"));
        let tls = |certificate| HttpError::Tls {
            url: "https://x/y".to_owned(),
            why: String::new(),
            certificate,
        };
        let hint = tls(true).hint().expect("a hint");
        assert!(hint.contains("SSL_CERT_FILE"), "{hint}");
        assert_eq!(tls(false).hint(), None);
    }

    #[test]
    fn error_survives_an_io_error() {
        let error = HttpError::Stalled {
            url: "http://x".to_owned(),
            time: Duration::from_secs(30),
        };
        let through = io::Error::from(error.clone());
        assert_eq!(HttpError::from_io(&through), Some(&error));
        assert_eq!(HttpError::from_io(&io::Error::other("else")), None);
    }
}
