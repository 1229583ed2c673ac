//! Publishes to a server with all kinds of failures, and checks what a reader then finds.

mod endpoint;

use std::io::{Cursor, Read};
use std::time::Duration;

use host::env::Aws;
use host::limits::Limits;
use net::Client;

use super::*;
use crate::check::{Known, walk};
use crate::fixture::{Fixture, unsigned};
use crate::perform::{self, PublishError};
use crate::release::Release;
use crate::sign::Keys;
use endpoint::{Asked, Endpoint, Fate};

fn bucket(endpoint: &Endpoint, tries: u32) -> Bucket {
    let limits = Limits {
        connect: Duration::from_millis(500),
        stall: Duration::from_millis(500),
        slowest: 1,
    };
    let aws = Aws {
        endpoint: Some(endpoint.address.clone()),
        key: Some("key".to_owned()),
        secret: Some("hidden".to_owned()),
        ..Aws::default()
    };
    let client = Client::with_limits(limits).unwrap();
    let pause = Duration::ZERO;
    let bucket = Bucket::open(client, "bucket", &aws).unwrap();
    bucket.with_retry(Retry { tries, pause })
}

fn publish(bucket: &mut Bucket, release: &Release) -> Result<(), PublishError> {
    perform::publish(bucket, release, &unsigned(&Keys::none()), &mut |_| {})
}

/// The objects as a reader sees them, without the server's failures.
struct StoredObjects<'a>(&'a Endpoint);

impl TreeReader for StoredObjects<'_> {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, ReadError> {
        let state = self.0.state.lock().unwrap();
        let object = state.objects.get(path);
        Ok(object.map(|object| Box::new(Cursor::new(object.bytes.clone())) as Box<dyn Read>))
    }

    fn folders(&self, folder: &str) -> Result<Option<Vec<String>>, ReadError> {
        let start = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let paths = self.0.paths();
        let below = paths.iter().filter_map(|path| path.strip_prefix(&start));
        let mut names: Vec<String> = below
            .filter_map(|path| path.split('/').next().map(str::to_owned))
            .collect();
        names.dedup();
        Ok(Some(names))
    }
}

/// The releases that a reader finds. The tree must have no findings.
fn sound(endpoint: &Endpoint, when: &str) -> Vec<String> {
    let keys = Keys::none();
    let known = Known {
        keys: &keys,
        now: 1_000_000_000,
        seen: 0,
    };
    let report = walk(&StoredObjects(endpoint), &known).unwrap();
    assert_eq!(report.findings, [], "{when}");
    report.releases
}

#[test]
fn second_publication_sends_only_the_index() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let endpoint = Endpoint::new(|_: &Asked<'_>| Fate::Done);
    publish(&mut bucket(&endpoint, 1), &release).unwrap();
    assert_eq!(sound(&endpoint, "published"), ["kiln-1"]);
    let sent = |asked: &[String]| -> usize {
        let size = |line: &String| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
        asked
            .iter()
            .filter(|line| !line.contains(" index."))
            .map(size)
            .sum()
    };
    let first = endpoint.requests("PUT");
    let mut contents: Vec<(Digest, u64)> = release
        .files
        .iter()
        .map(|file| (file.content.digest(), file.content.size()))
        .collect();
    contents.sort();
    contents.dedup();
    let whole: u64 = contents.iter().map(|(_, size)| size).sum();
    // In addition: `oci-layout`, which is not a file of the release.
    assert_eq!(
        sent(&first) as u64,
        whole + crate::index::LAYOUT.len() as u64
    );
    assert_eq!(endpoint.requests("GET").len(), 1, "only the index is read");

    publish(&mut bucket(&endpoint, 1), &release).unwrap();
    let second = endpoint.requests("PUT")[first.len()..].to_vec();
    let paths: Vec<&str> = second
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(paths, ["index.json", "index.html"]);
    assert_eq!(endpoint.requests("GET").len(), 2);
}

#[test]
fn request_is_retried_after_one_failure() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let slow = Fate::Says("503 Slow Down", "<Error><Code>SlowDown</Code></Error>");
    let late = Fate::Says(
        "400 Bad Request",
        "<Error><Code>RequestTimeout</Code></Error>",
    );
    let fates = [slow, late, Fate::Dropped, Fate::Unsaid, Fate::OtherTag];
    for fate in fates {
        let endpoint = Endpoint::new(move |asked: &Asked<'_>| match asked {
            Asked {
                method: "PUT",
                before: 0,
                ..
            } => fate,
            _ => Fate::Done,
        });
        publish(&mut bucket(&endpoint, 2), &release).unwrap();
        assert_eq!(sound(&endpoint, &format!("{fate:?}")), ["kiln-1"]);
    }
    // It takes the whole time limit to notice.
    let endpoint = Endpoint::new(|asked: &Asked<'_>| {
        let source = asked.path.ends_with("-source.tar") || asked.path == "index.json";
        match asked {
            Asked {
                method: "PUT",
                before: 0,
                ..
            } if source => Fate::Stalled,
            _ => Fate::Done,
        }
    });
    publish(&mut bucket(&endpoint, 2), &release).unwrap();
    assert_eq!(sound(&endpoint, "stalled"), ["kiln-1"]);
}

#[test]
fn failed_upload_leaves_no_binary_without_source() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let full = Fate::Says("500 Internal Server Error", "no space left");
    for fate in [full, Fate::Dropped] {
        for last in 0.. {
            let counted = std::sync::atomic::AtomicUsize::new(0);
            let endpoint = Endpoint::new(move |asked: &Asked<'_>| {
                let write = asked.method == "PUT";
                let at =
                    counted.fetch_add(usize::from(write), std::sync::atomic::Ordering::Relaxed);
                if write && at >= last {
                    fate
                } else {
                    Fate::Done
                }
            });
            let done = publish(&mut bucket(&endpoint, 2), &release);
            if done.is_ok() {
                assert!(last > 20, "failed at {last} places only");
                break;
            }
            let releases = sound(&endpoint, &format!("{fate:?} from upload {last} on"));
            assert!(releases.is_empty() || last > 20, "{last}: {releases:?}");
        }
    }
}

#[test]
fn server_refusal_carries_a_hint() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let check = |status: &'static str, why: &str, mends: &str| {
        let endpoint = Endpoint::new(move |asked: &Asked<'_>| {
            if asked.method == "PUT" {
                Fate::Says(status, "the server's words")
            } else {
                Fate::Done
            }
        });
        let error = publish(&mut bucket(&endpoint, 2), &release).unwrap_err();
        let (text, hint) = (error.to_string(), error.hint().unwrap_or_default());
        assert!(
            text.contains(why) && text.contains("the server's words"),
            "{text}"
        );
        assert!(hint.contains(mends) && !text.contains("hidden"), "{hint}");
        assert_eq!(endpoint.paths(), Vec::<String>::new());
    };
    check("401 Unauthorized", "status 401", "AWS_SECRET_ACCESS_KEY");
    check("403 Forbidden", "status 403", "AWS_SECRET_ACCESS_KEY");
    check("404 Not Found", "status 404", "make the bucket");
    check("413 Too Large", "status 413", "limits the size");
    check("507 Full", "status 507", "free disk space");
}

#[test]
fn bytes_lost_by_server_are_noticed() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let bundle = release
        .files
        .iter()
        .find(|file| file.path.ends_with("-source.tar"));
    let bad = blob_path(&bundle.unwrap().content.digest());
    let path = bad.clone();
    let endpoint = Endpoint::new(move |asked: &Asked<'_>| {
        if asked.method == "PUT" && asked.path == bad {
            Fate::Garbled
        } else {
            Fate::Done
        }
    });
    let error = publish(&mut bucket(&endpoint, 2), &release).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("stored different bytes of `{path}`")),
        "{error}"
    );
    assert!(!endpoint.paths().contains(&path));
    assert_eq!(sound(&endpoint, "lost"), Vec::<String>::new());
}

#[test]
fn copyless_bucket_gets_the_bytes_again() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let refuses = Fate::Says("501 Not Implemented", "");
    // S3 may send this error after it has started the answer.
    let changes_its_mind = Fate::Says("200 OK", "<Error><Code>InternalError</Code></Error>");
    for fate in [refuses, changes_its_mind] {
        let endpoint =
            Endpoint::new(move |asked: &Asked<'_>| if asked.copies { fate } else { Fate::Done });
        publish(&mut bucket(&endpoint, 1), &release).unwrap();
        assert_eq!(sound(&endpoint, &format!("{fate:?}")), ["kiln-1"]);
    }
}

#[test]
fn foreign_object_is_read_and_compared() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let endpoint = Endpoint::new(|_: &Asked<'_>| Fate::Done);
    let path = "sources/a.tar";
    let put = |bytes: &[u8]| {
        let mut state = endpoint.state.lock().unwrap();
        state
            .objects
            .insert(path.to_owned(), endpoint::Object::plain(bytes));
    };
    put(b"source");
    publish(&mut bucket(&endpoint, 1), &release).unwrap();
    assert!(
        !endpoint
            .requests("PUT")
            .iter()
            .any(|line| line.contains(path))
    );
    put(b"soUrce");
    let error = publish(&mut bucket(&endpoint, 1), &release).unwrap_err();
    assert!(
        matches!(&error, PublishError::Tree(TreeError::Differs { path: its, .. }) if its == path)
    );
}

#[test]
fn a_bucket_without_a_name_is_refused() {
    let client = Client::with_limits(Limits::default()).unwrap();
    let error = Bucket::open(client, "/prefix", &Aws::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`s3:///prefix` is not a bucket: it has no name"
    );
}

#[test]
fn signed_address_is_never_printed() {
    let unreachable = Endpoint {
        address: "http://127.0.0.1:1".to_owned(),
        state: std::sync::Arc::default(),
    };
    let bucket = bucket(&unreachable, 1);
    let Err(error) = bucket.open("index.json") else {
        panic!("nobody listens there");
    };
    let text = error.to_string();
    assert!(
        text.contains("s3://bucket/index.json") && !text.contains("X-Amz"),
        "{text}"
    );
    let text = bucket.head("index.json").unwrap_err().to_string();
    assert!(
        text.contains("s3://bucket/index.json") && !text.contains("X-Amz"),
        "{text}"
    );
}
