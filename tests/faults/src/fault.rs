//! Faults of a mirror by name. Tests iterate over them.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::{Answer, Body, End, Request};

/// A file on a correct server.
#[derive(Debug, Clone)]
pub struct File {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its `ETag`, with quotes.
    pub tag: String,
}

impl File {
    /// A file with these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            tag: "\"new\"".to_owned(),
        }
    }

    /// An earlier version of the file: same length, but different in each byte.
    fn old(&self) -> Self {
        Self {
            bytes: self.bytes.iter().map(|byte| !byte).collect(),
            tag: "\"old\"".to_owned(),
        }
    }

    /// Answers as in RFC 9110: with the whole file, or with the requested end if the file is
    /// unchanged.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Answer {
        let same = request.header("if-range").is_none_or(|tag| tag == self.tag);
        match request.range().filter(|_| same) {
            Some(start) if start < self.bytes.len() => self.part(start),
            Some(_) => self.unsatisfiable(),
            None => self.whole(),
        }
    }

    fn whole(&self) -> Answer {
        let answer = Answer::status("200 OK").header("ETag", &self.tag);
        answer.bytes(self.bytes.clone())
    }

    fn part(&self, start: usize) -> Answer {
        let length = self.bytes.len();
        let range = format!("bytes {start}-{}/{length}", length - 1);
        Answer::status("206 Partial Content")
            .header("ETag", &self.tag)
            .header("Content-Range", range)
            .bytes(&self.bytes[start..])
    }

    fn unsatisfiable(&self) -> Answer {
        let range = format!("bytes */{}", self.bytes.len());
        Answer::status("416 Range Not Satisfiable")
            .header("Content-Range", range)
            .bytes("")
    }
}

/// The fault of a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`name` says it")]
pub enum Fault {
    None,
    NoLength,
    CutOnce,
    CutAlways,
    ResetOnce,
    ResetAlways,
    IgnoredRange,
    OtherRange,
    LyingRange,
    NotSatisfiable,
    ChangedFile,
    ChangedFileWithoutCondition,
    EncodingSaid,
    EncodingDone,
    WrongBytes,
    WrongLength,
    Endless,
    Drip,
    Silence,
    SilenceInTheMiddle,
    Circle,
    BusyForSeconds,
    BusyUntilDate,
    BusyAlways,
    FailsOnce,
    NotFound,
    Forbidden,
    HalfHead,
    HugeHead,
    NoHttp,
}

impl Fault {
    /// All faults, both those that a client with retries overcomes and those that it cannot.
    pub const ALL: [Self; 30] = [
        Self::None,
        Self::NoLength,
        Self::CutOnce,
        Self::CutAlways,
        Self::ResetOnce,
        Self::ResetAlways,
        Self::IgnoredRange,
        Self::OtherRange,
        Self::LyingRange,
        Self::NotSatisfiable,
        Self::ChangedFile,
        Self::ChangedFileWithoutCondition,
        Self::EncodingSaid,
        Self::EncodingDone,
        Self::WrongBytes,
        Self::WrongLength,
        Self::Endless,
        Self::Drip,
        Self::Silence,
        Self::SilenceInTheMiddle,
        Self::Circle,
        Self::BusyForSeconds,
        Self::BusyUntilDate,
        Self::BusyAlways,
        Self::FailsOnce,
        Self::NotFound,
        Self::Forbidden,
        Self::HalfHead,
        Self::HugeHead,
        Self::NoHttp,
    ];

    /// Its name in tables and URLs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "right",
            Self::NoLength => "right-without-length",
            Self::CutOnce => "cut-once",
            Self::CutAlways => "cut-always",
            Self::ResetOnce => "reset-once",
            Self::ResetAlways => "reset-always",
            Self::IgnoredRange => "range-ignored",
            Self::OtherRange => "range-another",
            Self::LyingRange => "range-that-lies",
            Self::NotSatisfiable => "range-416",
            Self::ChangedFile => "changed-file",
            Self::ChangedFileWithoutCondition => "changed-file-if-range-ignored",
            Self::EncodingSaid => "gzip-said-not-done",
            Self::EncodingDone => "gzip-done",
            Self::WrongBytes => "wrong-bytes",
            Self::WrongLength => "wrong-length",
            Self::Endless => "endless",
            Self::Drip => "drip",
            Self::Silence => "silence",
            Self::SilenceInTheMiddle => "silence-in-the-middle",
            Self::Circle => "redirects-in-a-circle",
            Self::BusyForSeconds => "429-for-seconds",
            Self::BusyUntilDate => "503-until-date",
            Self::BusyAlways => "503-always",
            Self::FailsOnce => "500-once",
            Self::NotFound => "404",
            Self::Forbidden => "403",
            Self::HalfHead => "half-a-head",
            Self::HugeHead => "head-of-1-MB",
            Self::NoHttp => "no-http",
        }
    }

    /// Whether a correct client gets the file from this location alone.
    #[must_use]
    pub fn is_overcome(self) -> bool {
        !matches!(
            self,
            Self::CutAlways
                | Self::ResetAlways
                | Self::EncodingDone
                | Self::WrongBytes
                | Self::WrongLength
                | Self::Endless
                | Self::Drip
                | Self::Silence
                | Self::SilenceInTheMiddle
                | Self::Circle
                | Self::BusyAlways
                | Self::NotFound
                | Self::Forbidden
                | Self::HalfHead
                | Self::HugeHead
                | Self::NoHttp
        )
    }

    /// The answer to a request for a file after `before` earlier ones. A truncated first answer is
    /// cut at `at`.
    #[must_use]
    pub fn answer(self, file: &File, request: &Request, before: usize, at: usize) -> Answer {
        let first = (before == 0).then(|| self.first(file, at)).flatten();
        first.unwrap_or_else(|| self.later(file, request, at))
    }

    /// The first answer, if it differs from the later ones.
    fn first(self, file: &File, at: usize) -> Option<Answer> {
        Some(match self {
            Self::CutOnce
            | Self::CutAlways
            | Self::IgnoredRange
            | Self::OtherRange
            | Self::LyingRange
            | Self::NotSatisfiable => file.whole().cut(at),
            Self::ChangedFile | Self::ChangedFileWithoutCondition => file.old().whole().cut(at),
            Self::ResetOnce => file.whole().cut(at).end(End::Reset),
            Self::BusyForSeconds => {
                Answer::status("429 Too Many Requests").header("Retry-After", 1)
            }
            // The date in the answer refers to the server's own clock.
            Self::BusyUntilDate => Answer::status("503 Service Unavailable")
                .header("Date", "Wed, 21 Oct 2015 07:28:00 GMT")
                .header("Retry-After", "Wed, 21 Oct 2015 07:28:01 GMT"),
            Self::FailsOnce => Answer::status("500 Internal Server Error"),
            _ => return None,
        })
    }

    fn later(self, file: &File, request: &Request, at: usize) -> Answer {
        let right = file.answer(request);
        match (self, request.range()) {
            (Self::NoLength, _) => Answer::status("200 OK").body(Body::Bytes(file.bytes.clone())),
            (Self::CutAlways, _) => right.cut(0),
            (Self::ResetAlways, _) => right.cut(at / 4).end(End::Reset),
            (Self::IgnoredRange, _) => file.whole(),
            (Self::OtherRange, Some(_)) => file.part(0),
            // The tag and range are right, so only the digest reveals the fault.
            (Self::LyingRange, Some(start)) => File {
                tag: file.tag.clone(),
                ..file.old()
            }
            .part(start),
            (Self::NotSatisfiable, Some(_)) => file.unsatisfiable(),
            (Self::ChangedFileWithoutCondition, Some(start)) => file.part(start),
            (Self::EncodingSaid, _) => right.header("Content-Encoding", "x-gzip"),
            (Self::EncodingDone, _) => Answer::status("200 OK")
                .header("Content-Encoding", "gzip")
                .bytes(gzip(&file.bytes)),
            (Self::WrongBytes, _) => file.old().whole(),
            (Self::WrongLength, _) => Answer::status("200 OK").bytes(&file.bytes[1..]),
            (Self::Endless, _) => Answer::status("200 OK").body(Body::Endless(7)),
            (Self::Drip, _) => {
                let body = Body::Drip(file.bytes.clone(), Duration::from_millis(100));
                Answer::status("200 OK").body(body)
            }
            (Self::Silence, _) => Answer::raw("").end(End::Silence),
            (Self::SilenceInTheMiddle, _) => right.cut(at / 4).end(End::Silence),
            (Self::Circle, _) => Answer::redirect(&request.target),
            (Self::BusyAlways, _) => Answer::status("503 Service Unavailable"),
            (Self::NotFound, _) => Answer::status("404 Not Found"),
            (Self::Forbidden, _) => Answer::status("403 Forbidden"),
            (Self::HalfHead, _) => Answer::raw("HTTP/1.1 200 OK\r\nContent-Len"),
            (Self::HugeHead, _) => Answer::status("200 OK").header("X-Huge", "x".repeat(1 << 20)),
            (Self::NoHttp, _) => Answer::raw("SSH-2.0-OpenSSH_9.2\r\n"),
            _ => right,
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
