//! The warnings about failed downloads: one per server and reason, so that a server that does not
//! answer is reported once and not for each file.

use std::collections::BTreeSet;

use fetch::Next;

/// What was reported.
#[derive(Debug, Default)]
pub(super) struct Failures {
    seen: BTreeSet<(String, String)>,
}

impl Failures {
    /// The warning about an attempt that failed: its file, URL and reason. `None` if the same
    /// failure of this server was reported, unless `verbose`, or if an error will report it.
    pub(super) fn line(
        &mut self,
        (file, url, why): (&str, &str, &str),
        next: Next,
        verbose: bool,
    ) -> Option<String> {
        let follows = match next {
            Next::Retry { seconds } => format!("retrying in {seconds:.1} s"),
            Next::NextUrl => "trying the next location".to_owned(),
            Next::GiveUp => return None,
        };
        let is_new = self.seen.insert((server(url).to_owned(), why.to_owned()));
        (is_new || verbose).then(|| format!("`{file}` from {url}: {why}; {follows}"))
    }
}

/// Scheme and host of a URL.
fn server(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_of_a_server_is_reported_once() {
        let mut failures = Failures::default();
        let mut check = |file: &str, url: &str, why: &str, next, verbose, expect: Option<&str>| {
            let line = failures.line((file, url, why), next, verbose);
            assert_eq!(line.as_deref(), expect, "{url}: {why}");
        };
        let retry = Next::Retry { seconds: 0.52 };
        let refused = "connection refused";
        let first = "`a` from http://m/x/a: connection refused; retrying in 0.5 s";
        check("a", "http://m/x/a", refused, retry, false, Some(first));
        check("a", "http://m/x/a", refused, retry, false, None);
        check("b", "http://m/y/b", refused, Next::NextUrl, false, None);
        let again = "`b` from http://m/y/b: connection refused; trying the next location";
        check(
            "b",
            "http://m/y/b",
            refused,
            Next::NextUrl,
            true,
            Some(again),
        );
        let other = "`b` from http://n/b: connection refused; retrying in 0.5 s";
        check("b", "http://n/b", refused, retry, false, Some(other));
        let reason = "`b` from http://m/b: HTTP 404; trying the next location";
        check(
            "b",
            "http://m/b",
            "HTTP 404",
            Next::NextUrl,
            false,
            Some(reason),
        );
        check("c", "http://o/c", refused, Next::GiveUp, true, None);
    }

    #[test]
    fn server_is_scheme_and_host() {
        assert_eq!(
            server("https://a.example:8080/x/y"),
            "https://a.example:8080"
        );
        assert_eq!(server("file:///mirror/x"), "file://");
        assert_eq!(server("nothing"), "nothing");
    }
}
