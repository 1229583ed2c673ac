//! Tests with trees that a faulty server or a user damaged.

use std::io::{self, Cursor, Read};

use camino::Utf8PathBuf;

use super::*;
use crate::fixture::{Fixture, unsigned};
use crate::perform::{PublishError, publish};
use crate::schema::SchemaError;
use crate::sign::Signer;
use crate::tree_reader::Directory;

/// A tree of which the server sends one file wrongly.
struct Spoilt<'a> {
    tree: Directory,
    path: String,
    how: &'a dyn Fn(Vec<u8>) -> Box<dyn Read>,
}

impl TreeReader for Spoilt<'_> {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, ReadError> {
        if path != self.path {
            return self.tree.open(path);
        }
        let text = self.tree.text(path)?.unwrap_or_default();
        Ok(Some((self.how)(text)))
    }

    fn folders(&self, folder: &str) -> Result<Option<Vec<String>>, ReadError> {
        self.tree.folders(folder)
    }
}

/// A server that aborts a transfer.
struct Breaks;

impl Read for Breaks {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("connection reset"))
    }
}

fn walked(place: &dyn TreeReader, keys: &Keys) -> Vec<Finding> {
    let (now, seen) = (1_000_000_000, 0);
    walk(place, &Known { keys, now, seen }).unwrap().findings
}

fn published() -> (Fixture, Directory) {
    let fixture = Fixture::new();
    let mut tree = fixture.tree();
    let release = fixture.release("1", "one");
    publish(&mut tree, &release, &unsigned(&Keys::none()), &mut |_| {}).unwrap();
    (fixture, tree)
}

fn replaced(text: Vec<u8>, from: &str, to: &str) -> Box<dyn Read> {
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(from), "{text}");
    Box::new(Cursor::new(text.replace(from, to).into_bytes()))
}

#[test]
fn malformed_published_file_is_reported() {
    let (_fixture, tree) = published();
    let check = |path: &str, how: &dyn Fn(Vec<u8>) -> Box<dyn Read>, defect: &str| {
        let (tree, path) = (tree.clone(), path.to_owned());
        let place = Spoilt { tree, path, how };
        let findings = walked(&place, &Keys::none());
        let reported = findings.iter().filter(|one| one.path == place.path);
        let reported: Vec<String> = reported.map(|one| one.defect.to_string()).collect();
        assert!(
            reported.iter().any(|one| one == defect),
            "{defect}: {findings:?}"
        );
    };
    let cut = |text: Vec<u8>| -> Box<dyn Read> {
        let half = text.len() / 2;
        Box::new(Cursor::new(text[..half].to_vec()))
    };
    let endless =
        |text: Vec<u8>| -> Box<dyn Read> { Box::new(Cursor::new(text).chain(io::repeat(0))) };
    let breaks = |_: Vec<u8>| -> Box<dyn Read> { Box::new(Breaks) };
    let unreadable = "is malformed";
    let cap = "is longer than 16777216 bytes";
    let broken = "failed to download: connection reset";

    check(INDEX, &cut, unreadable);
    check(INDEX, &endless, cap);
    check(INDEX, &breaks, broken);
    let later = |text| replaced(text, "\"kiln.schema\": \"1\"", "\"kiln.schema\": \"9\"");
    check(INDEX, &later, "has schema 9, expected at most 1");
    let other = |text| replaced(text, "\"schemaVersion\": 2", "\"schemaVersion\": 3");
    check(INDEX, &other, "has schema 3, expected at most 2");

    let manifest = "kiln-1/riscv/manifest.json";
    let later = |text| replaced(text, "\"schema\": 1", "\"schema\": 2");
    check(manifest, &later, "has schema 2, expected at most 1");
    check(manifest, &cut, unreadable);

    let kernel = "kiln-1/riscv/kernel";
    check(kernel, &cut, "has 1 bytes, expected 3");
    check(kernel, &endless, "is longer than 3 bytes");
    check(kernel, &breaks, broken);
    let blob = blob_path(&Digest::of(b"one"));
    check(&blob, &endless, "is longer than 3 bytes");
    let source = "is longer than 6 bytes";
    check("sources/a.tar", &endless, source);
    let bundle = "kiln-1/kiln-1-source.tar";
    check(bundle, &breaks, broken);
    check("kiln-1/kiln-1.meta4", &endless, cap);
    check("kiln-1/SHA256SUMS", &cut, unreadable);
}

#[test]
fn one_missing_file_hides_no_other_error() {
    let (_fixture, tree) = published();
    fs_err::remove_file(tree.0.join("kiln-1/README")).unwrap();
    let place = Spoilt {
        tree,
        path: "kiln-1/BUILD.md".to_owned(),
        how: &|_| Box::new(Breaks),
    };
    let findings = walked(&place, &Keys::none());
    let paths: Vec<&str> = findings.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["kiln-1/BUILD.md", "kiln-1/README"]);
}

#[test]
fn swapped_blobs_are_both_reported() {
    let fixture = Fixture::new();
    // As long as the source, so that the length does not differ.
    let release = fixture.release("1", "kernel");
    let keys = Keys::none();
    publish(&mut fixture.tree(), &release, &unsigned(&keys), &mut |_| {}).unwrap();
    let blobs = ["source", "kernel"].map(|text| blob_path(&Digest::of(text.as_bytes())));
    let put = |path: &str, text: &str| {
        let path = fixture.path("tree").join(path);
        // Another name of the same file is not affected.
        fs_err::remove_file(&path).unwrap();
        fs_err::write(path, text).unwrap();
    };
    put(&blobs[0], "kernel");
    put(&blobs[1], "source");
    let findings = walked(&fixture.tree(), &keys).into_iter();
    let differs = findings.filter(|one| matches!(one.defect, Defect::Differs { .. }));
    let mut paths: Vec<String> = differs.map(|one| one.path).collect();
    paths.sort();
    let mut swapped = blobs.to_vec();
    swapped.sort();
    assert_eq!(paths, swapped);
}

#[test]
fn unreferenced_files_are_reported() {
    let (_fixture, tree) = published();
    let put = |path: &str, text: &str| {
        let path = tree.0.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    let left = blob_path(&Digest::of(b"left"));
    let other = blob_path(&Digest::of(b"other"));
    put("kiln-1/riscv/extra", "");
    put(&left, "left");
    put(&other, "not that");
    put("sources/.kiln-x", "");
    put("robots.txt", "");
    // A publication in progress is reported as such.
    put("kiln-2/README", "");
    let keys = Keys::none();
    let known = Known {
        keys: &keys,
        now: 0,
        seen: 0,
    };
    let report = walk(&tree, &known).unwrap();
    let paths: Vec<&str> = report
        .findings
        .iter()
        .map(|one| one.path.as_str())
        .collect();
    assert_eq!(paths, [other.as_str(), "kiln-1/riscv/extra"]);
    assert_eq!(
        report.strays,
        [left.as_str(), "robots.txt", "sources/.kiln-x"]
    );
    assert_eq!(report.unfinished, ["kiln-2"]);
}

#[test]
fn untrusted_signature_counts_for_nothing() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let key = |name: &str| {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        fs_err::write(fixture.path(name), text).unwrap();
        let text = format!("keys = [\"{}\"]\nthreshold = 1\n", pair.pk.to_base64());
        (
            Keys::parse(&text).unwrap(),
            Signer::read(&fixture.path(name), &[], false).unwrap(),
        )
    };
    let (theirs, signer) = key("theirs");
    let (ours, _) = key("ours");
    let authority = crate::perform::Authority {
        keys: &theirs,
        signers: &[signer],
        now: 1_000_000_000,
    };
    publish(&mut fixture.tree(), &release, &authority, &mut |_| {}).unwrap();
    assert_eq!(walked(&fixture.tree(), &theirs), []);
    // Not even under the name of a trusted signature.
    let names = fixture.tree().files().unwrap().unwrap();
    for name in names.iter().filter(|name| name.ends_with(".minisig")) {
        let id = theirs.ids().next().unwrap();
        let renamed = name.replace(&id, &ours.ids().next().unwrap());
        if renamed != *name {
            let at = |name: &str| fixture.path("tree").join(name);
            fs_err::copy(at(name), at(&renamed)).unwrap();
        }
    }
    let findings = walked(&fixture.tree(), &ours);
    let few = Defect::Signatures {
        count: 0,
        wanted: 1,
    };
    let few: Vec<&str> = findings
        .iter()
        .filter(|one| one.defect == few)
        .map(|one| one.path.as_str())
        .collect();
    assert_eq!(few, ["index.json", "kiln-1/SHA256SUMS"], "{findings:?}");
}

#[test]
fn old_publisher_leaves_newer_tree_alone() {
    let (fixture, tree) = published();
    let index = tree.0.join(INDEX);
    let text = fs_err::read_to_string(&index).unwrap();
    let later = text.replace("\"kiln.schema\": \"1\"", "\"kiln.schema\": \"2\"");
    fs_err::write(&index, &later).unwrap();
    let release = fixture.release("2", "two");
    let keys = Keys::none();
    let error = publish(&mut fixture.tree(), &release, &unsigned(&keys), &mut |_| {}).unwrap_err();
    let future = SchemaError::Future { is: 2, known: 1 };
    assert!(
        matches!(&error, PublishError::Schema { error, .. } if *error == future),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "`index.json` of the release has schema 2, expected at most 1"
    );
    assert!(error.hint().unwrap().starts_with("git pull"));
    assert_eq!(fs_err::read_to_string(&index).unwrap(), later);
    assert!(!tree.0.join("kiln-2").exists());
}

/// Signed trees from the first publication of each schema. They never change and every version must
/// read them.
#[test]
fn every_published_schema_can_be_read() {
    let published = Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/published"));
    let trees = Directory(published.clone()).folders("").unwrap().unwrap();
    assert_eq!(trees, ["v1"], "each schema has its tree");
    for name in trees {
        let tree = Directory(published.join(&name).join("tree"));
        let keys = fs_err::read_to_string(published.join(&name).join("keys.toml")).unwrap();
        let keys = Keys::parse(&keys).unwrap();
        let known = Known {
            keys: &keys,
            now: 1_000_000_000,
            seen: 1,
        };
        let report = walk(&tree, &known).unwrap();
        assert_eq!(
            (&report.findings[..], report.strays.len()),
            (&[][..], 0),
            "{name}"
        );
        assert_eq!(
            (report.releases, report.serial),
            (vec!["kiln-1".to_owned()], 1)
        );
    }
}
