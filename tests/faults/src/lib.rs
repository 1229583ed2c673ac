//! A scripted web server on the loopback that answers correctly or not. All tests of downloads use
//! it. Only tests depend on this crate.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test whose server cannot go on panics"
)]

mod answer;
mod fault;
mod request;
mod tls;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

pub use answer::{Answer, Body, End};
pub use fault::{Fault, File};
pub use request::Request;
pub use tls::Tls;

use request::Arrival;

/// Decides the answer to a request.
type Script = dyn FnMut(&Request) -> Answer + Send;

/// A server that runs until this value is dropped.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Box<Script>>,
    requests: Mutex<Vec<Request>>,
    tls: Option<Tls>,
    over: AtomicBool,
}

impl Server {
    /// Calls `script` for one request after the other, and sends the answers concurrently.
    pub fn start(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::listen(Box::new(script), None)
    }

    /// The same behind TLS.
    pub fn start_tls(tls: Tls, script: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::listen(Box::new(script), Some(tls))
    }

    /// Sends these answers, one per request. The last one is repeated.
    #[must_use]
    pub fn play(answers: Vec<Answer>) -> Self {
        let mut at = 0;
        Self::start(move |_| {
            let answer = answers.get(at).or(answers.last());
            at += 1;
            answer
                .cloned()
                .unwrap_or_else(|| Answer::status("404 Not Found"))
        })
    }

    fn listen(script: Box<Script>, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            requests: Mutex::default(),
            tls,
            over: AtomicBool::new(false),
        });
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ours.over.load(Ordering::SeqCst) {
                    return;
                }
                let ours = Arc::clone(&ours);
                thread::spawn(move || ours.attend(stream));
            }
        });
        Self {
            address,
            scheme,
            shared,
        }
    }

    /// The URL: `http://127.0.0.1:12345`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The URL with a user and a password.
    #[must_use]
    pub fn base_as(&self, user: &str, password: &str) -> String {
        format!("{}://{user}:{password}@{}", self.scheme, self.address)
    }

    /// The address: `127.0.0.1:12345`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.shared.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts connections, so that it ends and the port becomes free.
        #[expect(
            clippy::disallowed_methods,
            reason = "the other end of our own listener"
        )]
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// Handles one connection with one request and its answer. Errors are the client's.
    fn attend(&self, mut stream: TcpStream) {
        if let Some(tls) = &self.tls {
            if let Ok(mut stream) = tls.accept(stream)
                && let Some(request) = Request::read(&mut stream)
            {
                let answer = self.decide(&request);
                let _ = answer.write(&mut stream);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            return;
        }
        let Some(arrival) = Arrival::peek(&stream) else {
            return;
        };
        let length = arrival.length;
        let answer = self.decide(&arrival.request);
        // Closing a socket with unread data sends a reset instead of an end.
        let resets = answer.end == End::Reset;
        if !resets {
            let mut head = vec![0; length];
            if stream.read_exact(&mut head).is_err() {
                return;
            }
        }
        if answer.write(&mut stream).is_err() || resets {
            return;
        }
        if answer.end == End::Silence {
            // Until the client closes the connection.
            let _ = stream.read(&mut [0]);
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn decide(&self, request: &Request) -> Answer {
        let requests = self.requests.lock();
        requests
            .unwrap_or_else(PoisonError::into_inner)
            .push(request.clone());
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script(request)
    }
}

/// An address without a listener, as long as this value lives.
pub struct Nobody {
    address: SocketAddr,
    /// This connection occupies the port, so no listener can get it.
    _kept: TcpStream,
}

impl Nobody {
    /// Takes a port.
    #[must_use]
    pub fn there() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        #[expect(
            clippy::disallowed_methods,
            reason = "the other end of our own listener"
        )]
        let kept = TcpStream::connect(listener.local_addr().expect("an address"));
        let kept = kept.expect("a connection");
        Self {
            address: kept.local_addr().expect("an address"),
            _kept: kept,
        }
    }

    /// The URL: `http://127.0.0.1:12345`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }
}
