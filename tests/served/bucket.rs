//! A release in a bucket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use harness::checkout::{ARCH, Checkout};
use harness::parts;
use libtest_mimic::Completion;

use crate::server::Server;

/// Every file below a folder and its modification time.
fn files(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let written = path.metadata().unwrap().modified().unwrap();
            found.insert(path, written);
        }
    }
    found
}

pub(crate) fn a_bucket_is_filled_once_walked_and_emptied(checkout: &Checkout) -> Completion {
    let dir = tempfile::tempdir().unwrap();
    let bucket = dir.path().join("bucket");
    std::fs::create_dir(&bucket).unwrap();
    let server = Server::s3(dir.path());
    let xtask = |secret: &str, words: &[&str]| {
        let mut command = checkout.command("store");
        command.env("AWS_ENDPOINT_URL", format!("http://{}", server.address));
        command
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", secret);
        parts(command.args(words).output().unwrap())
    };
    let words = [
        "publish",
        "--arch",
        ARCH,
        "--version=7",
        "--to",
        "s3://bucket/a/tree",
    ];
    let (code, _, err) = xtask("wrong", &words);
    assert!(code == 102 && err.contains("status 403"), "{err}");
    assert!(
        err.contains("AWS_SECRET_ACCESS_KEY") && !err.contains("X-Amz"),
        "{err}"
    );
    assert!(files(&bucket).is_empty());
    let (code, out, err) = xtask("hidden", &words);
    assert_eq!(code, 0, "{out}{err}");
    let tree = bucket.join("a/tree");
    let (code, out, err) = xtask("hidden", &["mirror-check", "s3://bucket/a/tree"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, again, err) = xtask("hidden", &["mirror-check", tree.to_str().unwrap()]);
    assert_eq!(out, again);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("index 1: kiln-7;"), "{out}");

    let first = files(&bucket);
    let (code, _, err) = xtask("hidden", &words);
    assert_eq!(code, 0, "{err}");
    let second = files(&bucket);
    let written: Vec<&PathBuf> = second
        .iter()
        .filter(|(path, when)| first.get(*path) != Some(when))
        .map(|(path, _)| path)
        .collect();
    let page = tree.join("index.html");
    assert_eq!(written, [&page, &tree.join("index.json")]);

    let other = ["unpublish", "kiln-7", "--from", "s3://bucket/a/tree"];
    let (code, _, err) = xtask("hidden", &other);
    assert_eq!(code, 0, "{err}");
    let left: Vec<PathBuf> = files(&bucket).into_keys().collect();
    let expected = ["index.html", "index.json", "oci-layout"].map(|name| tree.join(name));
    assert_eq!(left, expected);
    Completion::Completed
}
