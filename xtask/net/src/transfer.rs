//! One transfer: a thread that reads from the network, and the queue to its reader.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use host::limits::Limits;
use host::secret::shown;
use host::wait::{self, Limit, NotReceived};
use host::{clock, interrupt};
use reqwest::blocking::RequestBuilder;
use reqwest::header::{
    CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, RETRY_AFTER,
};

use crate::policy::{self, ContentRange, Pace};
use crate::{HttpError, error};

/// Size of a read from the network.
const CHUNK: usize = 64 << 10;

/// Chunks between the network and the reader: 1 MiB.
const QUEUE: usize = 16;

/// The relevant headers.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    pub(super) validator: Option<String>,
    pub(super) range: Option<ContentRange>,
    pub(super) retry_after: Option<Duration>,
}

/// A message of the transfer's thread: the head, then bytes, then the end or a failure.
#[derive(Debug)]
enum News {
    Head(Head),
    Bytes(Vec<u8>),
    End,
    Failed(HttpError),
}

/// Sends the request in a new thread and waits for the headers of the answer.
pub(super) fn start(
    url: &str,
    request: RequestBuilder,
    limits: Limits,
) -> Result<(Head, Body), HttpError> {
    let (sender, receiver) = mpsc::sync_channel(QUEUE);
    let asked = url.to_owned();
    thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || perform(&asked, request, &sender))
        .map_err(|error| HttpError::Setup {
            why: error.to_string(),
        })?;
    let pace = Pace::new(limits.stall, limits.slowest);
    let url = url.to_owned();
    let mut body = Body {
        url,
        news: receiver,
        limits,
        chunk: Vec::new(),
        used: 0,
        pace,
        ended: false,
    };
    match body.next(limits.connect + limits.stall)? {
        News::Head(head) => Ok((head, body)),
        _ => Err(body.broken("no answer")),
    }
}

/// Forwards the body until its end or until the receiver is gone.
fn perform(url: &str, request: RequestBuilder, news: &SyncSender<News>) {
    let mut response = match request.send() {
        Ok(response) => response,
        Err(error) => {
            // The reader may have given up.
            let _ = news.send(News::Failed(error::classify(url, &error.without_url())));
            return;
        }
    };
    let headers = response.headers();
    let head = Head {
        url: shown(response.url().as_str()),
        status: response.status().as_u16(),
        length: response.content_length(),
        validator: validator(headers),
        range: text(headers, &CONTENT_RANGE).and_then(policy::parse_content_range),
        retry_after: text(headers, &RETRY_AFTER)
            .and_then(|wait| policy::parse_retry_after(wait, text(headers, &DATE), clock::now())),
    };
    let mut listening = news.send(News::Head(head)).is_ok();
    while listening {
        let mut chunk = vec![0; CHUNK];
        let (item, last) = match response.read(&mut chunk) {
            Ok(0) => (News::End, true),
            Ok(length) => {
                chunk.truncate(length);
                (News::Bytes(chunk), false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let (url, why) = (url.to_owned(), error::chain(&error));
                (News::Failed(HttpError::Broken { url, why }), true)
            }
        };
        listening = news.send(item).is_ok() && !last;
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A strong validator of the file: RFC 9110, 13.1.5. A weak tag proves nothing.
fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, &ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| text(headers, &LAST_MODIFIED))
        .map(str::to_owned)
}

/// The receiving end of a transfer, which measures its pace.
#[derive(Debug)]
pub(super) struct Body {
    url: String,
    news: Receiver<News>,
    limits: Limits,
    chunk: Vec<u8>,
    used: usize,
    pace: Pace,
    ended: bool,
}

impl Body {
    /// The next message. Fails after `limit` or if the run is interrupted.
    fn next(&mut self, limit: Duration) -> Result<News, HttpError> {
        interrupt::check()?;
        let start = Instant::now();
        let until = Limit::within(limit).or_if(&interrupt::is_pending);
        match wait::receive(&self.news, until) {
            Ok(News::Failed(error)) => Err(error),
            Ok(News::Bytes(bytes)) => {
                let length = bytes.len() as u64;
                if self.pace.keeps_up(start.elapsed(), length) {
                    return Ok(News::Bytes(bytes));
                }
                Err(self.stalled(self.limits.stall))
            }
            Ok(news) => Ok(news),
            Err(NotReceived::GaveUp(_)) => {
                interrupt::check()?;
                Err(self.stalled(limit))
            }
            Err(NotReceived::Closed) => Err(self.broken("no end")),
        }
    }

    fn stalled(&self, time: Duration) -> HttpError {
        HttpError::Stalled {
            url: self.url.clone(),
            time,
        }
    }

    fn broken(&self, why: &str) -> HttpError {
        HttpError::Broken {
            url: self.url.clone(),
            why: why.to_owned(),
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.used == self.chunk.len() {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            match self.next(self.limits.stall)? {
                News::Bytes(bytes) => (self.chunk, self.used) = (bytes, 0),
                _ => self.ended = true,
            }
        }
        let length = buffer.len().min(self.chunk.len() - self.used);
        buffer[..length].copy_from_slice(&self.chunk[self.used..self.used + length]);
        self.used += length;
        Ok(length)
    }
}
