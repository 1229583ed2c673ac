//! A server that implements the part of S3 that a tree needs, with scripted failures.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use plan::digest::Digest;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It succeeds.
    Done,
    /// It gets this answer and has no effect.
    Says(&'static str, &'static str),
    /// Half of the body is read, then the connection is closed.
    Dropped,
    /// Half of the body is read and no answer is sent.
    Stalled,
    /// It takes effect, but the connection is closed before the answer.
    Unsaid,
    /// It takes effect, but the answer has the tag of another object.
    OtherTag,
    /// Other bytes are stored than were sent.
    Garbled,
}

/// A stored object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Object {
    /// An object from a tool that records no digest.
    pub(super) fn plain(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            headers: Vec::new(),
        }
    }
}

/// A request as the script sees it.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// In the bucket.
    pub(super) path: &'a str,
    /// The number of earlier requests with the same method and path.
    pub(super) before: usize,
    /// Whether it is a copy within the bucket.
    pub(super) copies: bool,
}

type Script = dyn Fn(&Asked<'_>) -> Fate + Send + Sync;

/// The objects and requests of the server.
#[derive(Default)]
pub(super) struct State {
    pub(super) objects: BTreeMap<String, Object>,
    /// `METHOD path bytes-of-body`.
    pub(super) asked: Vec<String>,
}

/// The server, which runs until the test process ends.
pub(super) struct Endpoint {
    pub(super) address: String,
    pub(super) state: Arc<Mutex<State>>,
}

impl Endpoint {
    pub(super) fn new(script: impl Fn(&Asked<'_>) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let (kept, script) = (
            Arc::clone(&state),
            Arc::<Script>::from(Box::new(script) as Box<Script>),
        );
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, script) = (Arc::clone(&kept), Arc::clone(&script));
                // A client that closes the connection is not an error.
                thread::spawn(move || drop(serve(&stream.unwrap(), &state, script.as_ref())));
            }
        });
        Self { address, state }
    }

    /// The existing paths.
    pub(super) fn paths(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    /// The requests with a method.
    pub(super) fn requests(&self, method: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let asked = state.asked.iter().filter(|line| line.starts_with(method));
        asked.cloned().collect()
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>, script: &Script) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words
        .next()
        .unwrap_or_default()
        .split('?')
        .next()
        .unwrap_or_default();
    let path = target.trim_start_matches("/bucket/").to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length: usize = headers
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    let copies = headers.contains_key("x-amz-copy-source");
    let line = format!("{method} {path} {length}");
    let fate = {
        let mut state = state.lock().unwrap();
        let start = format!("{method} {path} ");
        let before = state
            .asked
            .iter()
            .filter(|line| line.starts_with(&start))
            .count();
        state.asked.push(line);
        script(&Asked {
            method: &method,
            path: &path,
            before,
            copies,
        })
    };
    let half = matches!(fate, Fate::Dropped | Fate::Stalled);
    let mut body = vec![0; if half { length / 2 } else { length }];
    reader.read_exact(&mut body)?;
    match fate {
        Fate::Dropped => return Ok(()),
        Fate::Stalled => {
            // The connection stays open. The thread ends with the test process.
            loop {
                thread::park();
            }
        }
        Fate::Says(status, text) => return answer(stream, status, &[], text.as_bytes(), &method),
        _ => {}
    }
    let (status, mut headers, bytes) = perform(
        &mut state.lock().unwrap(),
        &method,
        &path,
        &headers,
        body,
        fate,
    );
    match fate {
        Fate::Unsaid => return Ok(()),
        Fate::OtherTag => headers.retain(|(name, _)| name != "etag"),
        _ => {}
    }
    if fate == Fate::OtherTag {
        headers.push(("etag".to_owned(), "\"another\"".to_owned()));
    }
    answer(stream, status, &headers, &bytes, &method)
}

/// Carries out a request. Returns status, headers and body of the answer.
fn perform(
    state: &mut State,
    method: &str,
    path: &str,
    headers: &BTreeMap<String, String>,
    body: Vec<u8>,
    fate: Fate,
) -> (&'static str, Vec<(String, String)>, Vec<u8>) {
    let tag = |bytes: &[u8]| {
        (
            "etag".to_owned(),
            format!("\"{}\"", Digest::of(bytes).short()),
        )
    };
    let found = state.objects.get(path).cloned();
    match (method, found) {
        ("GET" | "HEAD", Some(object)) => {
            let mut headers = object.headers;
            headers.push(tag(&object.bytes));
            ("200 OK", headers, object.bytes)
        }
        ("GET" | "HEAD", None) => (
            "404 Not Found",
            Vec::new(),
            b"<Code>NoSuchKey</Code>".to_vec(),
        ),
        ("PUT", Some(_)) if headers.contains_key("if-none-match") => {
            ("412 Precondition Failed", Vec::new(), Vec::new())
        }
        ("PUT", _) => {
            let source = headers.get("x-amz-copy-source");
            let object = if let Some(source) = source {
                state.objects[source.trim_start_matches("/bucket/")].clone()
            } else {
                let sum = headers.get("x-amz-checksum-sha256").unwrap();
                if *sum != BASE64.encode(Digest::of(&body).as_bytes()) {
                    let why = b"<Code>BadDigest</Code>".to_vec();
                    return ("400 Bad Request", Vec::new(), why);
                }
                let kept = headers
                    .iter()
                    .filter(|(name, _)| name.starts_with("x-amz-meta-"));
                Object {
                    bytes: body,
                    headers: kept
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect(),
                }
            };
            let headers = vec![tag(&object.bytes)];
            let mut object = object;
            if fate == Fate::Garbled {
                object.bytes.reverse();
            }
            state.objects.insert(path.to_owned(), object);
            ("200 OK", headers, Vec::new())
        }
        _ => {
            state.objects.remove(path);
            ("204 No Content", Vec::new(), Vec::new())
        }
    }
}

fn answer(
    mut stream: &TcpStream,
    status: &str,
    headers: &[(String, String)],
    body: &[u8],
    method: &str,
) -> std::io::Result<()> {
    let length = body.len();
    let start = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n");
    let mut head = start.into_bytes();
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.extend(b"\r\n");
    stream.write_all(&head)?;
    if method != "HEAD" {
        stream.write_all(body)?;
    }
    Ok(())
}
