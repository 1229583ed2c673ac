//! Numbers and writes the host's records, and keeps them as long as a guest may need them again.

use std::collections::VecDeque;
use std::time::Duration;

use super::{CHUNK, LINE_MAX, Nonce, Record, SEPARATOR, escape};

/// The first record to a restored guest.
#[derive(Debug)]
pub struct Resume<'a> {
    /// The name under which it was saved.
    pub template: &'a str,
    /// Unique random bytes in hexadecimal.
    pub entropy: String,
    /// Whether it has devices that it was saved without.
    pub rescan: bool,
    /// The firmware's indices of these devices, if they must be requested from it.
    pub connectors: Vec<u64>,
}

/// How many sent bytes are kept for a guest that migrates before it has read them.
pub(super) const KEPT: usize = 1 << 20;

/// Writes the host's records.
#[derive(Debug)]
pub struct Sender {
    nonce: Nonce,
    seq: u64,
    kept: VecDeque<SentRecord>,
    kept_bytes: usize,
}

/// A record that was sent.
#[derive(Debug)]
struct SentRecord {
    /// The call that it answers.
    call: Option<u64>,
    line: Vec<u8>,
}

impl Sender {
    /// The first record carries the nonce to the guest.
    #[must_use]
    pub fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            seq: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
        }
    }

    /// For a restored guest, which already got the record with the nonce.
    #[must_use]
    pub fn resumed(nonce: Nonce) -> Self {
        Self {
            seq: 1,
            ..Self::new(nonce)
        }
    }

    /// The guest's nonce.
    #[must_use]
    pub fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// Writes the first record to a restored guest: it gets this nonce, unique entropy, and the
    /// devices to find. It answers with [`super::FromGuest::Resumed`].
    pub fn resume(&mut self, resume: &Resume<'_>) -> Vec<u8> {
        let (template, entropy) = (resume.template, &resume.entropy);
        let connectors = resume
            .connectors
            .iter()
            .map(|index| format!(" 0x{index:x}"));
        let connectors: String = connectors.collect();
        let rescan = u8::from(resume.rescan);
        let payload = format!("{template} 0 {rescan} {entropy}{connectors}");
        self.record("resume", payload.as_bytes())
    }

    /// Sets the guest's time of day, as a duration since 1970.
    pub fn clock(&mut self, now: Duration) -> Vec<u8> {
        let payload = format!("{} {}", now.as_secs(), now.subsec_nanos());
        self.record("clock", payload.as_bytes())
    }

    /// Announces that the guest will be saved under the name of the nonce. `command` is run by its
    /// shell. It answers with [`super::FromGuest::Prepared`].
    pub fn prepare(&mut self, command: &str) -> Vec<u8> {
        self.record("prepare", command.as_bytes())
    }

    /// Repeats the latest records, after a newline that ends a truncated line. The guest skips
    /// known ones by their numbers.
    #[must_use]
    pub fn again(&self) -> Vec<u8> {
        let mut bytes = vec![b'\n'];
        bytes.extend(self.kept.iter().flat_map(|kept| &kept.line));
        bytes
    }

    /// Repeats records for a guest that returned to a snapshot, in which some of them may be
    /// unread. Answers to calls up to number `calls` get new numbers, because the guest may have
    /// read later records before. Answers to later calls are discarded.
    pub fn again_after_load(&mut self, calls: u64) -> Vec<u8> {
        let mut bytes = vec![b'\n'];
        let mut seq = self.seq;
        for kept in &self.kept {
            match kept.call {
                None => bytes.extend(&kept.line),
                Some(call) if call <= calls => {
                    let line = kept.line.strip_suffix(b"\n").unwrap_or(&kept.line);
                    if let Ok(record) = Record::parse(line) {
                        seq += 1;
                        bytes.extend(Record { seq, ..record }.encode());
                    }
                }
                Some(_) => {}
            }
        }
        self.seq = seq;
        bytes
    }

    fn record(&mut self, kind: &str, payload: &[u8]) -> Vec<u8> {
        self.record_for(None, kind, payload)
    }

    fn record_for(&mut self, call: Option<u64>, kind: &str, payload: &[u8]) -> Vec<u8> {
        self.seq += 1;
        let nonce = self.nonce.as_str().to_owned();
        let line = Record {
            nonce,
            seq: self.seq,
            kind: kind.to_owned(),
            payload: payload.to_vec(),
        }
        .encode();
        // A second one of these would make the guest restart its count.
        if !matches!(kind, "start" | "resume" | "prepare") {
            self.kept_bytes += line.len();
            let line = line.clone();
            self.kept.push_back(SentRecord { call, line });
        }
        while self.kept_bytes > KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.kept_bytes -= oldest.line.len();
        }
        line
    }

    /// Answers a hello. `boots` is the number of earlier hellos of this guest.
    pub fn start(&mut self, boots: u32) -> Vec<u8> {
        self.record("start", boots.to_string().as_bytes())
    }

    /// Sends a file in as many records as necessary.
    pub fn put(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Vec<u8> {
        let head = format!("{path} {mode:o}{}", char::from(SEPARATOR));
        let empty: &[u8] = &[];
        let chunks = bytes.chunks(CHUNK).chain(bytes.is_empty().then_some(empty));
        chunks
            .flat_map(|chunk| self.record("put", &[head.as_bytes(), chunk].concat()))
            .collect()
    }

    /// A variable of the test's environment.
    pub fn set(&mut self, name: &str, value: &str) -> Vec<u8> {
        self.record("set", format!("{name}={value}").as_bytes())
    }

    /// Starts the script at this path.
    pub fn run(&mut self, path: &str) -> Vec<u8> {
        self.record("run", path.as_bytes())
    }

    /// Answers a call. Long text is sent in `part` records, and the `reply` contains the last part.
    pub fn reply(&mut self, id: u64, status: i32, text: &[u8]) -> Vec<u8> {
        let head = format!("{id} {status} ");
        let mut rest = text;
        let mut records = Vec::new();
        loop {
            let payload = [head.as_bytes(), rest].concat();
            if escape(&payload).len() <= LINE_MAX - 128 {
                records.extend(self.record_for(Some(id), "reply", &payload));
                return records;
            }
            let (piece, more) = rest.split_at(CHUNK.min(rest.len()));
            let payload = [head.as_bytes(), piece].concat();
            records.extend(self.record_for(Some(id), "part", &payload));
            rest = more;
        }
    }
}
