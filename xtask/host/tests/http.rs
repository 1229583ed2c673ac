//! `host::http` against servers that behave, misbehave and stall: scripted, on the loopback.

#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use host::http::{Client, HttpError, Limits, Response, Resume};

/// What the server does with one connection.
enum Act {
    /// Answers with these bytes and closes.
    Answer(String),
    /// Answers with these bytes and then says nothing, with the connection open.
    Hang(String),
}

struct Server {
    base: String,
    /// The head of each request, in lower case.
    requests: Receiver<String>,
}

/// Plays the acts, one a connection; the last one for all further ones.
fn serve(acts: Vec<Act>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (seen, requests) = mpsc::channel();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for at in 0.. {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            let Some(request) = request_head(&stream) else {
                continue;
            };
            if seen.send(request).is_err() {
                return;
            }
            match acts.get(at).or(acts.last()) {
                Some(Act::Answer(text)) => drop(stream.write_all(text.as_bytes())),
                Some(Act::Hang(text)) => {
                    drop(stream.write_all(text.as_bytes()));
                    silent.push(stream);
                }
                None => return,
            }
        }
    });
    Server { base, requests }
}

fn request_head(stream: &TcpStream) -> Option<String> {
    let mut head = String::new();
    for line in BufReader::new(stream).lines() {
        match line.ok()? {
            end if end.is_empty() => return Some(head),
            line => head.extend([line.to_lowercase().as_str(), "\n"]),
        }
    }
    None
}

fn answer(status: &str, headers: &str, body: &str) -> Act {
    Act::Answer(format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n{body}"
    ))
}

fn quick() -> Client {
    let (connect, stall) = (Duration::from_secs(5), Duration::from_millis(300));
    Client::with_limits(Limits {
        connect,
        stall,
        slowest: 1024,
    })
    .expect("a client")
}

fn body(mut response: Response) -> String {
    let mut text = String::new();
    response.read_to_string(&mut text).expect("read");
    text
}

/// The transfer's own error, out of the reader's.
fn failure(mut response: Response) -> HttpError {
    let error = response.read_to_end(&mut Vec::new()).expect_err("fails");
    HttpError::from_io(&error).expect("an HTTP error").clone()
}

#[test]
fn a_file_comes_with_its_length_and_its_validator() {
    let server = serve(vec![answer(
        "200 OK",
        "Content-Length: 5\r\nETag: \"v1\"\r\n",
        "hello",
    )]);
    let response = quick().get(&server.base, None).expect("an answer");
    assert_eq!(
        (response.status, response.start, response.length),
        (200, 0, Some(5))
    );
    assert_eq!(response.validator.as_deref(), Some("\"v1\""));
    assert_eq!(body(response), "hello");
}

#[test]
fn bytes_are_asked_for_and_passed_on_as_they_are_stored() {
    let encoded = answer(
        "200 OK",
        "Content-Encoding: x-gzip\r\nContent-Length: 4\r\n",
        "\u{1f}abc",
    );
    let server = serve(vec![encoded]);
    assert_eq!(
        body(quick().get(&server.base, None).expect("an answer")),
        "\u{1f}abc"
    );
    let request = server.requests.recv().expect("a request");
    assert!(request.contains("accept-encoding: identity\n"), "{request}");
    assert!(request.contains("user-agent: kiln/"), "{request}");
    assert!(!request.contains("range:"), "{request}");
}

#[test]
fn the_rest_of_a_file_is_asked_for_under_the_condition_that_it_is_the_same() {
    let headers = "Content-Range: bytes 3-5/6\r\nContent-Length: 3\r\n";
    let server = serve(vec![answer("206 Partial Content", headers, "def")]);
    let resume = Resume {
        from: 3,
        validator: "\"v1\"".to_owned(),
    };
    let response = quick().get(&server.base, Some(&resume)).expect("an answer");
    assert_eq!(
        (response.status, response.start, response.length),
        (206, 3, Some(3))
    );
    assert_eq!(
        response.content_range.and_then(|range| range.total),
        Some(6)
    );
    assert_eq!(body(response), "def");
    let request = server.requests.recv().expect("a request");
    assert!(request.contains("range: bytes=3-\n"), "{request}");
    assert!(request.contains("if-range: \"v1\"\n"), "{request}");
}

#[test]
fn a_server_that_ignores_the_range_sends_the_whole_from_its_start() {
    let server = serve(vec![answer("200 OK", "Content-Length: 6\r\n", "abcdef")]);
    let resume = Resume {
        from: 3,
        validator: "\"v1\"".to_owned(),
    };
    let response = quick().get(&server.base, Some(&resume)).expect("an answer");
    assert_eq!((response.status, response.start), (200, 0));
    assert_eq!(body(response), "abcdef");
}

#[test]
fn another_part_than_the_one_asked_for_is_refused() {
    let resume = Resume {
        from: 3,
        validator: "\"v1\"".to_owned(),
    };
    let check = |headers: &str, resume: Option<&Resume>| {
        let server = serve(vec![answer("206 Partial Content", headers, "abc")]);
        let error = quick().get(&server.base, resume).expect_err("refused");
        assert_eq!(
            error,
            HttpError::WrongRange {
                url: server.base.clone()
            }
        );
    };
    check(
        "Content-Range: bytes 2-4/6\r\nContent-Length: 3\r\n",
        Some(&resume),
    );
    check("Content-Length: 3\r\n", Some(&resume));
    check("Content-Range: bytes 0-2/6\r\nContent-Length: 3\r\n", None);
}

#[test]
fn a_weak_tag_proves_nothing_and_the_date_does() {
    let check = |headers: &str, expect: Option<&str>| {
        let server = serve(vec![answer("200 OK", headers, "")]);
        let response = quick().get(&server.base, None).expect("an answer");
        assert_eq!(response.validator.as_deref(), expect);
    };
    let date = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
    check(
        &format!("ETag: W/\"v1\"\r\n{date}"),
        Some("Wed, 21 Oct 2015 07:28:00 GMT"),
    );
    check(&format!("ETag: \"v1\"\r\n{date}"), Some("\"v1\""));
    check("ETag: W/\"v1\"\r\n", None);
}

#[test]
fn what_is_not_there_is_final_and_what_is_busy_says_when_to_come_again() {
    let check = |status: &str, headers: &str, transient: bool, after: Option<u64>| {
        let server = serve(vec![answer(status, headers, "")]);
        let error = quick().get(&server.base, None).expect_err("refused");
        let code = status[..3].parse::<u16>().expect("a status");
        assert_eq!(
            error.to_string(),
            format!("`{}` answered with status {code}", server.base)
        );
        assert_eq!(error.is_transient(), transient, "{error}");
        assert_eq!(error.retry_after(), after.map(Duration::from_secs));
    };
    check("404 Not Found", "", false, None);
    check("403 Forbidden", "", false, None);
    check(
        "416 Range Not Satisfiable",
        "Content-Range: bytes */6\r\n",
        false,
        None,
    );
    check(
        "503 Service Unavailable",
        "Retry-After: 7\r\n",
        true,
        Some(7),
    );
    check(
        "429 Too Many Requests",
        "Retry-After: 86400\r\n",
        true,
        Some(60),
    );
}

#[test]
fn five_redirections_are_followed_and_a_circle_is_not() {
    let redirect = || answer("302 Found", "Location: /next\r\nContent-Length: 0\r\n", "");
    let mut acts: Vec<Act> = (0..5).map(|_| redirect()).collect();
    acts.push(answer("200 OK", "Content-Length: 2\r\n", "ok"));
    let server = serve(acts);
    let response = quick().get(&server.base, None).expect("an answer");
    assert_eq!(response.url, format!("{}/next", server.base));
    assert_eq!(body(response), "ok");

    let server = serve(vec![redirect()]);
    let error = quick().get(&server.base, None).expect_err("refused");
    assert_eq!(
        error,
        HttpError::TooManyRedirects {
            url: server.base.clone()
        }
    );
    assert_eq!(server.requests.try_iter().count(), 6);
}

#[test]
fn a_body_that_is_too_short_is_an_error() {
    let server = serve(vec![answer("200 OK", "Content-Length: 10\r\n", "short")]);
    let error = failure(quick().get(&server.base, None).expect("an answer"));
    assert!(matches!(error, HttpError::Broken { .. }), "{error}");
    assert!(error.is_transient());
}

#[test]
fn a_server_that_falls_silent_is_left_after_the_stall_time() {
    let headers = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_owned();
    let server = serve(vec![Act::Hang(headers)]);
    let start = Instant::now();
    let error = failure(quick().get(&server.base, None).expect("an answer"));
    assert!(matches!(error, HttpError::Stalled { .. }), "{error}");
    assert!(error.is_transient());
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_server_that_never_answers_is_left() {
    let server = serve(vec![Act::Hang(String::new())]);
    let limits = Limits {
        connect: Duration::from_millis(100),
        ..Limits::default()
    };
    let limits = Limits {
        stall: Duration::from_millis(200),
        ..limits
    };
    let client = Client::with_limits(limits).expect("a client");
    let error = client.get(&server.base, None).expect_err("left");
    assert!(error.is_transient(), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let url = format!("http://{port}/file");
    let error = quick().get(&url, None).expect_err("nobody there");
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot connect to `{url}`: ")),
        "{error}"
    );
}

#[test]
fn what_is_no_http_address_is_refused_without_a_try() {
    for url in ["nonsense", "ftp://127.0.0.1/x", ""] {
        let error = quick().get(url, None).expect_err("refused");
        assert!(!error.is_transient(), "{error:?}");
    }
}

#[test]
fn offline_there_is_no_client() {
    assert!(Client::new(true).expect("no error").is_none());
    assert!(Client::new(false).expect("no error").is_some());
}
