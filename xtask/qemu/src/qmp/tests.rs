//! Tests with a scripted peer over a real socket.

use std::io::Read as _;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use harness::clock::Steps;

use super::*;

const WAIT: Duration = Duration::from_secs(20);

/// A client, the messages it received, and the peer.
fn connect() -> (
    Client,
    Receiver<Incoming>,
    UnixStream,
    BufReader<UnixStream>,
) {
    connect_with(TestClock::default())
}

fn connect_with(
    clock: TestClock,
) -> (
    Client,
    Receiver<Incoming>,
    UnixStream,
    BufReader<UnixStream>,
) {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_read_timeout(Some(WAIT)).unwrap();
    let (heard, inbox) = channel();
    let (client, _thread) = Client::start(near, clock, move |incoming| {
        heard.send(incoming).unwrap_or_default();
    })
    .unwrap();
    let reader = BufReader::new(far.try_clone().unwrap());
    (client, inbox, far, reader)
}

fn read(reader: &mut BufReader<UnixStream>) -> Value {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn say(far: &mut UnixStream, text: &str) {
    far.write_all(text.as_bytes()).unwrap();
}

/// Executes a command in a thread. QEMU answers only commands that it has read, so a test reads it too.
fn ask(client: &Client, command: &'static str, arguments: Value) -> JoinHandle<Answer> {
    let client = client.clone();
    std::thread::spawn(move || client.execute(command, arguments, WAIT))
}

#[test]
fn the_handshake_is_sent_without_waiting() {
    let (client, _hears, mut far, mut reader) = connect();
    assert_eq!(read(&mut reader), json!({"execute": "qmp_capabilities"}));
    assert_eq!(client.greeting(), None);
    say(
        &mut far,
        "{\"QMP\": {\"version\": 1}}\r\n{\"return\": {}}\r\n",
    );
    let answer = ask(&client, "x", Value::Null);
    read(&mut reader);
    say(&mut far, "{\"id\": 1, \"return\": {\"a\": 2}}\r\n");
    assert_eq!(answer.join().unwrap(), Ok(json!({"a": 2})));
    assert_eq!(client.greeting(), Some(json!({"version": 1})));
}

#[test]
fn answers_match_requests_in_any_order() {
    let (client, _hears, mut far, mut reader) = connect();
    read(&mut reader);
    let first = ask(&client, "first", json!({"a": 1}));
    let one = read(&mut reader);
    let second = ask(&client, "second", json!({"a": 1}));
    let two = read(&mut reader);
    assert_eq!(
        one,
        json!({"execute": "first", "id": 1, "arguments": {"a": 1}})
    );
    say(
        &mut far,
        &format!("{}\n", json!({"id": two["id"], "return": 2})),
    );
    let error = json!({"class": "GenericError", "desc": "no such thing"});
    say(
        &mut far,
        &format!("{}\n", json!({"id": one["id"], "error": error})),
    );
    assert_eq!(second.join().unwrap(), Ok(json!(2)));
    let error = first.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "GenericError: no such thing");
}

#[test]
fn unknown_events_and_unknown_reasons_are_kept() {
    let (_client, inbox, mut far, _reader) = connect();
    let data = json!({"guest": true, "reason": "sun-flare", "new-field": [1]});
    let time = json!({"seconds": 2, "microseconds": 5});
    say(
        &mut far,
        &format!(
            "{}\n",
            json!({"event": "NEW", "data": data, "timestamp": time})
        ),
    );
    say(&mut far, "{\"event\": \"BARE\"}\n");
    let expect = |event: RawEvent| match inbox.recv_timeout(WAIT) {
        Ok(Incoming::Event(heard)) => assert_eq!(heard, QemuEvent::from(&event)),
        other => panic!("{other:?}"),
    };
    expect(RawEvent {
        name: "NEW".into(),
        data,
        micros: 2_000_005,
    });
    expect(RawEvent {
        name: "BARE".into(),
        data: Value::Null,
        micros: 0,
    });
}

#[test]
fn non_qmp_output_is_passed_on() {
    let (client, inbox, mut far, mut reader) = connect();
    read(&mut reader);
    for line in [
        "garbage",
        "{\"event\": 5}",
        "{\"error\": {\"class\": \"x\"}}",
    ] {
        say(&mut far, &format!("{line}\n"));
        let Ok(Incoming::Garbage(text)) = inbox.recv_timeout(WAIT) else {
            panic!("{line}")
        };
        assert_eq!(text.replace(':', ": "), line);
    }
    let thread = ask(&client, "x", Value::Null);
    read(&mut reader);
    say(
        &mut far,
        "[]\n5\n{\"id\": 77, \"return\": 1}\n{\"id\": 1, \"return\": null}\n",
    );
    assert_eq!(thread.join().unwrap(), Ok(Value::Null));
}

#[test]
fn exit_fails_all_waiters() {
    let (client, _hears, far, mut reader) = connect();
    read(&mut reader);
    let thread = ask(&client, "x", Value::Null);
    read(&mut reader);
    drop((far, reader));
    assert!(thread.join().unwrap().unwrap_err().is_closed());
    let error = client.execute("y", Value::Null, WAIT).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Closed: QEMU exited before it answered `y`"
    );
}

/// The answer arrives after 50 samples, which are 200 s. The limit is 20 s of test time.
#[test]
fn starved_qemu_may_answer_late() {
    let (near, far) = UnixStream::pair().unwrap();
    let mut answering = far.try_clone().unwrap();
    let source = Steps::starved().until(50, move || {
        say(&mut answering, "{\"id\": 1, \"return\": 7}\n");
    });
    let clock = TestClock::from_source(source, 1.0);
    clock.follow(7);
    let (client, _thread) = Client::start(near, clock, |_| {}).unwrap();
    assert_eq!(client.execute("x", Value::Null, WAIT), Ok(json!(7)));
    drop(far);
}

#[test]
fn idle_or_computing_qemu_must_answer_in_time() {
    for source in [Steps::idle(), Steps::computing()] {
        let clock = TestClock::from_source(source, 1.0);
        clock.follow(7);
        let (client, _hears, _far, _reader) = connect_with(clock);
        let error = client.execute("x", Value::Null, WAIT).unwrap_err();
        assert!(error.is_deadline(), "{error}");
    }
}

#[test]
fn late_answer_is_not_taken_for_the_next() {
    let (client, _hears, mut far, mut reader) = connect();
    read(&mut reader);
    assert!(
        client
            .execute("slow", Value::Null, Duration::ZERO)
            .unwrap_err()
            .is_deadline()
    );
    read(&mut reader);
    say(&mut far, "{\"id\": 1, \"return\": 1}\n");
    let answer = ask(&client, "next", Value::Null);
    read(&mut reader);
    say(&mut far, "{\"id\": 2, \"return\": 2}\n");
    assert_eq!(answer.join().unwrap(), Ok(json!(2)));
}

#[test]
fn events_are_written_as_qemu_writes_them() {
    let text = r#"{"event":"STOP","data":{},"timestamp":{"seconds":1,"microseconds":2}}"#;
    let event: RawEvent = serde_json::from_str(text).unwrap();
    assert_eq!(event.micros, 1_000_002);
    assert_eq!(serde_json::to_string(&event).unwrap(), text);
}

#[test]
fn nothing_is_sent_twice() {
    let (client, _hears, far, _reader) = connect();
    client.tell("cont");
    drop(client);
    far.set_nonblocking(true).unwrap();
    let mut text = String::new();
    // The stream stays open, so reading ends with "would block" instead of the end.
    let _would_block = (&far).read_to_string(&mut text);
    assert_eq!(
        text,
        "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"cont\"}\n"
    );
}
