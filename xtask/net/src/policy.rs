//! Decisions about a transfer as pure functions: redirects, headers, pace.

use std::time::{Duration, SystemTime};

use reqwest::Url;
use reqwest::redirect::Policy;

/// Maximum number of redirects.
const MOST_REDIRECTS: usize = 5;

/// Upper limit of the delay that a server can request before a retry.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("too many redirects")]
    TooMany,
    #[error("redirect from https to http")]
    Downgrade,
}

/// Decides whether a chain of requests may continue to `next`.
fn allow(previous: &[Url], next: &Url) -> Result<(), Refused> {
    if previous.len() > MOST_REDIRECTS {
        return Err(Refused::TooMany);
    }
    // Once a link of the chain was HTTPS, the rest must be too.
    let secure = previous.iter().any(|url| url.scheme() == "https");
    if secure && next.scheme() != "https" {
        Err(Refused::Downgrade)
    } else {
        Ok(())
    }
}

/// The redirect policy as reqwest's type.
pub(super) fn redirects() -> Policy {
    Policy::custom(|attempt| match allow(attempt.previous(), attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(refused) => attempt.error(refused),
    })
}

/// The byte range of a 206.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub end: u64,
    /// Length of the whole file, if the server knows it.
    pub total: Option<u64>,
}

/// Parses `bytes 0-99/200` or `bytes 0-99/*` (RFC 9110, 14.4).
pub(super) fn parse_content_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    let total = if total == "*" {
        None
    } else {
        Some(total.parse().ok()?)
    };
    let sound = start <= end && total.is_none_or(|total| end < total);
    sound.then_some(ContentRange { start, end, total })
}

/// Parses `Retry-After` and limits it to a minute: seconds, or a date on the server's clock. That
/// clock is `date` if the server sent one, otherwise ours (RFC 9110, 10.2.3).
pub(super) fn parse_retry_after(
    text: &str,
    date: Option<&str>,
    now: SystemTime,
) -> Option<Duration> {
    let wait = if let Ok(seconds) = text.trim().parse() {
        Duration::from_secs(seconds)
    } else {
        let parse = |text: &str| httpdate::parse_http_date(text).ok();
        let now = date.and_then(parse).unwrap_or(now);
        parse(text)?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Measures the rate of incoming bytes over windows of waiting time. Pauses of the reader do not
/// count.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    slowest: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(window: Duration, slowest: u64) -> Self {
        Self {
            window,
            slowest,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Records `bytes` after a wait. Returns false if the window that ends here was too slow.
    pub(super) fn keeps_up(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.window {
            return true;
        }
        let enough =
            u128::from(self.bytes) * 1000 >= u128::from(self.slowest) * self.waited.as_millis();
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_redirections_are_followed_and_https_stays_https() {
        let check = |previous: &[&str], next: &str, expect: Result<(), Refused>| {
            let url = |text: &&str| Url::parse(text).expect("a URL");
            let previous: Vec<_> = previous.iter().map(url).collect();
            assert_eq!(allow(&previous, &url(&next)), expect, "{next}");
        };
        check(&["http://a/"], "http://b/", Ok(()));
        check(&["http://a/"], "https://b/", Ok(()));
        check(&["https://a/"], "https://b/", Ok(()));
        check(&["https://a/"], "http://a/", Err(Refused::Downgrade));
        check(
            &["http://a/", "https://b/"],
            "http://c/",
            Err(Refused::Downgrade),
        );
        check(&["https://a/"], "ftp://a/", Err(Refused::Downgrade));
        check(&["http://a/"; 5], "http://b/", Ok(()));
        check(&["http://a/"; 6], "http://b/", Err(Refused::TooMany));
    }

    #[test]
    fn content_range_is_read_strictly() {
        let check = |text: &str, expect: Option<(u64, u64, Option<u64>)>| {
            let range = parse_content_range(text).map(|r| (r.start, r.end, r.total));
            assert_eq!(range, expect, "{text}");
        };
        check("bytes 0-99/200", Some((0, 99, Some(200))));
        check("bytes 5-5/*", Some((5, 5, None)));
        check("bytes 5-4/10", None);
        check("bytes 5-10/10", None);
        check("bytes */10", None);
        check("items 0-1/2", None);
        check("bytes 0-1", None);
        check("", None);
    }

    #[test]
    fn retry_after_is_at_most_a_minute() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |text: &str, date: Option<&str>, expect: Option<u64>| {
            let wait = parse_retry_after(text, date, now);
            assert_eq!(wait, expect.map(Duration::from_secs), "{text}");
        };
        check("7", None, Some(7));
        check(" 0 ", None, Some(0));
        check("86400", None, Some(60));
        check("-1", None, None);
        check("soon", None, None);
        check("Sun, 06 Nov 1994 08:49:44 GMT", None, Some(7));
        check("Sun, 06 Nov 1994 09:49:37 GMT", None, Some(60));
        check("Fri, 31 Dec 1993 23:59:59 GMT", None, Some(0));
        let theirs = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        check("Wed, 21 Oct 2015 07:28:05 GMT", theirs, Some(5));
        check("Wed, 21 Oct 2015 07:28:05 GMT", Some("?"), Some(60));
    }

    #[test]
    fn trickle_is_a_stall_slow_reader_is_not() {
        let check = |steps: &[(u64, u64)], expect: bool| {
            let mut pace = Pace::new(Duration::from_secs(30), 1024);
            let kept = |&(wait, bytes)| pace.keeps_up(Duration::from_secs(wait), bytes);
            assert_eq!(steps.iter().map(kept).last(), Some(expect), "{steps:?}");
        };
        check(&[(0, 1 << 20), (10, 1), (10, 1)], true);
        check(&[(10, 100), (10, 100), (10, 100)], false);
        check(&[(10, 10_240), (10, 10_240), (10, 10_240)], true);
        check(&[(30, 30_719)], false);
        check(&[(30, 30_720)], true);
        // A new window starts at zero.
        check(&[(30, 1 << 30), (30, 10)], false);
    }
}
