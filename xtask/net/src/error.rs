//! Why a transfer failed, and whether trying again may help.

use std::error::Error;
use std::io;
use std::time::Duration;

use host::causes::causes;
use host::interrupt::Interrupted;

use crate::policy::Refused;
use crate::tls;

/// Why nothing, or not all, could be fetched from a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The client could not be made: no certificates, no threads.
    #[error("failed to set up HTTP: {why}")]
    Setup {
        /// All causes.
        why: String,
    },
    /// The text is not a URL that we can ask.
    #[error("`{url}` is not an HTTP URL: {why}")]
    BadUrl {
        /// As given.
        url: String,
        /// All causes.
        why: String,
    },
    /// No connection: name, network, certificate.
    #[error("failed to connect to `{url}`: {why}")]
    Connect {
        /// As asked.
        url: String,
        /// All causes.
        why: String,
    },
    /// No secure connection: the certificate, or the server's TLS. It stays like this.
    #[error("failed to connect to `{url}`: {why}")]
    Tls {
        /// As asked.
        url: String,
        /// What is wrong.
        why: String,
        /// The server's certificate was refused.
        certificate: bool,
    },
    /// The server answered with something else than the file.
    #[error("`{url}` answered with status {status}")]
    Status {
        /// As asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// More than five redirections, or a circle.
    #[error("too many redirects from `{url}`")]
    TooManyRedirects {
        /// As asked.
        url: String,
    },
    /// A redirection from HTTPS to plain HTTP.
    #[error("`{url}` redirects from https to http")]
    Downgrade {
        /// As asked.
        url: String,
    },
    /// The server sent another part of the file than was asked for.
    #[error("`{url}` sent a different range than requested")]
    WrongRange {
        /// As asked.
        url: String,
    },
    /// Nothing, or next to nothing, came for too long.
    #[error("`{url}` sent no data for {} s", time.as_secs_f32())]
    Stalled {
        /// As asked.
        url: String,
        /// How long was waited.
        time: Duration,
    },
    /// The connection broke, or the body is shorter than announced.
    #[error("the transfer from `{url}` failed: {why}")]
    Broken {
        /// As asked.
        url: String,
        /// All causes.
        why: String,
    },
    /// The run was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl HttpError {
    /// May the same request succeed a moment later? Otherwise the next location is tried.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Connect { .. } | Self::Stalled { .. } | Self::Broken { .. } => true,
            _ => false,
        }
    }

    /// What happened, without the URL.
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

    /// When the server wants to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The command that fixes it, when there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setup { why } if why.to_ascii_lowercase().contains("certificate") => {
                Some("cargo xtask setup".to_owned())
            }
            Self::Tls {
                certificate: true, ..
            } => Some(
                "name a PEM file with the authorities that you trust: export SSL_CERT_FILE=FILE"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    /// The error that a [`crate::Response`] gave to its reader.
    #[must_use]
    pub fn from_io(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<HttpError> for io::Error {
    fn from(error: HttpError) -> Self {
        let kind = match error {
            HttpError::Stalled { .. } => io::ErrorKind::TimedOut,
            // Not `Interrupted`: that kind means "try again" to `read_to_end`.
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Sorts what reqwest says of a request to `url`.
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

/// The innermost causes of an error in one line, without reqwest's own phrases that repeat the URL.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line: Vec<&str> = Vec::new();
    // That a client failed to connect, or to send, is what the error's own kind says.
    let causes: Vec<String> = causes(error)
        .map(ToString::to_string)
        .filter(|cause| !cause.starts_with("client error ("))
        .collect();
    for cause in &causes {
        // Wrappers often print what they wrap; the innermost wording is enough.
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
    fn certificate_errors_name_what_fixes_them() {
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
    fn an_error_survives_the_way_through_a_reader() {
        let error = HttpError::Stalled {
            url: "http://x".to_owned(),
            time: Duration::from_secs(30),
        };
        let through = io::Error::from(error.clone());
        assert_eq!(HttpError::from_io(&through), Some(&error));
        assert_eq!(HttpError::from_io(&io::Error::other("else")), None);
    }
}
