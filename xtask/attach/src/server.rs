//! Answers the requests of other commands while guests run.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::guests::{LiveGuest, LiveGuests};
use crate::protocol::{self, Answer, Channel, Request};

/// Time limit to receive a request.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// Time limit of QEMU's answer to a monitor command.
const MONITOR_WAIT: Duration = Duration::from_secs(300);
/// The name of the socket.
const SOCKET: &str = "attach";
/// QEMU's prompt.
const PROMPT: &[u8] = b"(qemu) ";

/// Answers requests until it is dropped.
#[derive(Debug)]
pub struct Server {
    link: Utf8PathBuf,
    socket: Utf8PathBuf,
    stopping: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a socket in `private`, a directory that only this user can enter, and links to it from
    /// `links`.
    pub fn start(
        guests: &Arc<LiveGuests>,
        run: &str,
        private: &Utf8Path,
        links: &Utf8Path,
    ) -> io::Result<Self> {
        let socket = private.join(SOCKET);
        let listener = UnixListener::bind(&socket)?;
        fs_err::create_dir_all(links)?;
        // The name of a scratch directory is unique.
        let link = links.join(private.file_name().unwrap_or(run));
        fs_err::os::unix::fs::symlink(&socket, &link)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, guests, run) = (Arc::clone(&stopping), Arc::clone(guests), run.to_owned());
        let listening = Builder::new().name("attach".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let (guests, run) = (Arc::clone(&guests), run.clone());
                let thread = Builder::new().name("attached".to_owned());
                // A client that has gone needs no answer, and one without a thread sees the end of its
                // connection.
                let _ = thread.spawn(move || attend(&stream, &guests, &run));
            }
        })?;
        Ok(Self {
            link,
            socket,
            stopping,
            listening: Some(listening),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // A client ignores and removes a link that is left.
        let _ = fs_err::remove_file(&self.link);
        // Wakes the listener. If the socket was removed, the listener waits until this process ends.
        let woken = UnixStream::connect(&self.socket).is_ok();
        if let Some(listening) = self.listening.take().filter(|_| woken) {
            let _ = listening.join();
        }
    }
}

fn attend(stream: &UnixStream, guests: &LiveGuests, run: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_WAIT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = protocol::read(&mut reader)?;
    stream.set_read_timeout(None)?;
    let (number, channel) = match request {
        Request::List => return protocol::write(stream, &Answer::Guests(guests.list(run))),
        Request::Open { guest, channel } => (guest, Some(channel)),
        Request::Debug { guest } => (guest, None),
    };
    let refused = |why: String| protocol::write(stream, &Answer::Refused(why));
    let Some(guest) = guests.find(number) else {
        return refused("the guest has ended".to_owned());
    };
    let _open = guest.connect(stream)?;
    // Its time limits pause while a user is attached.
    let _held = guest.clock().map(host::test_time::TestClock::hold);
    let Some(channel) = channel else {
        return match guest.gdb() {
            Err(error) => refused(error.to_string()),
            Ok(target) => {
                protocol::write(stream, &Answer::Gdb(target))?;
                // The debugger has its own connection to QEMU. This one ends with it.
                io::copy(&mut reader, &mut io::sink()).map(|_| ())
            }
        };
    };
    match channel {
        Channel::Shell { size } => {
            if let Some(why) = guest.no_shell() {
                return refused(why.to_owned());
            }
            match guest.shell.enter(stream.try_clone()?, size) {
                Err(busy) => refused(busy.to_string()),
                Ok(user) => {
                    let read = protocol::write(stream, &Answer::Open)
                        .and_then(|()| read_keys(&guest, user, reader));
                    guest.shell.leave(user);
                    read
                }
            }
        }
        Channel::Hmp { prompt } => {
            protocol::write(stream, &Answer::Open)?;
            human(&guest, reader, stream, prompt)
        }
        Channel::Qmp => {
            protocol::write(stream, &Answer::Open)?;
            machine(&guest, reader, stream)
        }
    }
}

fn read_keys(guest: &LiveGuest, user: u64, mut reader: BufReader<UnixStream>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        match reader.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) => guest.shell.typed(user, &bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Executes lines of the human monitor.
fn human(
    guest: &LiveGuest,
    reader: BufReader<UnixStream>,
    mut stream: &UnixStream,
    prompt: bool,
) -> io::Result<()> {
    let prompt: &[u8] = if prompt { PROMPT } else { b"" };
    stream.write_all(prompt)?;
    for line in reader.lines() {
        let line = line?;
        let line = line.trim();
        if !line.is_empty() {
            let text = match guest.monitor().human(line, MONITOR_WAIT) {
                Ok(text) => text,
                Err(error) if error.is_closed() => break,
                Err(error) => format!("{error}\n"),
            };
            stream.write_all(text.as_bytes())?;
        }
        stream.write_all(prompt)?;
    }
    Ok(())
}

/// Executes QMP commands, one per line. Events stay with the command that runs the guest.
fn machine(
    guest: &LiveGuest,
    reader: BufReader<UnixStream>,
    mut stream: &UnixStream,
) -> io::Result<()> {
    let mut write = |value: &Value| stream.write_all(format!("{value}\n").as_bytes());
    write(&json!({ "QMP": guest.monitor().greeting() }))?;
    for line in reader.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let command = serde_json::from_str::<Value>(&line).unwrap_or_default();
        let Some(name) = command["execute"].as_str() else {
            write(&qmp_error(
                "GenericError",
                "expected an object with `execute`",
            ))?;
            continue;
        };
        // The connection of the run has done this.
        let is_handshake = name == "qmp_capabilities";
        let answer = if is_handshake {
            Ok(json!({}))
        } else {
            let arguments = command["arguments"].clone();
            guest.monitor().execute(name, arguments, MONITOR_WAIT)
        };
        let mut answer = match answer {
            Ok(value) => json!({ "return": value }),
            Err(error) if error.is_closed() => break,
            Err(error) => qmp_error(&error.class, &error.desc),
        };
        if let (Some(id), Some(fields)) = (command.get("id"), answer.as_object_mut()) {
            fields.insert("id".to_owned(), id.clone());
        }
        write(&answer)?;
    }
    Ok(())
}

fn qmp_error(class: &str, desc: &str) -> Value {
    json!({ "error": { "class": class, "desc": desc } })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn server_without_its_socket_still_stops() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let private = folder.join("private");
        fs_err::create_dir(&private).unwrap();
        let server = Server::start(&Arc::default(), "1", &private, &folder.join("links")).unwrap();
        fs_err::remove_file(private.join(SOCKET)).unwrap();
        let (stopped, stops) = channel();
        std::thread::spawn(move || {
            drop(server);
            stopped.send(()).unwrap();
        });
        stops.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}
