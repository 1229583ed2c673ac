//! Tests of `net` against scripted servers on the loopback that behave, misbehave or stall.

#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::io::Read as _;
use std::time::{Duration, Instant};

use faults::{Answer, End, Nobody, Server};
use host::limits::Limits;
use net::{Client, HttpError, Response, Resume};

/// Answers every request in the same way.
fn serve(answer: Answer) -> Server {
    Server::play(vec![answer])
}

fn ok(bytes: &str) -> Answer {
    Answer::status("200 OK").bytes(bytes)
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

/// Extracts the transfer's error from the reader's.
fn failure(mut response: Response) -> HttpError {
    let error = response.read_to_end(&mut Vec::new()).expect_err("fails");
    HttpError::from_io(&error).expect("an HTTP error").clone()
}

fn resume(validator: Option<&str>) -> Resume {
    Resume {
        from: 3,
        validator: validator.map(str::to_owned),
    }
}

#[test]
fn response_has_length_and_validator() {
    let server = serve(ok("hello").header("ETag", "\"v1\""));
    let response = quick().get(&server.base(), None).expect("an answer");
    assert_eq!(
        (response.status, response.start, response.length),
        (200, 0, Some(5))
    );
    assert_eq!(response.validator.as_deref(), Some("\"v1\""));
    assert_eq!(body(response), "hello");
}

#[test]
fn bytes_arrive_as_stored() {
    let server = serve(ok("\u{1f}abc").header("Content-Encoding", "x-gzip"));
    assert_eq!(
        body(quick().get(&server.base(), None).expect("an answer")),
        "\u{1f}abc"
    );
    let request = &server.requests()[0];
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert!(request.headers["user-agent"].starts_with("kiln/"));
    assert_eq!(request.header("range"), None);
}

#[test]
fn range_request_carries_its_condition() {
    for validator in [Some("\"v1\""), None] {
        let rest = Answer::status("206 Partial Content")
            .header("Content-Range", "bytes 3-5/6")
            .bytes("def");
        let server = serve(rest);
        let response = quick().get(&server.base(), Some(&resume(validator)));
        let response = response.expect("an answer");
        assert_eq!(
            (response.status, response.start, response.length),
            (206, 3, Some(3))
        );
        assert_eq!(
            response.content_range.and_then(|range| range.total),
            Some(6)
        );
        assert_eq!(body(response), "def");
        let request = &server.requests()[0];
        assert_eq!(request.header("range"), Some("bytes=3-"));
        assert_eq!(request.header("if-range"), validator);
    }
}

#[test]
fn ignored_range_restarts_from_beginning() {
    let server = serve(ok("abcdef"));
    let response = quick().get(&server.base(), Some(&resume(Some("\"v1\""))));
    let response = response.expect("an answer");
    assert_eq!((response.status, response.start), (200, 0));
    assert_eq!(body(response), "abcdef");
}

#[test]
fn wrong_range_is_refused() {
    let resume = resume(Some("\"v1\""));
    let check = |range: Option<&str>, resume: Option<&Resume>| {
        let mut part = Answer::status("206 Partial Content").bytes("abc");
        if let Some(range) = range {
            part = part.header("Content-Range", range);
        }
        let server = serve(part);
        let error = quick().get(&server.base(), resume).expect_err("refused");
        assert_eq!(error, HttpError::WrongRange { url: server.base() });
    };
    check(Some("bytes 2-4/6"), Some(&resume));
    check(None, Some(&resume));
    check(Some("bytes 0-2/6"), None);
}

#[test]
fn weak_tag_proves_nothing() {
    let check = |headers: &[(&str, &str)], expect: Option<&str>| {
        let add = |answer: Answer, (name, value): &(&str, &str)| answer.header(name, value);
        let server = serve(headers.iter().fold(ok(""), add));
        let response = quick().get(&server.base(), None).expect("an answer");
        assert_eq!(response.validator.as_deref(), expect);
    };
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    let (weak, strong) = (("ETag", "W/\"v1\""), ("ETag", "\"v1\""));
    check(&[weak, ("Last-Modified", date)], Some(date));
    check(&[strong, ("Last-Modified", date)], Some("\"v1\""));
    check(&[weak], None);
}

#[test]
fn not_found_is_final_busy_is_retried() {
    let check = |status: &str, headers: &[(&str, &str)], transient: bool, after: Option<u64>| {
        let add = |answer: Answer, (name, value): &(&str, &str)| answer.header(name, value);
        let server = serve(headers.iter().fold(Answer::status(status), add));
        let error = quick().get(&server.base(), None).expect_err("refused");
        let code = status[..3].parse::<u16>().expect("a status");
        assert_eq!(
            error.to_string(),
            format!("`{}` answered with status {code}", server.base())
        );
        assert_eq!(error.is_transient(), transient, "{error}");
        assert_eq!(error.retry_after(), after.map(Duration::from_secs));
    };
    check("404 Not Found", &[], false, None);
    check("403 Forbidden", &[], false, None);
    let nothing = [("Content-Range", "bytes */6")];
    check("416 Range Not Satisfiable", &nothing, false, None);
    let busy = "503 Service Unavailable";
    check(busy, &[("Retry-After", "7")], true, Some(7));
    let day = [("Retry-After", "86400")];
    check("429 Too Many Requests", &day, true, Some(60));
    // The dates are from a clock that is years behind the host's.
    let dates = [
        ("Date", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("Retry-After", "Wed, 21 Oct 2015 07:28:09 GMT"),
    ];
    check(busy, &dates, true, Some(9));
    check(busy, &dates[1..], true, Some(0));
}

#[test]
fn redirect_limit_is_five() {
    let redirect = || Answer::redirect("/next");
    let mut answers: Vec<Answer> = (0..5).map(|_| redirect()).collect();
    answers.push(ok("ok"));
    let server = Server::play(answers);
    let response = quick().get(&server.base(), None).expect("an answer");
    assert_eq!(response.url, format!("{}/next", server.base()));
    assert_eq!(body(response), "ok");

    let server = serve(redirect());
    let error = quick().get(&server.base(), None).expect_err("refused");
    assert_eq!(error, HttpError::TooManyRedirects { url: server.base() });
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn credentials_reach_only_their_server() {
    let other = serve(Answer::status("404 Not Found"));
    let first = serve(Answer::redirect(&other.base()));
    let url = first.base_as("me", "secret");
    let error = quick().get(&url, None).expect_err("refused").to_string();
    assert_eq!(
        error,
        format!("`http://***@{}` answered with status 404", first.host())
    );
    // `me:secret` in base 64.
    let expect = Some("Basic bWU6c2VjcmV0");
    assert_eq!(first.requests()[0].header("authorization"), expect);
    let forwarded = &other.requests()[0];
    assert_eq!(forwarded.header("authorization"), None, "{forwarded:?}");
    assert_eq!(forwarded.header("referer"), None, "{forwarded:?}");

    let same = Server::play(vec![Answer::redirect("/there"), ok("ok")]);
    let response = quick().get(&same.base_as("me", "secret"), None);
    let response = response.expect("an answer");
    assert!(!response.url.contains("secret"), "{}", response.url);
    assert_eq!(body(response), "ok");
    assert_eq!(same.requests()[1].header("authorization"), expect);
}

#[test]
fn short_body_is_an_error() {
    for end in [End::Close, End::Reset] {
        let server = serve(ok("0123456789").cut(5).end(end));
        let error = match quick().get(&server.base(), None) {
            // A reset may overtake the head.
            Err(error) => error,
            Ok(response) => failure(response),
        };
        assert!(matches!(error, HttpError::Broken { .. }), "{error}");
        assert!(error.is_transient());
    }
}

#[test]
fn malformed_head_is_an_error() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Len".to_owned(),
        format!("HTTP/1.1 200 OK\r\nX-Huge: {}\r\n\r\n", "x".repeat(1 << 20)),
        "SSH-2.0-OpenSSH_9.2\r\n".to_owned(),
        String::new(),
    ] {
        let server = serve(Answer::raw(head));
        let error = quick().get(&server.base(), None).expect_err("refused");
        assert!(matches!(error, HttpError::Broken { .. }), "{error:?}");
    }
}

#[test]
fn stalled_server_is_abandoned() {
    let server = serve(ok("0123456789").cut(5).end(End::Silence));
    let start = Instant::now();
    let error = failure(quick().get(&server.base(), None).expect("an answer"));
    assert!(matches!(error, HttpError::Stalled { .. }), "{error}");
    assert!(error.is_transient());
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn server_that_never_answers_is_abandoned() {
    let server = serve(Answer::raw("").end(End::Silence));
    let limits = Limits {
        connect: Duration::from_millis(100),
        stall: Duration::from_millis(200),
        ..Limits::default()
    };
    let client = Client::with_limits(limits).expect("a client");
    let start = Instant::now();
    let error = client.get(&server.base(), None).expect_err("no answer");
    let limit = limits.connect + limits.stall;
    let waited = start.elapsed();
    assert!(
        waited >= limit && waited < Duration::from_secs(10),
        "{waited:?}"
    );
    let HttpError::Stalled { url, time } = &error else {
        panic!("{error:?}")
    };
    assert!(
        url.starts_with(&server.base()) && *time == limit,
        "{error:?}"
    );
    assert!(error.is_transient());
    // The server got the request, so the wait did not end by a refused connection.
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn unreachable_server_is_named() {
    let nobody = Nobody::there();
    let url = format!("{}/file", nobody.base());
    let error = quick().get(&url, None).expect_err("nobody there");
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with(&format!("failed to connect to `{url}`: ")),
        "{error}"
    );
}

#[test]
fn invalid_address_is_refused_immediately() {
    for url in ["nonsense", "ftp://127.0.0.1/x", ""] {
        let error = quick().get(url, None).expect_err("refused");
        assert!(!error.is_transient(), "{error:?}");
    }
    let error = quick().get("ftp://me:secret@127.0.0.1/x", None);
    let error = error.expect_err("refused").to_string();
    assert!(!error.contains("secret"), "{error}");
}
