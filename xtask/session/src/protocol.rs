//! The records between guest and host, one per line, over a virtio-serial port or the console:
//!
//! `@kiln <nonce> <seq> <type> <crc32> <payload>`
//!
//! The guest side is `images/common/init.c`, and `guest-tests/README.md` describes both. This
//! module only handles bytes: [`crate::session`] and [`crate::fold`] interpret the records.

use std::fmt;

use suite::header::{Channel, Leave};

mod sender;

#[cfg(test)]
use sender::KEPT;
pub use sender::{Resume, Sender};

/// The start of every record.
const MARK: &[u8] = b"@kiln ";
/// Maximum length of a line in bytes. A longer one is not a record.
pub const LINE_MAX: usize = 16 * 1024;
/// Bytes of a file or of output per record. Even if every byte is escaped, they fit into a line.
pub const CHUNK: usize = 4096;
/// The separator of the parts of a payload.
pub const SEPARATOR: u8 = 0x1f;
/// The nonce of a guest that was not given one yet.
const NO_NONCE: &str = "-";

/// 128 random bits that tie a guest's records to one start of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A new one from the kernel's random numbers.
    pub fn random() -> std::io::Result<Self> {
        host::random::bytes().map(Self::from_bytes)
    }

    /// A nonce with these bits.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({})", self.0)
    }
}

/// A record with a correct checksum, from any source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 32 hexadecimal digits or `-`.
    pub nonce: String,
    /// Counts from 1 in each direction.
    pub seq: u64,
    /// The type.
    pub kind: String,
    /// Unescaped bytes.
    pub payload: Vec<u8>,
}

impl Record {
    /// Formats the line with its newline.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let head = format!("{} {} {} ", self.nonce, self.seq, self.kind);
        let payload = escape(&self.payload);
        let mut line = MARK.to_vec();
        line.extend_from_slice(head.as_bytes());
        line.extend_from_slice(format!("{:08x} ", crc32(head.as_bytes(), &payload)).as_bytes());
        line.extend_from_slice(&payload);
        line.push(b'\n');
        line
    }

    /// Parses a line without its newline.
    pub fn parse(line: &[u8]) -> Result<Self, NoRecord> {
        let rest = line.strip_prefix(MARK).ok_or(NoRecord::Text)?;
        if line.len() > LINE_MAX {
            return Err(NoRecord::Malformed);
        }
        let mut parts = rest.splitn(5, |&byte| byte == b' ');
        let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
        let (nonce, seq, kind, crc) = (text(), text(), text(), text().filter(|crc| crc.len() == 8));
        let crc = crc.and_then(|crc| u32::from_str_radix(crc, 16).ok());
        let (Some(nonce), Some(seq), Some(kind), Some(crc), Some(payload)) =
            (nonce, seq, kind, crc, parts.next())
        else {
            return Err(NoRecord::Malformed);
        };
        let seq = seq
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| seq.parse().ok());
        let seq = seq.flatten().ok_or(NoRecord::Malformed)?;
        if crc32(format!("{nonce} {seq} {kind} ").as_bytes(), payload) != crc {
            return Err(NoRecord::Checksum);
        }
        let payload = unescape(payload);
        Ok(Self {
            nonce: nonce.to_owned(),
            seq,
            kind: kind.to_owned(),
            payload,
        })
    }
}

/// Why a line is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRecord {
    /// It does not start like a record.
    #[error("not a record")]
    Text,
    /// A part is missing or is not a number.
    #[error("a malformed record")]
    Malformed,
    /// The CRC is wrong.
    #[error("a record with a wrong checksum")]
    Checksum,
}

/// A record from the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromGuest {
    /// Init has started and waits for `start`.
    Hello {
        /// The release of its kernel.
        release: String,
        /// Whether it can be saved and restored.
        resumes: bool,
    },
    /// It is ready to be saved.
    Prepared {
        /// Exit status of the command that it ran.
        status: i32,
    },
    /// It was restored and has found its devices.
    Resumed {
        /// The name under which it was saved.
        template: String,
        /// Not 0 after a failure, which its console explains.
        status: i32,
    },
    /// Output of the test.
    Out(Vec<u8>),
    /// A helper command for the host.
    Call(Call),
    /// The test announced how the guest ends.
    Leaving(Leave),
    /// The end of the test.
    End {
        /// Exit status, 128 + signal for a signal.
        status: i32,
        /// `/proc/sys/kernel/tainted`.
        taint: u64,
    },
}

/// A call of a helper command by a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Identifies the call in the reply.
    pub id: u64,
    /// The helper command, such as `qmp`.
    pub word: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// The protocol version in `hello`.
const VERSION: &str = "1";
/// The capability of a guest that can be saved and restored.
const RESUMES: &str = "resume";

impl FromGuest {
    fn parse(record: &Record) -> Result<Self, String> {
        let text = String::from_utf8_lossy(&record.payload);
        match record.kind.as_str() {
            "hello" => {
                let mut words = text.split(' ');
                match (words.next(), words.next()) {
                    (Some(VERSION), Some(release)) => Ok(Self::Hello {
                        release: release.to_owned(),
                        resumes: words.any(|capability| capability == RESUMES),
                    }),
                    _ => Err(format!("a hello of another version: `{text}`")),
                }
            }
            "prepared" => match text.parse() {
                Ok(status) => Ok(Self::Prepared { status }),
                Err(_) => Err(format!("a malformed answer to prepare: `{text}`")),
            },
            "resumed" => parse_resumed(&text)
                .ok_or_else(|| format!("a malformed answer to resume: `{text}`")),
            "out" => Ok(Self::Out(record.payload.clone())),
            "call" => parse_call(&text).ok_or_else(|| format!("a malformed call: `{text}`")),
            "leaving" => Leave::parse(&text)
                .map(Self::Leaving)
                .ok_or_else(|| format!("an unknown announcement: `{text}`")),
            "end" => parse_end(&text).ok_or_else(|| format!("a malformed end: `{text}`")),
            other => Err(format!("a record of unknown type `{other}`")),
        }
    }
}

fn parse_call(text: &str) -> Option<FromGuest> {
    let (id, rest) = text.split_once(' ')?;
    let mut parts = rest.split(char::from(SEPARATOR)).map(str::to_owned);
    Some(FromGuest::Call(Call {
        id: id.parse().ok()?,
        // An empty name is answered like any other unknown one, because the guest waits for the
        // reply.
        word: parts.next().unwrap_or_default(),
        args: parts.collect(),
    }))
}

fn parse_resumed(text: &str) -> Option<FromGuest> {
    let (template, status) = text.split_once(' ')?;
    Some(FromGuest::Resumed {
        template: template.to_owned(),
        status: status.parse().ok()?,
    })
}

fn parse_end(text: &str) -> Option<FromGuest> {
    let (status, taint) = text.split_once(' ')?;
    Some(FromGuest::End {
        status: status.parse().ok()?,
        taint: taint.parse().ok()?,
    })
}

/// An item received over a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A record of this guest, in order.
    Record(FromGuest),
    /// An invalid record or an unexpected line: the reason, one line.
    Noted(String),
}

/// What a channel carries in addition to records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nothing. Other lines are noted.
    Own,
    /// Console text, which is not an error.
    Console,
}

impl From<Channel> for Sharing {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Virtio => Self::Own,
            Channel::Console => Self::Console,
        }
    }
}

/// Parses the bytes of a channel, and accepts only records with the right nonce and in order.
#[derive(Debug)]
pub struct Receiver {
    sharing: Sharing,
    nonce: Option<Nonce>,
    last: u64,
    line: Vec<u8>,
    overlong: bool,
    /// For each loaded snapshot: the number after which the guest may continue counting.
    rewinds: Vec<u64>,
}

impl Receiver {
    /// Without a nonce yet, only `hello` is accepted.
    #[must_use]
    pub fn new(sharing: Sharing) -> Self {
        Self {
            sharing,
            nonce: None,
            last: 0,
            line: Vec::new(),
            overlong: false,
            rewinds: Vec::new(),
        }
    }

    /// From now on records carry this nonce and count from 1.
    pub fn expect(&mut self, nonce: Nonce) {
        self.nonce = Some(nonce);
        self.last = 0;
        self.rewinds.clear();
    }

    /// Like [`Receiver::expect`], for a guest whose first record, the answer to `resume`, was
    /// already received.
    pub fn expect_resumed(&mut self, nonce: Nonce) {
        self.expect(nonce);
        self.last = 1;
    }

    /// The number of the latest record.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The guest was restored from a snapshot after record number `last`: its numbers may go back
    /// once, but not to that number or before. The nonce stays, which a forged record does not
    /// have.
    pub fn rewind(&mut self, last: u64) {
        self.rewinds.push(last);
    }

    /// Whether the guest has used the nonce.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.last > 0
    }

    /// Takes bytes in pieces of any length.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Received> {
        let mut received = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (body, ends) = piece
                .strip_suffix(b"\n")
                .map_or((piece, false), |body| (body, true));
            if self.line.len() + body.len() > LINE_MAX {
                self.overlong = true;
                self.line.truncate(MARK.len());
            }
            if !self.overlong {
                self.line.extend_from_slice(body);
            }
            if ends {
                let line = std::mem::take(&mut self.line);
                self.take_line(&line, &mut received);
                self.overlong = false;
            }
        }
        received
    }

    fn take_line(&mut self, line: &[u8], received: &mut Vec<Received>) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.overlong {
            if self.sharing == Sharing::Own || line.starts_with(MARK) {
                received.push(Received::Noted("a line too long for a record".to_owned()));
            }
            return;
        }
        let record = match self.parse(line) {
            Ok(record) => record,
            Err(NoRecord::Text) if self.sharing == Sharing::Console || line.is_empty() => return,
            Err(error) => {
                received.push(Received::Noted(format!("{error}: `{}`", excerpt(line))));
                return;
            }
        };
        match self.admit(&record) {
            Ok(missing) => {
                if missing > 0 {
                    // The verdict does not depend on it, because an end record is complete by
                    // itself.
                    received.push(Received::Noted(format!("{missing} records were lost")));
                }
                received.push(match FromGuest::parse(&record) {
                    Ok(meaning) => Received::Record(meaning),
                    Err(why) => Received::Noted(why),
                });
            }
            Err(why) => received.push(Received::Noted(format!("{why}: `{}`", excerpt(line)))),
        }
    }

    /// Loading a snapshot may truncate a record. The next one then begins within its line.
    fn parse(&self, line: &[u8]) -> Result<Record, NoRecord> {
        let whole = Record::parse(line);
        if whole.is_ok() || self.rewinds.is_empty() {
            return whole;
        }
        let windows = line.windows(MARK.len()).enumerate().skip(1);
        let mut starts = windows.filter(|(_, window)| *window == MARK);
        starts
            .find_map(|(start, _)| Record::parse(&line[start..]).ok())
            .map_or(whole, Ok)
    }

    /// Accepts a record of the guest, and returns how many are missing before it.
    fn admit(&mut self, record: &Record) -> Result<u64, &'static str> {
        let hello = record.kind == "hello";
        if record.nonce == NO_NONCE {
            return if hello {
                Ok(0)
            } else {
                Err("a record without a nonce")
            };
        }
        if self
            .nonce
            .as_ref()
            .is_none_or(|nonce| nonce.as_str() != record.nonce)
        {
            return Err("a record with a wrong nonce");
        }
        if hello {
            return Err("a hello that knows the nonce");
        }
        if record.seq <= self.last {
            let mut rewinds = self.rewinds.iter();
            let rewind = rewinds.position(|last| record.seq > *last);
            self.rewinds.remove(rewind.ok_or("a replayed record")?);
            self.last = record.seq;
            return Ok(0);
        }
        let missing = record.seq - self.last - 1;
        self.last = record.seq;
        Ok(missing)
    }
}

/// The origin of the first record of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A guest without a nonce.
    Hello,
    /// The guest that was given this nonce.
    Nonce(String),
}

/// The first complete record in bytes that may begin and end within others.
pub(crate) fn first_record(bytes: &[u8]) -> Option<Heard> {
    let (whole, _) = bytes.split_at(bytes.iter().rposition(|&byte| byte == b'\n')?);
    let mut lines = whole.split(|&byte| byte == b'\n');
    lines.find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let record = Record::parse(line).ok()?;
        match (record.nonce.as_str(), record.kind.as_str()) {
            (NO_NONCE, "hello") => Some(Heard::Hello),
            (NO_NONCE, _) => None,
            _ => Some(Heard::Nonce(record.nonce)),
        }
    })
}

fn escape(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte < 0x20 || byte == b'%' || byte == 0x7f {
            text.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            text.push(byte);
        }
    }
    text
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits
            .filter(|digits| first == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.unwrap_or(first));
        rest = if value.is_some() { &tail[2..] } else { tail };
    }
    bytes
}

fn crc32(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

fn excerpt(line: &[u8]) -> String {
    verdict::text::line(&line[..line.len().min(120)])
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
