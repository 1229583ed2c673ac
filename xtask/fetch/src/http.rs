//! The remote that uses the network, through `net`.

use std::io::{self, Read};

use net::HttpError;

use crate::remote::{ContentRange, Head, Remote, RemoteError, Response, Resume};

/// `416 Range Not Satisfiable`: the part file is longer than the file.
const WRONG_RANGE: u16 = 416;

impl Remote for net::Client {
    fn get(&self, url: &str, resume: Option<&Resume>) -> Result<Response, RemoteError> {
        let resume = resume.map(|resume| net::Resume {
            from: resume.offset,
            validator: resume.validator.clone(),
        });
        match net::Client::get(self, url, resume.as_ref()) {
            Ok(response) => Ok(Response {
                status: response.status,
                length: response.length,
                validator: response.validator.clone(),
                range: response.content_range.map(|range| ContentRange {
                    start: range.start,
                    total: range.total,
                }),
                retry_after: None,
                body: Box::new(Plain(response)),
            }),
            Err(error) => answer(&error),
        }
    }

    fn head(&self, url: &str) -> Result<Head, RemoteError> {
        head(self, url)
    }
}

/// Statuses of servers that do not support HEAD.
const NO_HEAD: [u16; 2] = [405, 501];

/// Status and length of the file at a URL.
fn head(client: &net::Client, url: &str) -> Result<Head, RemoteError> {
    let request = net::Request {
        method: net::Method::Head,
        url: url.to_owned(),
        shown: host::secret::shown(url),
        headers: vec![("accept-encoding", "identity".to_owned())],
        payload: net::Payload::Empty,
    };
    match client.send(&request) {
        Ok(reply) if NO_HEAD.contains(&reply.status) => {
            Remote::get(client, url, None).map(|response| response.head())
        }
        Ok(reply) => Ok(Head {
            status: reply.status,
            length: reply
                .headers
                .get("content-length")
                .and_then(|text| text.parse().ok()),
            retry_after: reply.retry_after(),
        }),
        Err(error) => answer(&error).map(|response| response.head()),
    }
}

/// A body whose errors do not repeat the URL.
struct Plain(net::Response);

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            let message = HttpError::from_io(&error).map(HttpError::summary);
            message.map_or(error, io::Error::other)
        })
    }
}

/// Converts a status to an answer. Other errors mean that no answer arrived.
fn answer(error: &HttpError) -> Result<Response, RemoteError> {
    let status = match error {
        HttpError::Status { status, .. } => *status,
        HttpError::WrongRange { .. } => WRONG_RANGE,
        _ => {
            return Err(RemoteError {
                why: error.summary(),
                passing: error.is_transient(),
                hint: error.hint(),
            });
        }
    };
    Ok(Response {
        status,
        length: None,
        validator: None,
        range: None,
        retry_after: error.retry_after(),
        body: Box::new(io::empty()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(error: &HttpError) -> Result<(u16, Option<Duration>), RemoteError> {
        answer(error).map(|response| (response.status, response.retry_after))
    }

    #[test]
    fn status_answer_carries_retry_delay() {
        let retry_after = Some(Duration::from_secs(3));
        let error = HttpError::Status {
            url: "http://x".to_owned(),
            status: 503,
            retry_after,
        };
        assert_eq!(status(&error).unwrap(), (503, retry_after));
        let error = HttpError::WrongRange {
            url: "http://x".to_owned(),
        };
        assert_eq!(status(&error).unwrap(), (416, None));
    }

    #[test]
    fn failure_states_whether_it_is_transient() {
        let url = || "http://x".to_owned();
        let error = HttpError::Stalled {
            url: url(),
            time: Duration::from_secs(30),
        };
        let passing = RemoteError {
            why: "sent no data for 30 s".to_owned(),
            passing: true,
            hint: None,
        };
        assert_eq!(status(&error).unwrap_err(), passing);
        assert!(
            !status(&HttpError::Downgrade { url: url() })
                .unwrap_err()
                .passing
        );
    }
}
