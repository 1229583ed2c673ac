//! `serve DIRECTORY`: serves files by HTTP/1.0 on the loopback interface while the test runs.
//!
//! Supports only GET and plain files, and nothing above the directory. Guests reach it through
//! QEMU's user networking, in which the host is 10.0.2.2.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use host::test_time::TestClock;

use super::connections::{Connections, Until};

/// Time limit of a request's head, and of each piece of a file, in test time. Slower clients are
/// dropped. The total time of a file is not limited, except by the end of the server.
const WAIT: Duration = Duration::from_secs(10);
/// The size of a piece of a file in bytes.
const PIECE: usize = 64 << 10;
/// Maximum size of a request head in bytes.
const HEAD_MAX: u64 = 16 << 10;

/// Serves a directory until it is dropped.
#[derive(Debug)]
pub struct FileServer {
    port: u16,
    stopping: Arc<AtomicBool>,
    connections: Arc<Connections<TcpStream>>,
    listening: Option<JoinHandle<()>>,
}

impl FileServer {
    /// Listens on a free port. Time limits count on this clock, which follows the clients.
    pub fn start(directory: &Utf8Path, clock: &TestClock) -> io::Result<Self> {
        let root = fs_err::canonicalize(directory)?;
        let root = Utf8PathBuf::from_path_buf(root)
            .map_err(|_| io::Error::other(format!("`{directory}` is not a UTF-8 path")))?;
        if !root.is_dir() {
            return Err(io::Error::other(format!(
                "`{directory}` is not a directory"
            )));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let connections = Arc::new(Connections::default());
        let open = Arc::clone(&connections);
        let clock = clock.clone();
        let listening = std::thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || listen(&listener, &root, &clock, &stop, &open))?;
        Ok(Self {
            port,
            stopping,
            connections,
            listening: Some(listening),
        })
    }

    /// The URL for a guest behind user networking.
    #[must_use]
    pub fn guest_url(&self) -> String {
        format!("http://10.0.2.2:{}", self.port)
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.connections.close(Shutdown::Both);
        // Wakes the listener. If that fails, it has already ended.
        #[expect(
            clippy::disallowed_methods,
            reason = "this connects to our own socket only"
        )]
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn listen(
    listener: &TcpListener,
    root: &Utf8Path,
    clock: &TestClock,
    stopping: &AtomicBool,
    connections: &Connections<TcpStream>,
) {
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            if stopping.load(Ordering::SeqCst) {
                break;
            }
            let Ok(stream) = stream else { continue };
            // A client may close the connection early.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || {
                let connection = connections.enter(stream);
                attend(&connection.stream, root, clock)
            });
        }
    });
}

fn attend(stream: &TcpStream, root: &Utf8Path, clock: &TestClock) -> io::Result<()> {
    let until = || Until {
        stream,
        deadline: clock.deadline(WAIT),
    };
    let mut head = BufReader::new(until().take(HEAD_MAX));
    let mut request = String::new();
    head.read_line(&mut request)?;
    let mut line = String::new();
    while head.read_line(&mut line)? > 0 && line.trim_end() != "" {
        line.clear();
    }
    let mut parts = request.split_whitespace();
    let (method, target) = (parts.next(), parts.next().unwrap_or_default());
    if method != Some("GET") {
        return refuse(until(), "501 Not Implemented");
    }
    let Some(path) = locate(root, target) else {
        return refuse(until(), "404 Not Found");
    };
    let mut file = fs_err::File::open(path)?;
    let length = file.metadata()?.len();
    write!(
        until(),
        "HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n"
    )?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            length => until().write_all(&piece[..length])?,
        }
    }
}

fn refuse(mut stream: Until<'_, TcpStream>, status: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.0 {status}\r\nContent-Length: 0\r\n\r\n")
}

/// The file of a request, if it is below the root.
fn locate(root: &Utf8Path, target: &str) -> Option<Utf8PathBuf> {
    let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
    let path = decode(path)?;
    let plain = |part: Utf8Component<'_>| matches!(part, Utf8Component::Normal(_));
    if path.contains('\0') || !Utf8Path::new(&path).components().all(plain) {
        return None;
    }
    // Only the canonical path shows links that lead out of the directory.
    let found = fs_err::canonicalize(root.join(path)).ok()?;
    let found = Utf8PathBuf::from_path_buf(found).ok()?;
    (found.starts_with(root) && found.is_file()).then_some(found)
}

fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use host::clock::monotonic;

    use super::*;

    fn start(directory: &Utf8Path) -> io::Result<FileServer> {
        FileServer::start(directory, &TestClock::of_own_threads())
    }

    fn get(port: u16, request: &str) -> String {
        #[expect(
            clippy::disallowed_methods,
            reason = "this calls the server under test"
        )]
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        write!(stream, "{request}\r\nHost: x\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }

    #[test]
    fn only_files_of_the_directory_are_served() {
        let outer = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(outer.path()).unwrap().join("www");
        fs_err::create_dir_all(root.join("sub")).unwrap();
        fs_err::write(root.join("data"), "content").unwrap();
        fs_err::write(root.join("sub/a b"), "spaced").unwrap();
        fs_err::write(outer.path().join("secret"), "secret").unwrap();
        fs_err::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        let server = start(&root).unwrap();
        assert_eq!(
            server.guest_url(),
            format!("http://10.0.2.2:{}", server.port)
        );

        let check = |request: &str, expect: &str| {
            let reply = get(server.port, request);
            let status = reply
                .lines()
                .next()
                .unwrap()
                .strip_prefix("HTTP/1.0 ")
                .unwrap();
            let body = reply.split_once("\r\n\r\n").unwrap().1;
            assert_eq!(format!("{status}: {body}"), expect, "{request}");
        };
        check("GET /data HTTP/1.1", "200 OK: content");
        check("GET /data?x=1 HTTP/1.1", "200 OK: content");
        check("GET /sub/a%20b HTTP/1.1", "200 OK: spaced");
        check("GET /missing HTTP/1.1", "404 Not Found: ");
        check("GET / HTTP/1.1", "404 Not Found: ");
        check("GET /../secret HTTP/1.1", "404 Not Found: ");
        check("GET /sub/../../secret HTTP/1.1", "404 Not Found: ");
        check("GET /%2e%2e/secret HTTP/1.1", "404 Not Found: ");
        check("GET //etc/passwd HTTP/1.1", "404 Not Found: ");
        check("GET /link HTTP/1.1", "404 Not Found: ");
        check("GET /%zz HTTP/1.1", "404 Not Found: ");
        check("POST /data HTTP/1.1", "501 Not Implemented: ");
    }

    #[test]
    fn slow_client_does_not_hold_the_server() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        // More than the buffers of both sockets can hold.
        let big = fs_err::File::create(root.join("big")).unwrap();
        big.set_len(64 << 20).unwrap();
        let server = start(root).unwrap();
        let connect = || {
            #[expect(
                clippy::disallowed_methods,
                reason = "this calls the server under test"
            )]
            TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap()
        };
        let mut reading = connect();
        write!(reading, "GET /big HTTP/1.0\r\n\r\n").unwrap();
        reading.read_exact(&mut [0; 16]).unwrap();
        let mut asking = connect();
        write!(asking, "GET /b").unwrap();
        let started = monotonic();
        drop(server);
        assert!(started.elapsed() < WAIT);
        drop((reading, asking));
    }

    #[test]
    fn only_directories_can_be_served() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Utf8Path::from_path(file.path()).unwrap();
        let error = start(path).unwrap_err();
        assert_eq!(error.to_string(), format!("`{path}` is not a directory"));
        let error = start(Utf8Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/nonexistent"), "{error}");
    }
}
