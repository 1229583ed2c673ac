//! The requests of clients.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpStream;

/// The head of a request. No request in these tests has a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// The path, or the whole URL if the client uses this server as a proxy.
    pub target: String,
    /// Headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first requested byte, if the request has a range.
    #[must_use]
    pub fn range(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }

    /// Reads a head byte by byte.
    pub(crate) fn read(stream: &mut impl Read) -> Option<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(END) {
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        Self::parse(&head)
    }

    fn parse(head: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.lines();
        let mut words = lines.next()?.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Some(Self {
            method,
            target,
            headers: headers.collect(),
        })
    }
}

const END: &[u8] = b"\r\n\r\n";

/// An unread request in the socket, and its size in bytes.
pub(crate) struct Arrival {
    pub(crate) request: Request,
    pub(crate) length: usize,
}

impl Arrival {
    /// Parses a head without consuming it.
    pub(crate) fn peek(stream: &TcpStream) -> Option<Self> {
        let mut buffer = vec![0; 64 << 10];
        let mut before = 0;
        loop {
            let count = stream.peek(&mut buffer).ok()?;
            let head = &buffer[..count];
            if let Some(at) = head.windows(END.len()).position(|window| window == END) {
                let length = at + END.len();
                let request = Request::parse(&buffer[..length])?;
                return Some(Self { request, length });
            }
            if count == 0 || count == buffer.len() {
                return None;
            }
            if count == before {
                std::thread::yield_now();
            }
            before = count;
        }
    }
}
