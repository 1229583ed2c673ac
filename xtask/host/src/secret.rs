//! URLs that may contain a user and a password, which are used but never printed.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// Placeholder for a user and a password.
const HIDDEN: &str = "***";

/// A URL from the user. `Display` and `Debug` hide its user and password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretUrl(String);

/// Why a text is not usable as a base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The scheme is missing or unsupported.
    #[error("expected a URL with `http://`, `https://` or `file://`, found `{0}`")]
    Scheme(SecretUrl),
    /// Not a URL.
    #[error("expected a URL, found `{url}`: {why}")]
    Syntax {
        /// The URL as given.
        url: SecretUrl,
        /// What is wrong with its host or its port.
        why: &'static str,
    },
}

impl SecretUrl {
    /// The URL with its user and password, for the request itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it contains a user or a password.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        matches!(hidden(&self.0), Cow::Owned(_))
    }

    /// The URL without trailing slashes.
    #[must_use]
    pub fn without_slash(&self) -> Self {
        Self(self.0.trim_end_matches('/').to_owned())
    }

    /// Checks that a request to this URL is possible.
    pub fn check(&self) -> Result<(), UrlError> {
        let scheme = self.0.split_once("://").map(|(scheme, _)| scheme);
        match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("file") => Ok(()),
            Some("http" | "https") => authority_error(&self.0).map_or(Ok(()), |why| {
                Err(UrlError::Syntax {
                    url: self.clone(),
                    why,
                })
            }),
            _ => Err(UrlError::Scheme(self.clone())),
        }
    }
}

impl From<&str> for SecretUrl {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for SecretUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for SecretUrl {
    type Err = Infallible;

    /// Accepts any text, so that no parser of a command line prints a secret that it refuses.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hidden(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&hidden(&self.0), f)
    }
}

/// The error in the host or the port of `scheme://authority/...` (RFC 3986, section 3.2).
fn authority_error(url: &str) -> Option<&'static str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    // Colons are part of an IPv6 address, which is in brackets.
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    };
    let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && !"<>^|%\"`{}".contains(c);
    if name.is_empty() {
        Some("empty host")
    } else if !name.chars().all(is_allowed) || name.starts_with('[') != name.ends_with(']') {
        Some("invalid host")
    } else if !port.is_empty() && port.parse::<u16>().is_err() {
        Some("invalid port number")
    } else {
        None
    }
}

/// The URL without its user and password, to print and record.
#[must_use]
pub fn shown(url: &str) -> String {
    hidden(url).into_owned()
}

/// An argument of a command line without the user and password of any URL in it, to record:
/// `--mirror=https://***@host`.
#[must_use]
pub fn recorded(argument: &str) -> String {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    // Blanks or commas separate several URLs in one argument.
    let pieces = argument.split_inclusive([' ', ',', '\t', '\n']);
    let piece = |piece: &str| {
        let Some(at) = piece.find("://") else {
            return piece.to_owned();
        };
        let start = piece[..at].rfind(|c| !is_scheme(c)).map_or(0, |before| {
            before + piece[before..].chars().next().map_or(1, char::len_utf8)
        });
        format!("{}{}", &piece[..start], shown(&piece[start..]))
    };
    pieces.map(piece).collect()
}

fn hidden(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return url.into();
    };
    if scheme.eq_ignore_ascii_case("file") {
        return url.into();
    }
    // Like other URL parsers: any number of slashes of either kind, then an authority up to the
    // next slash.
    let slash = |c: char| c == '/' || c == '\\';
    let authority = rest.trim_start_matches(slash);
    let slashes = &rest[..rest.len() - authority.len()];
    let end = authority.find(|c| slash(c) || c == '?' || c == '#');
    let (authority, path) = authority.split_at(end.unwrap_or(authority.len()));
    if let Some((_, host)) = authority.rsplit_once('@') {
        return format!("{scheme}:{slashes}{HIDDEN}@{host}{path}").into();
    }
    // Text that cannot be a port is part of a password with an unescaped `/`.
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let is_port = |port: &str| port.ends_with(']') || port.bytes().all(|b| b.is_ascii_digit());
    match path.split_once('@') {
        Some((_, host)) if port.is_some_and(|port| !is_port(port)) => {
            format!("{scheme}:{slashes}{HIDDEN}@{host}").into()
        }
        _ => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden_in_every_form() {
        for (url, expect) in [
            ("https://me:secret@host/a@b", "https://***@host/a@b"),
            ("https://token@host:8080", "https://***@host:8080"),
            ("https://me:p@ss@host?q=a@b", "https://***@host?q=a@b"),
            ("http:me:secret@host/x", "http:***@host/x"),
            ("http:\\\\me:secret@host\\x", "http:\\\\***@host\\x"),
            ("https://me:secret@host#a", "https://***@host#a"),
            ("https://me:sec/ret@host/x", "https://***@host/x"),
            ("me:secret@host/x", "me:***@host/x"),
        ] {
            assert_eq!(shown(url), expect);
            let url = SecretUrl::from(url);
            assert_eq!(url.to_string(), expect);
            assert!(!format!("{url:?}").contains("secret"));
            assert!(url.has_credentials());
        }
    }

    #[test]
    fn url_without_credentials_is_unchanged() {
        for url in [
            "https://host/a@b",
            "https://host:80/a@b",
            "https://[::1]/a@b",
            "file:///a@b",
            "host/path",
            "https://host?a@b",
            "",
        ] {
            assert_eq!(shown(url), url);
            assert!(!SecretUrl::from(url).has_credentials());
        }
    }

    #[test]
    fn recorded_arguments_hide_every_password() {
        for (argument, expect) in [
            (
                "--mirror=https://me:secret@host/x",
                "--mirror=https://***@host/x",
            ),
            ("https://a:b@c,http://d:e@f", "https://***@c,http://***@f"),
            ("oci://me:secret@host/name:tag", "oci://***@host/name:tag"),
            ("(http://a:b@c", "(http://***@c"),
            ("é=http://a:b@c", "é=http://***@c"),
            ("block::nvme", "block::nvme"),
            ("name=a@b", "name=a@b"),
            ("--choose=x=y,z", "--choose=x=y,z"),
        ] {
            assert_eq!(recorded(argument), expect);
        }
    }

    #[test]
    fn base_urls_need_known_scheme_and_host() {
        for good in [
            "http://host",
            "HTTPS://host:1/x",
            "http://me:pass@[::1]:80/x",
            "http://[::1]",
            "file:///x",
        ] {
            assert_eq!(SecretUrl::from(good).check(), Ok(()));
        }
        for bad in [
            "host/path",
            "ftp://host",
            "",
            "/path",
            "http:host",
            "https://",
            "http://h:x/",
            "http://h:70000",
            "http://a b/",
            "http://[::1/",
            "http://me@:80/",
        ] {
            assert!(SecretUrl::from(bad).check().is_err(), "{bad}");
        }
        let error = SecretUrl::from("me:secret@host")
            .check()
            .expect_err("no scheme");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
