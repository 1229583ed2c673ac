//! The bytes of an answer to one request, and how the connection ends.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// An answer, valid or not.
#[derive(Debug, Clone)]
pub struct Answer {
    head: Vec<u8>,
    body: Body,
    pub(crate) end: End,
}

/// The bytes after the head.
#[derive(Debug, Clone)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The same byte until the client stops reading.
    Endless(u8),
    /// Single bytes with a pause after each.
    Drip(Vec<u8>, Duration),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is closed.
    Close,
    /// It is reset. Unsent data are lost.
    Reset,
    /// It stays open without further data.
    Silence,
}

impl Answer {
    /// A status line such as `404 Not Found`, without headers or body.
    #[must_use]
    pub fn status(status: &str) -> Self {
        Self::raw(format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n"))
    }

    /// Raw bytes instead of a head.
    pub fn raw(head: impl Into<Vec<u8>>) -> Self {
        Self {
            head: head.into(),
            body: Body::Bytes(Vec::new()),
            end: End::Close,
        }
    }

    /// A redirection.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::status("302 Found")
            .header("Location", location)
            .bytes("")
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.head.truncate(self.head.len() - 2);
        self.head
            .extend(format!("{name}: {value}\r\n\r\n").into_bytes());
        self
    }

    /// Adds a body and its `Content-Length`.
    #[must_use]
    pub fn bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        self.header("Content-Length", bytes.len())
            .body(Body::Bytes(bytes))
    }

    /// Adds a body without a length.
    #[must_use]
    pub fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    /// Changes how the connection ends.
    #[must_use]
    pub fn end(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Sends at most this many bytes of the announced body.
    #[must_use]
    pub fn cut(mut self, length: usize) -> Self {
        if let Body::Bytes(bytes) = &mut self.body {
            bytes.truncate(length);
        }
        self
    }

    /// Changes, inserts or removes one to three bytes of the head at positions from the seed.
    #[must_use]
    pub fn spoil(mut self, seed: u64) -> Self {
        let mut state = seed;
        // SplitMix64.
        let mut random = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)).to_le_bytes()
        };
        for _ in 0..=random()[0] % 3 {
            let [how, byte, at @ ..] = random();
            let at = usize::from(u16::from_le_bytes([at[0], at[1]])) % self.head.len();
            match how % 3 {
                0 => self.head[at] = byte,
                1 => self.head.insert(at, byte),
                _ => {
                    self.head.remove(at);
                }
            }
        }
        self
    }

    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.head)?;
        match &self.body {
            Body::Bytes(bytes) => to.write_all(bytes)?,
            Body::Endless(byte) => loop {
                to.write_all(&[*byte; 16 << 10])?;
            },
            Body::Drip(bytes, pause) => {
                for byte in bytes {
                    to.write_all(&[*byte])?;
                    to.flush()?;
                    #[expect(clippy::disallowed_methods, reason = "slowness is what is played")]
                    thread::sleep(*pause);
                }
            }
        }
        to.flush()
    }
}
