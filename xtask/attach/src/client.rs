//! Finds the guests of running commands and opens channels to them.

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::protocol::{self, Answer, Channel, GdbTarget, GuestInfo, Request};

/// Time limit of an answer. QEMU may be slow to start its gdbstub.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Why a channel could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The links cannot be read.
    #[error("failed to find running guests in `{path}`")]
    Links {
        /// The directory.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The connection has ended.
    #[error("failed to reach the command that runs the guest")]
    Connection(#[from] io::Error),
    /// The command refused.
    #[error("{0}")]
    Refused(String),
}

/// A guest, and the socket of the command that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The socket.
    pub socket: Utf8PathBuf,
    /// The guest.
    pub guest: GuestInfo,
}

/// The guests of all running commands of a checkout. Removes the links of commands that were killed.
pub fn running(links: &Utf8Path) -> Result<Vec<Found>, AttachError> {
    let failed = |source| AttachError::Links {
        path: links.to_owned(),
        source,
    };
    let entries = match fs_err::read_dir(links) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = Utf8PathBuf::from_path_buf(entry.map_err(failed)?.path());
        paths.extend(path);
    }
    paths.sort();
    let mut found = Vec::new();
    for link in paths {
        // The link itself may be too long for the name of a socket.
        let Ok(socket) = link.read_link_utf8() else {
            continue;
        };
        match list(&socket) {
            Ok(guests) => found.extend(guests.into_iter().map(|guest| Found {
                socket: socket.clone(),
                guest,
            })),
            Err(error) if is_left_over(&error) => {
                // It does no harm.
                let _ = fs_err::remove_file(&link);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Whether the command that listened has ended.
fn is_left_over(error: &io::Error) -> bool {
    let kinds = [
        io::ErrorKind::NotFound,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::UnexpectedEof,
    ];
    kinds.contains(&error.kind())
}

fn list(socket: &Utf8Path) -> io::Result<Vec<GuestInfo>> {
    match ask(socket, &Request::List)? {
        (Answer::Guests(guests), _) => Ok(guests),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Opens a channel to a guest. Returns what the guest sends.
pub fn open(found: &Found, channel: Channel) -> Result<BufReader<UnixStream>, AttachError> {
    let guest = found.guest.number;
    match ask(&found.socket, &Request::Open { guest, channel })? {
        (Answer::Open, reader) => Ok(reader),
        (answer, _) => Err(refused(answer)),
    }
}

/// Starts the gdbstub of a guest, whose time limits pause while the connection is open.
pub fn debug(found: &Found) -> Result<(GdbTarget, UnixStream), AttachError> {
    let guest = found.guest.number;
    match ask(&found.socket, &Request::Debug { guest })? {
        (Answer::Gdb(target), reader) => Ok((target, reader.into_inner())),
        (answer, _) => Err(refused(answer)),
    }
}

fn refused(answer: Answer) -> AttachError {
    match answer {
        Answer::Refused(why) => AttachError::Refused(why),
        _ => io::Error::from(io::ErrorKind::InvalidData).into(),
    }
}

fn ask(socket: &Utf8Path, request: &Request) -> io::Result<(Answer, BufReader<UnixStream>)> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    protocol::write(&stream, request)?;
    let mut reader = BufReader::new(stream);
    let answer = protocol::read(&mut reader)?;
    reader.get_ref().set_read_timeout(None)?;
    Ok((answer, reader))
}
