use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use host::interrupt::Interrupted;
use plan::digest::Digest;
use plan::source::{Location, SourcePin};
use store::Store;

use super::*;

const CONTENT: &[u8] = b"the bytes that the recipe pins, and no others";
const A: &str = "https://a.example/file.tar";
const B: &str = "https://b.example/file.tar";

/// An answer of a scripted server.
#[derive(Clone)]
enum Answer {
    /// Status 200 and this body.
    Full(&'static [u8]),
    /// Behaves like a real server: sends the whole file or the requested range, cut after a number
    /// of bytes.
    Serve {
        content: &'static [u8],
        etag: &'static str,
        cut: usize,
    },
    /// Status 206 with a range that was not requested.
    OtherRange,
    /// Status 200 without a length, and an endless body.
    Endless,
    /// A status without a body, optionally with `Retry-After`.
    Status(u16, Option<u64>),
    /// Status 200 at a rate of one byte per minute.
    Drip(Arc<FakeClock>),
    /// No connection.
    Unreachable,
}

#[derive(Default)]
struct Server {
    script: Mutex<BTreeMap<String, VecDeque<Answer>>>,
    asked: Mutex<Vec<String>>,
}

impl Server {
    fn new(script: &[(&str, &[Answer])]) -> Arc<Self> {
        let script = script
            .iter()
            .map(|(url, answers)| ((*url).to_owned(), answers.iter().cloned().collect()))
            .collect();
        Arc::new(Self {
            script: Mutex::new(script),
            asked: Mutex::default(),
        })
    }

    fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn respond(status: u16, body: impl Read + Send + 'static) -> Response {
    Response {
        status,
        length: None,
        validator: None,
        range: None,
        retry_after: None,
        body: Box::new(body),
    }
}

impl Remote for Server {
    fn get(&self, url: &str, resume: Option<&Resume>) -> Result<Response, RemoteError> {
        let from = resume.map_or(String::new(), |resume| {
            format!(
                " from {} if {}",
                resume.offset,
                resume.validator.as_deref().unwrap_or("-")
            )
        });
        self.asked.lock().unwrap().push(format!("{url}{from}"));
        let answer = self
            .script
            .lock()
            .unwrap()
            .get_mut(url)
            .and_then(VecDeque::pop_front);
        Ok(match answer.unwrap_or(Answer::Status(404, None)) {
            Answer::Full(body) => Response {
                length: Some(body.len() as u64),
                ..respond(200, body)
            },
            Answer::Serve { content, etag, cut } => {
                let start = resume
                    .filter(|resume| resume.validator.as_deref().is_none_or(|had| had == etag))
                    .map_or(0, |resume| usize::try_from(resume.offset).unwrap());
                let body = &content[start..];
                let range = ContentRange {
                    start: start as u64,
                    total: Some(content.len() as u64),
                };
                Response {
                    length: Some(body.len() as u64),
                    validator: Some(etag.to_owned()),
                    range: (start > 0).then_some(range),
                    ..respond(
                        if start > 0 { 206 } else { 200 },
                        &body[..cut.min(body.len())],
                    )
                }
            }
            Answer::OtherRange => {
                let range = ContentRange {
                    start: 1,
                    total: None,
                };
                Response {
                    range: Some(range),
                    ..respond(206, CONTENT)
                }
            }
            Answer::Endless => respond(200, io::repeat(7)),
            Answer::Drip(clock) => respond(200, Drip(clock)),
            Answer::Status(status, after) => Response {
                retry_after: after.map(Duration::from_secs),
                ..respond(status, io::empty())
            },
            Answer::Unreachable => {
                return Err(RemoteError {
                    why: "failed to connect".to_owned(),
                    passing: true,
                    hint: None,
                });
            }
        })
    }
}

struct Drip(Arc<FakeClock>);

impl Read for Drip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.sleep(Duration::from_secs(60)).unwrap();
        buffer[0] = b'x';
        Ok(1)
    }
}

/// A clock that advances only by sleeping. Chance is always one half.
#[derive(Default)]
struct FakeClock(AtomicU64);

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, time: Duration) -> Result<(), Interrupted> {
        self.0
            .fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
        Ok(())
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

struct Case {
    _kept: tempfile::TempDir,
    root: Utf8PathBuf,
    store: Store,
    server: Arc<Server>,
    remotes: Remotes,
    pin: SourcePin,
    events: Vec<Event>,
}

fn pin(locations: &[Location]) -> SourcePin {
    SourcePin {
        file: "file.tar".to_owned(),
        size: CONTENT.len() as u64,
        sha256: Digest::of(CONTENT),
        locations: locations.to_vec(),
    }
}

fn case(script: &[(&str, &[Answer])]) -> Case {
    let home = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(home.path()).unwrap().join("store");
    let server = Server::new(script);
    let remotes = Remotes {
        clock: Arc::new(FakeClock::default()),
        ..Remotes::online(server.clone())
    };
    let pin = pin(&[Location::Url(A.to_owned()), Location::Url(B.to_owned())]);
    let store = Store::open(&root).unwrap();
    Case {
        _kept: home,
        root,
        store,
        server,
        remotes,
        pin,
        events: Vec::new(),
    }
}

impl Case {
    fn fetch(&mut self) -> Result<Verified, FetchError> {
        let events = &mut self.events;
        fetch(&self.store, &self.pin, &self.remotes, &mut |event| {
            events.push(event);
        })
    }

    fn fetched(&mut self) -> Vec<String> {
        let blob = self.fetch().unwrap();
        assert_eq!(fs::read(blob.path()).unwrap(), CONTENT);
        assert_eq!(self.files("part"), Vec::<String>::new());
        self.server.requests()
    }

    fn refused(&mut self) -> String {
        self.fetch().unwrap_err().to_string()
    }

    fn files(&self, directory: &str) -> Vec<String> {
        let listing = fs::read_dir(self.root.join("v1").join(directory)).unwrap();
        listing
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn pauses(&self) -> Vec<f64> {
        let pause = |event: &Event| match event {
            Event::Failed {
                next: Next::Retry { seconds },
                ..
            } => Some(*seconds),
            _ => None,
        };
        self.events.iter().filter_map(pause).collect()
    }
}

fn serve(cut: usize) -> Answer {
    Answer::Serve {
        content: CONTENT,
        etag: "\"1\"",
        cut,
    }
}

fn from(url: &str, offset: u64, validator: &str) -> String {
    format!("{url} from {offset} if {validator}")
}

#[test]
fn second_fetch_uses_the_store() {
    let mut case = case(&[(A, &[serve(999)])]);
    assert_eq!(case.fetched(), [A]);
    assert_eq!(case.fetched(), [A]);
    assert!(case.events.contains(&Event::Finished {
        file: "file.tar".to_owned(),
        size: 45
    }));
}

#[test]
fn wrong_bytes_of_equal_length_are_refused() {
    let wrong = b"the bytes that the recipe pins, and no 0thers";
    let mut case = case(&[(A, &[Answer::Full(wrong)])]);
    let error = case.refused();
    let expected = format!(
        "{A}: digest mismatch: expected sha256 {}, found {}\n",
        Digest::of(CONTENT),
        Digest::of(wrong)
    );
    assert!(error.contains(&expected), "{error}");
    assert_eq!(case.server.requests(), [A, B]);
    assert!(case.files("part").is_empty() && case.files("blobs/sha256").is_empty());
}

#[test]
fn wrong_bytes_fall_back_to_next_location() {
    let mut case = case(&[(A, &[Answer::Full(&[0; 45])]), (B, &[serve(999)])]);
    assert_eq!(case.fetched(), [A, B]);
}

#[test]
fn a_truncated_body_is_resumed() {
    let mut case = case(&[(A, &[serve(10), serve(20), serve(999)])]);
    assert_eq!(
        case.fetched(),
        [A.to_owned(), from(A, 10, "\"1\""), from(A, 30, "\"1\"")]
    );
}

#[test]
fn download_of_earlier_run_resumes() {
    let mut case = case(&[(A, &[serve(10), serve(0), serve(0), serve(999)])]);
    assert!(
        case.refused()
            .contains("ended after 10 of 45 bytes (3 tries)")
    );
    assert_eq!(case.fetched().last().unwrap(), &from(A, 10, "\"1\""));
}

#[test]
fn download_resumes_at_next_location() {
    let mut case = case(&[(A, &[serve(10)]), (B, &[serve(999)])]);
    case.pin.locations.reverse();
    case.pin.locations.rotate_left(1);
    assert_eq!(
        case.fetched(),
        [A.to_owned(), from(A, 10, "\"1\""), from(B, 10, "-")]
    );
}

#[test]
fn partial_file_of_other_content_costs_one_try() {
    let other = Answer::Serve {
        content: &[1; 45],
        etag: "\"0\"",
        cut: 10,
    };
    let mut case = case(&[(A, &[other]), (B, &[serve(999), serve(999)])]);
    assert_eq!(
        case.fetched(),
        [
            A.to_owned(),
            from(A, 10, "\"0\""),
            from(B, 10, "-"),
            B.to_owned()
        ]
    );
}

#[test]
fn a_server_that_ignores_ranges_starts_over() {
    let mut case = case(&[(A, &[serve(10), Answer::Full(CONTENT)])]);
    assert_eq!(case.fetched(), [A.to_owned(), from(A, 10, "\"1\"")]);
}

#[test]
fn a_changed_file_starts_over() {
    let old = Answer::Serve {
        content: &[1; 45],
        etag: "\"0\"",
        cut: 10,
    };
    let mut case = case(&[(A, &[old, serve(999)])]);
    assert_eq!(case.fetched(), [A.to_owned(), from(A, 10, "\"0\"")]);
}

#[test]
fn wrong_range_restarts_the_download() {
    let mut case = case(&[(A, &[serve(10), Answer::OtherRange, serve(999)])]);
    assert_eq!(
        case.fetched(),
        [A.to_owned(), from(A, 10, "\"1\""), A.to_owned()]
    );
}

#[test]
fn status_416_drops_the_partial_file() {
    let mut case = case(&[(A, &[serve(10), Answer::Status(416, None), serve(999)])]);
    assert_eq!(
        case.fetched(),
        [A.to_owned(), from(A, 10, "\"1\""), A.to_owned()]
    );
}

#[test]
fn an_endless_body_is_cut() {
    let mut case = case(&[(A, &[Answer::Endless])]);
    assert!(case.refused().contains("more than the expected 45 bytes"));
    assert!(case.files("part").is_empty());
}

#[test]
fn very_slow_server_is_abandoned() {
    let clock = Arc::new(FakeClock::default());
    let slow = Answer::Drip(Arc::clone(&clock));
    let mut case = case(&[(A, &[slow]), (B, &[serve(999), serve(999)])]);
    case.remotes.clock = clock;
    case.fetched();
    let why = |event: &Event| matches!(event, Event::Failed { why, .. } if why == "too slow: 3 of 45 bytes");
    assert!(case.events.iter().any(why), "{:?}", case.events);
}

#[test]
fn wrong_length_is_refused_before_body() {
    let mut case = case(&[(A, &[Answer::Full(b"short")])]);
    assert!(case.refused().contains("has 5 bytes, expected 45"));
}

#[test]
fn status_403_and_404_skip_to_next_location() {
    for status in [404, 403, 410, 301] {
        let mut case = case(&[(A, &[Answer::Status(status, None)]), (B, &[serve(999)])]);
        assert_eq!(case.fetched(), [A, B]);
        assert_eq!(case.pauses(), Vec::<f64>::new());
    }
}

#[test]
fn transient_failures_are_retried_with_growing_pauses() {
    for answer in [
        Answer::Status(503, None),
        Answer::Status(408, None),
        Answer::Unreachable,
    ] {
        let mut case = case(&[(A, &[answer.clone(), answer, serve(999)])]);
        assert_eq!(case.fetched(), [A, A, A]);
        assert_eq!(case.pauses(), [0.75, 1.25]);
    }
}

#[test]
fn requested_retry_delay_is_respected_up_to_limit() {
    for (asked, pause) in [(7, 7.0), (3600, 60.0)] {
        let mut case = case(&[(A, &[Answer::Status(429, Some(asked)), serve(999)])]);
        assert_eq!(case.fetched(), [A, A]);
        assert_eq!(case.pauses(), [pause]);
        assert!((case.remotes.clock.now().as_secs_f64() - pause).abs() < 1e-6);
    }
}

#[test]
fn all_failures_are_listed() {
    let failing = Answer::Status(502, None);
    let mut case = case(&[(B, &[failing.clone(), failing.clone(), failing])]);
    case.remotes.mirrors = vec!["https://mirror.example/kiln/".into()];
    insta::assert_snapshot!(case.refused(), @"
    failed to download `file.tar` (sha256 6c4ab72c5e6ef2768593145f4ecc5bdeac22633e00fe981c7b0ab2e0ac4e7db6):
      https://a.example/file.tar: HTTP status 404
      https://b.example/file.tar: HTTP status 502 (3 tries)
      https://mirror.example/kiln/blobs/sha256/6c4ab72c5e6ef2768593145f4ecc5bdeac22633e00fe981c7b0ab2e0ac4e7db6: HTTP status 404
    ");
}

#[test]
fn debian_mirrors_precede_kiln_mirrors() {
    let mut case = case(&[]);
    case.pin = pin(&[Location::Debian("pool/main/f/file.tar".to_owned())]);
    case.remotes.debian_mirrors = vec![
        "http://one.example/debian/".into(),
        "http://two.example/debian".into(),
    ];
    case.remotes.mirrors = vec!["https://mirror.example".into()];
    case.refused();
    let blob = format!(
        "https://mirror.example/blobs/sha256/{}",
        Digest::of(CONTENT)
    );
    let one = "http://one.example/debian/pool/main/f/file.tar";
    let two = "http://two.example/debian/pool/main/f/file.tar";
    assert_eq!(case.server.requests(), [one, two, &blob]);
}

#[test]
fn snapshot_location_is_asked_by_sha1() {
    let mut case = case(&[]);
    let sha1 = "d2ad53065f74afc1280d795570d8cc7258f909e1";
    let location = Location::parse(&format!("debian-snapshot:{sha1}")).unwrap();
    case.pin = pin(&[location, Location::Url(A.to_owned())]);
    case.remotes.debian_snapshot = Some("https://snapshot.example/".into());
    case.refused();
    let snapshot = format!("https://snapshot.example/file/{sha1}");
    assert_eq!(case.server.requests(), [snapshot.as_str(), A]);
}

#[test]
fn hint_suggests_a_mirror_without_one() {
    let mut case = case(&[]);
    case.pin = pin(&[Location::Debian("pool/main/f/file.tar".to_owned())]);
    let error = case.fetch().unwrap_err();
    assert!(error.to_string().ends_with(": no location is configured"));
    assert!(error.hint().unwrap().contains("KILN_DEBIAN_MIRROR"));
}

#[test]
fn offline_lists_missing_files() {
    let mut case = case(&[(A, &[serve(999)])]);
    case.remotes.client = None;
    insta::assert_snapshot!(case.refused(), @"
    not in the store, and `--offline` is set:
      `file.tar` (45 bytes, sha256 6c4ab72c5e6ef2768593145f4ecc5bdeac22633e00fe981c7b0ab2e0ac4e7db6)
        https://a.example/file.tar
        https://b.example/file.tar
    ");
    assert!(
        case.fetch()
            .unwrap_err()
            .hint()
            .unwrap()
            .starts_with("with a network: cargo xtask fetch --sources")
    );
    assert_eq!(
        missing(&case.store, [&case.pin, &case.pin], &case.remotes).len(),
        1
    );
    assert_eq!(case.server.requests(), Vec::<String>::new());
}

#[test]
fn offline_reads_store_and_file_locations() {
    let mut case = case(&[]);
    case.remotes.client = None;
    let path = case.root.join("a b.tar");
    fs::write(&path, CONTENT).unwrap();
    let url = format!("file://{}", path.as_str().replace(' ', "%20"));
    case.pin = pin(&[Location::Url(A.to_owned()), Location::Url(url)]);
    case.fetched();
    fs::remove_file(path).unwrap();
    case.fetched();
    assert!(missing(&case.store, [&case.pin], &case.remotes).is_empty());
}

#[test]
fn a_corrupt_blob_is_quarantined_and_fetched_again() {
    let mut case = case(&[(A, &[serve(999), serve(999)])]);
    case.fetched();
    let blob = case.store.blob_path(&case.pin.sha256);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, [b'x'; 45]).unwrap();
    assert_eq!(case.fetched(), [A, A]);
    assert_eq!(case.files("quarantine"), [format!("{}.0", case.pin.sha256)]);
}

#[test]
fn concurrent_fetches_download_once() {
    let case = case(&[(A, &[serve(999), serve(999)])]);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let store = Store::open(&case.root).unwrap();
                let blob = fetch(&store, &case.pin, &case.remotes, &mut drop).unwrap();
                assert_eq!(fs::read(blob.path()).unwrap(), CONTENT);
            });
        }
    });
    assert_eq!(case.server.requests(), [A]);
}

#[test]
fn read_only_store_fetch_uses_existing_blobs() {
    let mut case = case(&[(A, &[serve(999)])]);
    let path = case.fetch().unwrap().path().to_owned();
    case.store = Store::read_only(&case.root).unwrap();
    assert_eq!(case.fetch().unwrap().path(), path);
    case.pin.sha256 = Digest::of(b"something else");
    let error = case.fetch().unwrap_err();
    assert!(error.to_string().contains("is read-only"), "{error}");
    assert!(error.hint().unwrap().contains("KILN_STORE"));
}
