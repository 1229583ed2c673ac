//! Tests what `fetch` downloads and prints, and that later commands need nothing more.

use std::process::Command;

use faults::{Answer, Server};
use plan::digest::Digest;

use harness::small::{ARCH, SmallRepo, Source, bytes};

/// A source archive with one file.
fn archive() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("top")).unwrap();
    std::fs::write(dir.path().join("top/part"), "a kernel\n").unwrap();
    let packed = dir.path().join("a.tar.gz");
    let mut tar = Command::new("tar");
    tar.arg("-czf")
        .arg(&packed)
        .arg("-C")
        .arg(dir.path())
        .arg("top");
    assert!(tar.status().unwrap().success());
    std::fs::read(packed).unwrap()
}

/// Serves these files by the suffix of their path, and nothing else.
fn serve(files: Vec<(String, Vec<u8>)>) -> Server {
    Server::start(move |request| {
        let found = files
            .iter()
            .find(|(name, _)| request.target.ends_with(name));
        let answer = found.map(|(_, bytes)| Answer::status("200 OK").bytes(bytes.clone()));
        answer.unwrap_or_else(|| Answer::status("404 Not Found"))
    })
}

fn source(server: &Server, file: &str, bytes: Vec<u8>) -> Source {
    Source {
        file: file.to_owned(),
        bytes,
        locations: vec![format!("{}/{file}", server.base())],
    }
}

/// An image in the lock that a mirror has, and its source.
fn mirrored() -> (SmallRepo, Server, Vec<u8>) {
    let (kernel, packed) = (bytes(1, 40_000), archive());
    let blob = (
        format!("blobs/sha256/{}", Digest::of(&kernel)),
        kernel.clone(),
    );
    let server = serve(vec![blob, ("a.tar.gz".to_owned(), packed.clone())]);
    let repo = SmallRepo::new(&[source(&server, "a.tar.gz", packed)]);
    repo.lock(&[("kernel", &kernel)]);
    (repo, server, kernel)
}

#[test]
fn fetched_images_work_without_network() {
    let (repo, server, kernel) = mirrored();
    let mirror = format!("--mirror={}", server.base());
    let output = repo.run("store", &["fetch", &mirror]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let store = repo.path().join("store");
    let expect = format!("the image of {ARCH} is in {}\n", store.display());
    assert_eq!(output.stdout, expect);
    // Fetches only the image, not its source.
    assert_eq!(server.requests().len(), 1, "{:?}", server.requests());
    drop(server);
    let output = repo.run("store", &["images", "--offline", "--message-format=json"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let path = output.lines("image")[0]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(std::fs::read(path + "/kernel").unwrap(), kernel);
}

#[test]
fn fetched_sources_build_without_network() {
    for (lock, args) in [
        // No mirror has the image, so its sources are fetched too.
        (false, &["fetch"][..]),
        (true, &["fetch", "--sources"][..]),
        (true, &["fetch", "--from-source"][..]),
    ] {
        let packed = archive();
        let server = serve(vec![("a.tar.gz".to_owned(), packed.clone())]);
        let repo = SmallRepo::new(&[source(&server, "a.tar.gz", packed)]);
        if lock {
            // The result of the build.
            repo.lock(&[("kernel", b"a kernel\n")]);
        }
        let output = repo.run("store", args);
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(output.stdout.starts_with("1 source ("), "{}", output.stdout);
        let note = format!("the image of {ARCH} will be built from source");
        assert!(output.stderr.contains(&note), "{}", output.stderr);
        drop(server);
        let args = [
            "images",
            "--from-source",
            "--offline",
            "--message-format=json",
        ];
        let output = repo.run("store", &args);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let path = output.lines("image")[0]["path"]
            .as_str()
            .unwrap()
            .to_owned();
        let kernel = std::fs::read_to_string(path + "/kernel").unwrap();
        assert_eq!(kernel, "a kernel\n");
    }
}

#[test]
fn snapshot_location_replaces_missing_pool_file() {
    let (right, wrong) = (bytes(2, 30_000), bytes(3, 30_000));
    let sha1 = "d2ad53065f74afc1280d795570d8cc7258f909e1";
    for (served, code) in [(&right, 0), (&wrong, 102)] {
        let server = serve(vec![(format!("/snapshot/file/{sha1}"), served.clone())]);
        let repo = SmallRepo::new(&[Source {
            file: "a.tar".to_owned(),
            bytes: right.clone(),
            locations: vec![
                "debian:pool/main/a/a/a.tar".to_owned(),
                format!("debian-snapshot:{sha1}"),
            ],
        }]);
        let mirror = format!("--debian-mirror={}", server.base());
        let snapshot = format!("--debian-snapshot={}/snapshot/", server.base());
        let output = repo.run("store", &["fetch", "--sources", &mirror, &snapshot]);
        assert_eq!(output.code, code, "{}", output.stderr);
        assert_eq!(repo.blob("store", &right).is_some(), code == 0);
        let asked: Vec<_> = server
            .requests()
            .into_iter()
            .map(|one| one.target)
            .collect();
        let file = format!("/snapshot/file/{sha1}");
        assert_eq!(asked, ["/pool/main/a/a/a.tar", &file]);
    }
}

#[test]
fn fetch_continues_after_failure_and_lists_all() {
    let right = bytes(2, 30_000);
    let wrong = bytes(3, 100);
    let files = [("right.tar", right.clone()), ("wrong.tar", wrong)];
    let server = serve(files.map(|(name, bytes)| (name.to_owned(), bytes)).into());
    let source = |file: &str, bytes: &[u8]| source(&server, file, bytes.to_vec());
    let repo = SmallRepo::new(&[
        source("absent.tar", &bytes(1, 50_000)),
        source("wrong.tar", &bytes(4, 100)),
        source("right.tar", &right),
    ]);
    let output = repo.run("store", &["fetch", "--sources"]);
    assert_eq!(output.code, 102);
    let tail = output.stderr.split_once("error: ").unwrap().1;
    let tail = tail.replace(&server.host(), "HOST");
    insta::assert_snapshot!(tail, @"
    failed to download 2 of 3 files:
      failed to download `absent.tar` (sha256 8acccdea1078f9de10cfc6c935f8864c410639aa899a0f78d62dcbaa95f8b3d9):
        http://HOST/absent.tar: HTTP status 404
      failed to download `wrong.tar` (sha256 078f7651a5543d51f59bcb8a6888a28fab0bca2901b46f3b052e44e7b0bfedaa):
        http://HOST/wrong.tar: digest mismatch: expected sha256 078f7651a5543d51f59bcb8a6888a28fab0bca2901b46f3b052e44e7b0bfedaa, found 882fc3279babd810be288df70a11f72b529bc534e4d5d654e3dcf90f8a036f24
    help: set a mirror with --mirror or KILN_MIRROR; an unfinished download is resumed
    ");
    assert_eq!(repo.blob("store", &right), Some(right.clone()));
    assert!(
        output.stdout.starts_with("1 source (30.0 kB) is in "),
        "{}",
        output.stdout
    );

    // The second run requests only what is missing.
    let before = server.requests().len();
    repo.run("store", &["fetch", "--sources"]);
    let again = &server.requests()[before..];
    assert!(
        again.iter().all(|one| one.target != "/right.tar"),
        "{again:?}"
    );
    assert_eq!(again.len(), 2);
}

#[test]
fn corrupt_blob_is_fetched_again() {
    let right = bytes(2, 30_000);
    let server = serve(vec![("right.tar".to_owned(), right.clone())]);
    let repo = SmallRepo::new(&[source(&server, "right.tar", right.clone())]);
    assert_eq!(repo.run("store", &["fetch"]).code, 0);
    let digest = Digest::of(&right).to_string();
    let blob = repo.path().join("store/v1/blobs/sha256").join(digest);
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, bytes(9, 30_000)).unwrap();
    let output = repo.run("store", &["fetch", "--sources"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(repo.blob("store", &right), Some(right));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn offline_lists_all_missing_files_with_command() {
    let (repo, server, kernel) = mirrored();
    let mirror = format!("--mirror={}", server.base());
    let output = repo.run("store", &["fetch", "--sources", "--offline", &mirror]);
    assert_eq!(output.code, 102);
    let kernel = format!("`{ARCH}/kernel` ({} bytes", kernel.len());
    let command = "help: with a network: cargo xtask fetch --sources";
    output.stderr_has([kernel.as_str(), "`a.tar.gz` (", command]);
    assert_eq!(server.requests(), []);
}
