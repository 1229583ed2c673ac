//! The virtio device for 9P (VIRTIO 1.2, section 5.9.1; the 9P2000.L protocol), with the directory of the session.

use qtest::virtio::{Buffer, Device, Queue};
use qtest::{Bench, Failure, Test, Width};

/// The number of the virtio device.
const DEVICE: u16 = 9;
const MOUNT_TAG: u64 = 1;
const TAG: &str = "kiln-tag";

/// The largest message.
const SIZE: u32 = 8192;
const VERSION: &str = "9P2000.L";
/// The tag of the first message, and of all others.
const NO_TAG: u16 = 0xffff;
const MESSAGE: u16 = 0x1200;
/// No user and no file for authentication.
const NONE: u32 = 0xffff_ffff;

/// Requests; the response to each has the next number.
const LCREATE: u8 = 14;
const VERSION_REQUEST: u8 = 100;
const ATTACH: u8 = 104;
const WALK: u8 = 110;
const READ: u8 = 116;
const WRITE: u8 = 118;
/// The response with an error number.
const ERROR: u8 = 7;
const NO_ENTRY: u32 = 2;

/// The type of a directory, in the first byte of its identifier.
const DIRECTORY: u8 = 0x80;
/// Open for reading and writing.
const READ_WRITE: u32 = 2;
const ROOT: u32 = 1;
const FILE: u32 = 2;

const BASE: Test = Test {
    models: &["virtio-9p-pci"],
    arguments: &[
        "-fsdev",
        "local,id=files,path=.,security_model=none",
        "-device",
        "virtio-9p-pci,addr=4,fsdev=files,mount_tag=kiln-tag",
    ],
    ..Test::of("virtio-9p", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-mount-tag",
        description: "The configuration has the mount tag",
        body: |bench| has_tag(bench, TAG),
        ..BASE
    },
    Test {
        name: "negotiates-version",
        description: "A known version is accepted, another one is answered with `unknown`",
        body: |bench| negotiates(bench, &[(VERSION, VERSION), ("9P3000", "unknown")]),
        ..BASE
    },
    Test {
        name: "attaches-to-directory",
        description: "The root of the file system is a directory",
        body: |bench| attaches(bench, DIRECTORY),
        ..BASE
    },
    Test {
        name: "walk-to-missing-file-fails",
        description: "A walk to a name that does not exist ends with the error number for it",
        body: |bench| walks_to_missing(bench, NO_ENTRY),
        ..BASE
    },
    Test {
        name: "writes-and-reads-file",
        description: "A new file returns what was written to it, and no more",
        body: |bench| writes_and_reads(bench, b"fired at 1200 degrees"),
        ..BASE
    },
    Test {
        name: "writes-and-reads-file-over-mmio",
        description: "A new file on a device in a slot returns what was written to it",
        needs: &["virtio-mmio"],
        models: &["virtio-9p-device"],
        arguments: &[
            "-global",
            "virtio-mmio.force-legacy=false",
            "-fsdev",
            "local,id=files,path=.,security_model=none",
            "-device",
            "virtio-9p-device,fsdev=files,mount_tag=kiln-tag",
        ],
        body: |bench| writes_and_reads(bench, b"fired at 1200 degrees"),
        ..BASE
    },
];

fn has_tag(bench: &mut Bench<'_>, expected: &str) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, MOUNT_TAG)?;
    let length = device.field(bench, Width::W, 0)?;
    bench.check("length of the tag", length, expected.len() as u64)?;
    for (at, expected) in (2..).zip(expected.bytes()) {
        let found = device.field(bench, Width::B, at)?;
        bench.check(
            format!("byte {at} of the configuration"),
            found,
            expected.into(),
        )?;
    }
    Ok(())
}

/// The connection to a server, with memory for one request.
struct Client {
    queue: Queue,
    request: u64,
    response: u64,
}

/// The type of a response, and what follows its header.
type Response = (u8, Vec<u8>);

impl Client {
    fn start(bench: &mut Bench<'_>) -> Result<Self, Failure> {
        let device = Device::find(bench, DEVICE, MOUNT_TAG)?;
        let queue = device.queue(bench, 0)?;
        device.start(bench)?;
        Ok(Self {
            queue,
            request: bench.allocate(SIZE.into(), 16)?,
            response: bench.allocate(SIZE.into(), 16)?,
        })
    }

    /// A client that negotiated the version and is at the root.
    fn attach(bench: &mut Bench<'_>) -> Result<(Self, Response), Failure> {
        let mut it = Self::start(bench)?;
        it.version(bench, VERSION)?;
        let body = [
            &ROOT.to_le_bytes()[..],
            &NONE.to_le_bytes(),
            &text("kiln"),
            &text(""),
            &NONE.to_le_bytes(),
        ];
        let response = it.send(bench, (ATTACH, MESSAGE), &body.concat())?;
        Ok((it, response))
    }

    /// Returns the version of the response.
    fn version(&mut self, bench: &mut Bench<'_>, version: &str) -> Result<String, Failure> {
        let body = [&SIZE.to_le_bytes()[..], &text(version)].concat();
        let (kind, body) = self.send(bench, (VERSION_REQUEST, NO_TAG), &body)?;
        bench.check("type of the response", kind, VERSION_REQUEST + 1)?;
        Ok(String::from_utf8_lossy(body.get(6..).unwrap_or_default()).into_owned())
    }

    fn send(
        &mut self,
        bench: &mut Bench<'_>,
        (kind, tag): (u8, u16),
        body: &[u8],
    ) -> Result<Response, Failure> {
        let length = u32::try_from(7 + body.len()).unwrap_or(u32::MAX);
        let message = [&length.to_le_bytes()[..], &[kind], &tag.to_le_bytes(), body].concat();
        bench.session.write(self.request, &message)?;
        let part = |address, length, is_written| Buffer {
            address,
            length,
            is_written,
        };
        let buffers = [
            part(self.request, length, false),
            part(self.response, SIZE, true),
        ];
        let written = self.queue.send(bench, &buffers)?;
        bench.check("response has a header", written >= 7, true)?;
        let bytes = bench.session.read(self.response, written as usize)?;
        let size = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        bench.check("size of the response", size, written)?;
        bench.check(
            "tag of the response",
            u16::from_le_bytes([bytes[5], bytes[6]]),
            tag,
        )?;
        Ok((bytes[4], bytes[7..].to_vec()))
    }

    /// Gives a name in a directory an identifier of its own; without names, it is the directory.
    fn walk(&mut self, bench: &mut Bench<'_>, names: &[&str]) -> Result<Response, Failure> {
        let count = u16::try_from(names.len()).unwrap_or(u16::MAX);
        let mut body = [ROOT.to_le_bytes(), FILE.to_le_bytes()].concat();
        body.extend(count.to_le_bytes());
        body.extend(names.iter().flat_map(|name| text(name)));
        self.send(bench, (WALK, MESSAGE), &body)
    }
}

/// A string of the protocol.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_le_bytes()[..], text.as_bytes()].concat()
}

fn negotiates(bench: &mut Bench<'_>, versions: &[(&str, &str)]) -> Result<(), Failure> {
    let mut client = Client::start(bench)?;
    for (requested, expected) in versions {
        let found = client.version(bench, requested)?;
        bench.check(format!("answer to {requested}"), found.as_str(), expected)?;
    }
    Ok(())
}

fn attaches(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let (_, (kind, body)) = Client::attach(bench)?;
    bench.check("type of the response", kind, ATTACH + 1)?;
    bench.check("length of the identifier", body.len(), 13)?;
    bench.check("type of the root", body[0], expected)
}

fn walks_to_missing(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let (mut client, _) = Client::attach(bench)?;
    let (kind, body) = client.walk(bench, &["no-such-file"])?;
    bench.check("type of the response", kind, ERROR)?;
    bench.check("error number", body.as_slice(), &expected.to_le_bytes()[..])
}

fn writes_and_reads(bench: &mut Bench<'_>, expected: &[u8]) -> Result<(), Failure> {
    const CONTENT: &[u8] = b"fired at 1200 degrees";
    let (mut client, _) = Client::attach(bench)?;
    let (kind, _) = client.walk(bench, &[])?;
    bench.check("type of a response to a walk", kind, WALK + 1)?;
    let mut body = FILE.to_le_bytes().to_vec();
    body.extend(text("kiln-9p"));
    for word in [READ_WRITE, 0o600, 0] {
        body.extend(word.to_le_bytes());
    }
    let (kind, _) = client.send(bench, (LCREATE, MESSAGE), &body)?;
    bench.check("type of a response to a creation", kind, LCREATE + 1)?;
    let count = u32::try_from(CONTENT.len()).unwrap_or(u32::MAX);
    let start = [&FILE.to_le_bytes()[..], &0u64.to_le_bytes()].concat();
    let body = [&start[..], &count.to_le_bytes(), CONTENT].concat();
    let (kind, body) = client.send(bench, (WRITE, MESSAGE), &body)?;
    bench.check("type of a response to a write", kind, WRITE + 1)?;
    bench.check("bytes written", body.as_slice(), &count.to_le_bytes()[..])?;
    let body = [&start[..], &(2 * count).to_le_bytes()].concat();
    let (kind, body) = client.send(bench, (READ, MESSAGE), &body)?;
    bench.check("type of a response to a read", kind, READ + 1)?;
    bench.check("bytes read", &body[..4], &count.to_le_bytes()[..])?;
    bench.check("content", &body[4..], expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        let check = |name, what, body: fn(&mut Bench<'_>) -> Result<(), Failure>| {
            check_fails(TESTS, name, what, body);
        };
        check("has-mount-tag", "byte 2", |bench| {
            has_tag(bench, "Kiln-tag")
        });
        check("negotiates-version", "answer to 9P", |bench| {
            negotiates(bench, &[(VERSION, "9P2000")])
        });
        check("attaches-to-directory", "type of the root", |bench| {
            attaches(bench, 0)
        });
        check("walk-to-missing-file-fails", "error number", |bench| {
            walks_to_missing(bench, 22)
        });
        check("writes-and-reads-file", "content", |bench| {
            writes_and_reads(bench, b"cold")
        });
        check("writes-and-reads-file-over-mmio", "content", |bench| {
            writes_and_reads(bench, b"cold")
        });
    }
}
