//! The helper commands of a host script: requests over a socket in the test's directory, one per
//! connection.
//!
//! [`ask`] is the client in `xtask host-helper`, which `guest-tests/lib/host.sh` calls.
//! [`attended`] is the server in the runner. [`Desk`] carries out the command. This module
//! transports requests to it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use connections::{Connections, Until};
use host::test_time::TestClock;
use serde::{Deserialize, Serialize};
use verdict::outcome::STATUS_HARD_ERROR;

use verdict::contain::contain;

mod connections;
pub mod event;
pub mod monitor;
pub mod serve;

/// A helper command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The command, such as `qemu`.
    pub word: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The caller's working directory.
    pub cwd: Utf8PathBuf,
}

/// The output and exit status of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Exit status.
    pub status: i32,
    /// For its stdout.
    pub stdout: String,
    /// For its stderr.
    pub stderr: String,
}

impl Reply {
    /// Success with this text.
    #[must_use]
    pub fn done(stdout: impl Into<String>) -> Self {
        Self {
            status: 0,
            stdout: stdout.into(),
            stderr: String::new(),
        }
    }

    /// A failure with its reason.
    #[must_use]
    pub fn error(status: i32, why: impl std::fmt::Display) -> Self {
        Self {
            status,
            stdout: String::new(),
            stderr: format!("{why}\n"),
        }
    }
}

/// Maximum size of a request, which may contain a whole QMP command.
const REQUEST_MAX: u64 = 4 << 20;
/// Time limit to receive a request, which is one line, and to send its reply. In test time.
const REQUEST_WAIT: Duration = Duration::from_secs(10);

/// Sends a helper command to the runner. Replaces an argument `-` by the text from `input`.
///
/// Blocks until the command has ended. The runner limits the time of each command.
pub fn ask(
    socket: &Utf8Path,
    words: &[String],
    cwd: &Utf8Path,
    input: impl FnOnce() -> io::Result<String>,
) -> io::Result<Reply> {
    let Some((word, args)) = words.split_first() else {
        return Ok(Reply::error(2, "host-helper: expected a command"));
    };
    let mut args = args.to_vec();
    if !matches!(word.as_str(), "qemu" | "expect_fail")
        && let Some(dash) = args.iter_mut().find(|arg| *arg == "-")
    {
        *dash = input()?;
    }
    let request = Request {
        word: word.clone(),
        args,
        cwd: cwd.to_owned(),
    };
    let mut stream = UnixStream::connect(socket)?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    if reply.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "no answer from the runner",
        ));
    }
    Ok(serde_json::from_str(&reply)?)
}

/// Carries out helper commands, called in one thread per request.
pub trait Desk: Sync {
    /// Carries out a request. `caller` tells whether the caller still waits for the reply.
    fn answer(&self, request: &Request, caller: &Caller<'_>) -> Reply;
    /// Reports that an answering thread has panicked.
    fn broke(&self, message: &str);
}

/// The client of a request.
#[derive(Debug)]
pub struct Caller<'a> {
    stream: &'a UnixStream,
    stopping: &'a AtomicBool,
}

impl Caller<'_> {
    /// Whether the caller has exited, or the test is over.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        if self.stopping.load(Ordering::SeqCst) || self.stream.set_nonblocking(true).is_err() {
            return true;
        }
        // The caller sends nothing after the request, so a read returns "not yet" or the end.
        let mut stream = self.stream;
        let gone = match stream.read(&mut [0]) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        gone || self.stream.set_nonblocking(false).is_err()
    }
}

/// Answers requests on a new socket while `body` runs. Then cancels open requests.
///
/// The time limits of requests count on this clock, which follows the clients.
pub fn attended<T>(
    socket: &Utf8Path,
    clock: &TestClock,
    desk: &dyn Desk,
    body: impl FnOnce() -> T,
) -> io::Result<T> {
    let listener = UnixListener::bind(socket)?;
    let (stopping, connections) = (AtomicBool::new(false), Connections::default());
    let (stopping, connections) = (&stopping, &connections);
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("words".to_owned())
            .spawn_scoped(scope, move || {
                for stream in listener.incoming() {
                    if stopping.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { continue };
                    // A request without a thread is dropped, and its caller reports that. A caller
                    // that has exited gets no reply, which is harmless.
                    let word = std::thread::Builder::new().name("word".to_owned());
                    let _ = word.spawn_scoped(scope, move || {
                        let connection = connections.enter(stream);
                        attend(&connection.stream, clock, desk, stopping)
                    });
                }
            })?;
        let stop = Stop {
            socket,
            stopping,
            connections,
        };
        let value = body();
        drop(stop);
        Ok(value)
    })
}

/// Ends the listener, even if the body panics, because the scope waits for it.
struct Stop<'a> {
    socket: &'a Utf8Path,
    stopping: &'a AtomicBool,
    connections: &'a Connections<UnixStream>,
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // No more requests are read, but current ones still get their reply.
        self.connections.close(Shutdown::Read);
        // Wakes the listener.
        let _ = UnixStream::connect(self.socket);
    }
}

fn attend(
    stream: &UnixStream,
    clock: &TestClock,
    desk: &dyn Desk,
    stopping: &AtomicBool,
) -> io::Result<()> {
    let until = || Until {
        stream,
        deadline: clock.deadline(REQUEST_WAIT),
    };
    let mut line = String::new();
    BufReader::new(until().take(REQUEST_MAX)).read_line(&mut line)?;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => {
            let caller = Caller { stream, stopping };
            contain(|| desk.answer(&request, &caller)).unwrap_or_else(|message| {
                desk.broke(&message);
                Reply::error(STATUS_HARD_ERROR, message)
            })
        }
        Err(error) => Reply::error(2, format!("invalid request: {error}")),
    };
    until().write_all(&serde_json::to_vec(&reply)?)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use harness::clock::Steps;
    use host::clock::monotonic;

    use super::*;

    struct Echo {
        waiting: mpsc::SyncSender<()>,
        broken: mpsc::SyncSender<String>,
    }

    impl Desk for Echo {
        fn answer(&self, request: &Request, caller: &Caller<'_>) -> Reply {
            if request.word == "hang" {
                self.waiting.send(()).unwrap();
                while !caller.is_gone() {
                    std::thread::yield_now();
                }
            }
            assert_ne!(request.word, "panic", "as asked");
            Reply::done(format!(
                "{} {:?} {}",
                request.word, request.args, request.cwd
            ))
        }

        fn broke(&self, message: &str) {
            self.broken.send(message.to_owned()).unwrap();
        }
    }

    fn serve(test: impl FnOnce(&Utf8Path, mpsc::Receiver<()>)) {
        serve_on(&TestClock::of_own_threads(), test);
    }

    fn serve_on(clock: &TestClock, test: impl FnOnce(&Utf8Path, mpsc::Receiver<()>)) {
        let dir = tempfile::tempdir().unwrap();
        let socket = Utf8Path::from_path(dir.path()).unwrap().join("words");
        let (waiting, hangs) = mpsc::sync_channel(2);
        let (broken, breaks) = mpsc::sync_channel(2);
        let echo = Echo { waiting, broken };
        attended(&socket, clock, &echo, || test(&socket, hangs)).unwrap();
        drop(echo);
        let breaks: Vec<_> = breaks.iter().collect();
        assert!(
            breaks.iter().all(|why| why.contains("as asked")),
            "{breaks:?}"
        );
    }

    fn say(socket: &Utf8Path, words: &[&str]) -> io::Result<Reply> {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        ask(socket, &words, Utf8Path::new("/here"), || {
            Ok("from stdin".to_owned())
        })
    }

    #[test]
    fn helpers_are_answered_concurrently() {
        std::thread::scope(|scope| {
            let mut hanging = None;
            serve(|socket, hangs| {
                let path = socket.to_owned();
                hanging = Some(scope.spawn(move || say(&path, &["hang"])));
                hangs.recv().unwrap();
                let reply = say(socket, &["choose", "nic", "a b", "-"]).unwrap();
                let expect = r#"choose ["nic", "a b", "from stdin"] /here"#;
                assert_eq!(reply, Reply::done(expect));
            });
            // The end of the test ends commands that still wait.
            let reply = hanging.unwrap().join().unwrap().unwrap();
            assert_eq!(reply, Reply::done("hang [] /here"));
        });
    }

    #[test]
    fn runner_notices_a_killed_caller() {
        serve(|socket, hangs| {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream
                .write_all(b"{\"word\":\"hang\",\"args\":[],\"cwd\":\"/\"}\n")
                .unwrap();
            hangs.recv().unwrap();
            drop(stream);
            assert_eq!(
                say(socket, &["next"]).unwrap(),
                Reply::done("next [] /here")
            );
        });
    }

    #[test]
    fn panic_in_an_answer_becomes_its_error() {
        serve(|socket, _hangs| {
            let reply = say(socket, &["panic"]).unwrap();
            assert_eq!(reply.status, STATUS_HARD_ERROR);
            assert!(reply.stderr.contains("as asked"), "{}", reply.stderr);
            assert_eq!(say(socket, &["next"]).unwrap().status, 0);
        });
    }

    #[test]
    fn connection_without_a_request_ends_with_the_test() {
        let started = monotonic();
        let mut silent = None;
        serve(|socket, _hangs| {
            silent = Some(UnixStream::connect(socket).unwrap());
            assert_eq!(say(socket, &["next"]).unwrap().status, 0);
        });
        drop(silent);
        assert!(started.elapsed() < REQUEST_WAIT);
    }

    /// The reply to a client that sends its request in two parts, the second at this sample of the clock.
    fn reply_to(steps: Steps, samples: u32) -> String {
        let (to, at) = mpsc::channel::<UnixStream>();
        let steps = steps.until(samples, move || {
            at.recv()
                .unwrap()
                .write_all(b"\"args\":[],\"cwd\":\"/\"}\n")
                .unwrap();
        });
        let clock = TestClock::from_source(steps, 1.0);
        clock.follow(1);
        let mut reply = String::new();
        serve_on(&clock, |socket, _hangs| {
            let mut stream = UnixStream::connect(socket).unwrap();
            to.send(stream.try_clone().unwrap()).unwrap();
            stream.write_all(b"{\"word\":\"late\",").unwrap();
            stream.read_to_string(&mut reply).unwrap();
        });
        reply
    }

    #[test]
    fn only_starved_caller_may_ask_late() {
        let reply: Reply = serde_json::from_str(&reply_to(Steps::starved(), 20)).unwrap();
        assert_eq!(reply, Reply::done("late [] /"));
        assert_eq!(reply_to(Steps::idle(), 20), "");
    }

    #[test]
    fn malformed_request_gets_an_error() {
        serve(|socket, _hangs| {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream.write_all(b"nonsense\n").unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).unwrap();
            assert_eq!(serde_json::from_str::<Reply>(&reply).unwrap().status, 2);
            assert_eq!(say(socket, &[]).unwrap().status, 2);
            assert_eq!(say(socket, &["next"]).unwrap().status, 0);
        });
    }

    #[test]
    fn dash_on_qemu_line_is_ignored() {
        serve(|socket, _hangs| {
            let reply = say(socket, &["qemu", "-serial", "-"]).unwrap();
            assert_eq!(reply.stdout, r#"qemu ["-serial", "-"] /here"#);
        });
    }
}
