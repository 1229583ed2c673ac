//! A web server for one folder, which remembers what it was asked for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub(crate) struct Web {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves until the test program ends.
    pub(crate) fn serve(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/guests", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(path) = answer(&folder, stream) {
                    seen.lock().unwrap().push(path);
                }
            }
        });
        Self { url, asked }
    }

    /// The paths that were asked for and there, sorted.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

/// Answers one request: the path that was found.
fn answer(folder: &Path, mut stream: TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let path = request.split(' ').nth(1)?.strip_prefix("/guests/")?;
    let head = "Connection: close\r\nContent-Length";
    let Ok(bytes) = std::fs::read(folder.join(path)) else {
        write!(stream, "HTTP/1.1 404 Not Found\r\n{head}: 0\r\n\r\n").ok()?;
        return None;
    };
    write!(stream, "HTTP/1.1 200 OK\r\n{head}: {}\r\n\r\n", bytes.len()).ok()?;
    stream.write_all(&bytes).ok()?;
    Some(path.to_owned())
}
