//! Requests and answers, one line of JSON each. After [`Answer::Open`] the connection carries the bytes of
//! the channel.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use camino::Utf8PathBuf;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Maximum size of a line. An answer may list all guests of a long run.
const LINE_MAX: u64 = 16 << 20;

/// A request of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Lists the guests.
    List,
    /// Opens a channel to the guest with this number.
    Open {
        /// Its number in the run.
        guest: usize,
        /// The channel.
        channel: Channel,
    },
    /// Starts the gdbstub of the guest with this number. The guest counts as debugged while the connection is
    /// open.
    Debug {
        /// Its number in the run.
        guest: usize,
    },
}

/// A channel to a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// A shell on a terminal of this size.
    Shell {
        /// Number of columns and rows.
        size: (u16, u16),
    },
    /// Lines of the human monitor.
    Hmp {
        /// Whether to print QEMU's prompt.
        prompt: bool,
    },
    /// QMP commands.
    Qmp,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The guests of the run, in the order of their start.
    Guests(Vec<GuestInfo>),
    /// The channel is open.
    Open,
    /// The gdbstub listens.
    Gdb(GdbTarget),
    /// The channel cannot be opened: the reason.
    Refused(String),
}

/// Where a debugger attaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GdbTarget {
    /// The socket of the gdbstub.
    pub socket: Utf8PathBuf,
    /// The user's kernel with symbols. Otherwise the guest runs the kernel of the image.
    pub symbols: Option<Utf8PathBuf>,
    /// Whether the guest runs the user's kernel, with or without symbols.
    pub is_own_kernel: bool,
}

/// A guest in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestInfo {
    /// The run: a number, or the command.
    pub run: String,
    /// The number of the guest in the run, from 1.
    pub number: usize,
    /// The architecture.
    pub arch: String,
    /// The test, or the machine.
    pub test: String,
    /// The name from `qemu -name`.
    pub name: Option<String>,
    /// Whether it has ended.
    pub ended: bool,
}

/// Writes a line.
pub(crate) fn write(mut stream: &UnixStream, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads a line. The reader may have read more of the channel's bytes.
pub(crate) fn read<T: DeserializeOwned>(reader: &mut BufReader<UnixStream>) -> io::Result<T> {
    let mut line = String::new();
    reader.by_ref().take(LINE_MAX).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}
