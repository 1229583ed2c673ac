//! Retries requests that may succeed later, with increasing pauses. The caller judges the last
//! answer.

use std::time::Duration;

use host::clock;
use net::{Answer, HttpError};

/// Upper limit of a pause, whatever the server requests.
const LONGEST: Duration = Duration::from_secs(60);

/// The number of attempts and the pauses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Maximum number of attempts.
    pub tries: u32,
    /// The first pause. Each later one is twice as long.
    pub pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 4,
            pause: Duration::from_millis(500),
        }
    }
}

impl Retry {
    /// Sends an idempotent request until the answer is final or the attempts are used up.
    pub(crate) fn ask(
        &self,
        ask: impl FnMut() -> Result<Answer, HttpError>,
    ) -> Result<Answer, HttpError> {
        self.until(passing, ask)
    }

    /// The same for another type of answer. `passing` returns the pause after which a retry may
    /// help.
    pub(crate) fn until<T>(
        &self,
        passing: impl Fn(&T) -> Option<Duration>,
        mut ask: impl FnMut() -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let mut pause = self.pause;
        for _ in 1..self.tries {
            let asked = ask();
            let wish = match &asked {
                Ok(answer) => passing(answer),
                Err(error) if error.is_transient() => Some(error.retry_after().unwrap_or_default()),
                Err(_) => None,
            };
            let Some(wish) = wish else {
                return asked;
            };
            clock::pause(wish.max(pause).min(LONGEST))?;
            pause *= 2;
        }
        ask()
    }
}

/// The minimum pause before a retry of this answer, or `None` if it is final.
fn passing(answer: &Answer) -> Option<Duration> {
    // Amazon answers 400 to an upload that took too long.
    let waited = || answer.status == 400 && answer.summary().contains("RequestTimeout");
    if !matches!(answer.status, 408 | 429 | 500 | 502..=504) && !waited() {
        return None;
    }
    Some(answer.retry_after().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: BTreeMap::from([("retry-after".to_owned(), "0".to_owned())]),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn only_transient_failures_are_retried() {
        let patience = Retry {
            tries: 3,
            pause: Duration::ZERO,
        };
        let check = |status: u16, body: &str, times: u32| {
            let mut asked = 0;
            let reply = patience.ask(|| {
                asked += 1;
                Ok(answer(status, body))
            });
            assert_eq!((reply.unwrap().status, asked), (status, times), "{body}");
        };
        for status in [408, 429, 500, 502, 503, 504] {
            check(status, "", 3);
        }
        for status in [200, 400, 401, 403, 404, 405, 412, 413, 501, 507] {
            check(status, "", 1);
        }
        check(400, "<Code>RequestTimeout</Code>", 3);
        let mut date = answer(503, "");
        let dates = [("date", "08:49:30 GMT"), ("retry-after", "08:49:37 GMT")];
        let dates = dates.map(|(name, at)| (name.to_owned(), format!("Sun, 06 Nov 1994 {at}")));
        date.headers.extend(dates);
        assert_eq!(passing(&date), Some(Duration::from_secs(7)));
        let mut asked = 0;
        let error = HttpError::Stalled {
            url: "http://x".to_owned(),
            time: Duration::ZERO,
        };
        let reply = patience.ask(|| {
            asked += 1;
            Err(error.clone())
        });
        assert_eq!((reply, asked), (Err(error), 3));
    }
}
