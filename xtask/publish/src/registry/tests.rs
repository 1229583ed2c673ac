//! A scripted registry that records its requests.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use host::env::RegistryLogin;
use host::limits::Limits;
use net::Client;
use plan::digest::Digest;

use super::Registry;
use crate::index::{Descriptor, MANIFEST};
use crate::release::{Content, Phase, PublishedFile, Release, blob_path};
use crate::tree::TreeError;

/// Serves requests, one per connection, until one for `last`. Returns `METHOD path` of each.
fn serve(
    last: &'static str,
    answer: impl Fn(&str) -> &'static str + Send + 'static,
) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        let mut asked = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(text) = line.strip_prefix("content-length: ") {
                    length = text.parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let request = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
            let text = answer(&request);
            let head = format!("HTTP/1.1 {text}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let done = request.contains(last);
            asked.push(request);
            if done {
                break;
            }
        }
        asked
    });
    (address, served)
}

/// A release with one blob and one manifest.
fn release() -> Release {
    let file = |text: &str| PublishedFile {
        path: blob_path(&Digest::of(text.as_bytes())),
        content: Content::Bytes(text.as_bytes().to_vec()),
        phase: Phase::Blobs,
    };
    Release {
        name: "kiln-1".to_owned(),
        files: vec![file("blob"), file("manifest")],
        descriptors: vec![Descriptor::new(MANIFEST, Digest::of(b"manifest"), 8)],
    }
}

fn push(address: &str) -> Result<String, TreeError> {
    let client = Client::with_limits(Limits::default()).unwrap();
    let registry = Registry::open(
        client,
        &format!("{address}/a/b:tag"),
        &RegistryLogin::default(),
    );
    let registry = registry.unwrap();
    registry.push(&release(), &mut |_| {})
}

#[test]
fn blobs_are_sent_first_and_tag_last() {
    let (address, served) = serve("PUT /v2/a/b/manifests/tag", |request| match request {
        get if get.starts_with("GET") => "404 Not Found",
        head if head.starts_with("HEAD") => "404 Not Found",
        post if post.starts_with("POST") => "202 Accepted\r\nlocation: /upload?x=1",
        _ => "201 Created",
    });
    push(&address).unwrap();
    let (blob, manifest) = (Digest::of(b"blob"), Digest::of(b"manifest"));
    assert_eq!(
        served.join().unwrap(),
        [
            "GET /v2/a/b/manifests/tag".to_owned(),
            format!("HEAD /v2/a/b/blobs/sha256:{blob}"),
            "POST /v2/a/b/blobs/uploads/".to_owned(),
            format!("PUT /upload?x=1&digest=sha256:{blob}"),
            format!("PUT /v2/a/b/manifests/sha256:{manifest}"),
            "PUT /v2/a/b/manifests/tag".to_owned(),
        ]
    );
}

#[test]
fn tag_of_another_release_is_refused() {
    let (address, served) = serve("manifests", |_| "200 OK");
    let error = push(&address).unwrap_err();
    assert!(
        matches!(&error, TreeError::Differs { path, is, .. }
            if path == "manifests/tag" && *is == Digest::of(b"")),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("another tag"));
    assert_eq!(served.join().unwrap(), ["GET /v2/a/b/manifests/tag"]);
}

#[test]
fn refusing_registry_leaves_nothing_tagged() {
    let (address, served) = serve("uploads", |request| match request {
        head if head.starts_with("HEAD") => "404 Not Found",
        _ => "403 Forbidden",
    });
    let error = push(&address).unwrap_err();
    assert!(
        matches!(error, TreeError::Refused { status: 403, .. }),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("credentials"));
    assert!(
        !served
            .join()
            .unwrap()
            .iter()
            .any(|asked| asked.starts_with("PUT"))
    );
}

#[test]
fn malformed_registry_is_refused() {
    let open = |place: &str| {
        let client = Client::with_limits(Limits::default()).unwrap();
        Registry::open(client, place, &RegistryLogin::default())
    };
    for place in [
        "registry",
        "/name",
        "registry/",
        "registry/Name",
        "r/a:",
        "r/a:1+2",
    ] {
        let error = open(place).unwrap_err().to_string();
        assert!(
            error.contains("expected `oci://registry/name:tag`"),
            "{place}: {error}"
        );
    }
}
