//! The files after the last line of the script, each compressed separately, and the shell commands
//! that unpack them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use host::process::command::quote;

/// The files that are unpacked before QEMU starts.
#[derive(Debug, Default)]
pub(super) struct Payload {
    bytes: Vec<u8>,
    lines: Vec<String>,
    directories: Vec<String>,
}

/// Width of the number of the payload's first line, which must not depend on the number itself.
const START_WIDTH: usize = 8;

impl Payload {
    /// Adds a file. Its path is relative to the directory in which it is unpacked.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) -> std::io::Result<()> {
        self.parents(path);
        let offset = self.bytes.len();
        let mut encoder = GzEncoder::new(std::mem::take(&mut self.bytes), Compression::best());
        encoder.write_all(content)?;
        self.bytes = encoder.finish()?;
        let length = self.bytes.len() - offset;
        let line = format!("part {offset} {length} \"$1\"/{}", quote(path));
        self.lines.push(line);
        Ok(())
    }

    /// Adds a file of zeros.
    pub(super) fn blank(&mut self, path: &str, size: u64) {
        self.parents(path);
        let line = format!("truncate -s {size} \"$1\"/{}", quote(path));
        self.lines.push(line);
    }

    /// Adds a directory.
    pub(super) fn directory(&mut self, path: &str) {
        if !self.directories.iter().any(|known| known == path) {
            self.directories.push(path.to_owned());
            self.lines.push(format!("mkdir -p \"$1\"/{}", quote(path)));
        }
    }

    fn parents(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    /// The whole script. `text` gets the position of the payload, counted from 1, and the commands.
    pub(super) fn behind(&self, text: impl Fn(&str, &[String]) -> String) -> Vec<u8> {
        let length = text(&" ".repeat(START_WIDTH), &self.lines).len();
        let start = format!("{:>START_WIDTH$}", length + 1);
        let mut script = text(&start, &self.lines).into_bytes();
        script.extend_from_slice(&self.bytes);
        script
    }
}
