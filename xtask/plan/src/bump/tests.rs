//! Tests derived names, and that a changed recipe keeps everything else.

use super::*;
use crate::source::SourcePin;

const OLD: &str = "d2ad53065f74afc1280d795570d8cc7258f909e1";
const NEW: &str = "72323f8cf07aa5d338aff92ef42eea622569ed2c";

fn source(file: &str, inner: Option<&str>, locations: &[&str]) -> Source {
    Source {
        name: "a".to_owned(),
        pin: SourcePin {
            file: file.to_owned(),
            size: 1,
            sha256: Digest::of(b"old"),
            locations: locations
                .iter()
                .filter_map(|text| Location::parse(text))
                .collect(),
        },
        inner: inner.map(str::to_owned),
        strip: 1,
        patches: Vec::new(),
    }
}

#[test]
fn version_is_replaced_except_in_longer_numbers() {
    for (text, from, to, expect) in [
        (
            "linux_6.12.95.orig.tar.xz",
            "6.12.95",
            "6.12.96",
            Some("linux_6.12.96.orig.tar.xz"),
        ),
        (
            "m-4.2.2/m-4.2.2.tar",
            "4.2.2",
            "4.3",
            Some("m-4.3/m-4.3.tar"),
        ),
        (
            "gmp_6.3.0+dfsg.orig.tar.xz",
            "6.3.0",
            "6.4",
            Some("gmp_6.4+dfsg.orig.tar.xz"),
        ),
        (
            "gcc-14/gcc-14_14.2.0.tar",
            "14.2.0",
            "14.3.0",
            Some("gcc-14/gcc-14_14.3.0.tar"),
        ),
        ("a-2.44.tar", "2.4", "2.5", None),
        ("a-12.4.tar", "2.4", "2.5", None),
        ("a-1.2.4.tar", "2.4", "2.5", None),
        ("a-2.4.1.tar", "2.4", "2.5", None),
        ("a.tar", "2.4", "2.5", None),
        ("a.tar", "", "2.5", None),
    ] {
        let expect = expect.map(str::to_owned);
        assert_eq!(replace_version(text, from, to), expect, "{text}");
    }
}

#[test]
fn snapshot_location_depends_on_downloaded_bytes() {
    let snapshot = format!("debian-snapshot:{OLD}");
    let locations = [
        "debian:pool/a/a_1.0.tar",
        "https://a.example/1.0/a.tar",
        &snapshot,
    ];
    let found = candidate(
        &source("a_1.0.tar", Some("a-1.0.txz"), &locations),
        "1.0",
        "1.1",
    );
    let found = found.unwrap();
    assert_eq!(
        (found.file.as_str(), found.inner.as_deref()),
        ("a_1.1.tar", Some("a-1.1.txz"))
    );
    let texts = found
        .locations
        .iter()
        .map(|location| location.as_ref().map(ToString::to_string));
    let texts: Vec<_> = texts.collect();
    let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
    let moved = [
        Some("debian:pool/a/a_1.1.tar"),
        Some("https://a.example/1.1/a.tar"),
        None,
    ];
    assert_eq!(texts, moved);
    let renamed = found.with_file("a_1.1+dfsg.tar");
    let pool = Location::parse("debian:pool/a/a_1.1+dfsg.tar");
    assert_eq!(
        (renamed.file.as_str(), &renamed.locations[0]),
        ("a_1.1+dfsg.tar", &pool)
    );
    assert_eq!(renamed.locations[1..], found.locations[1..]);
}

#[test]
fn name_without_version_is_reported() {
    let error = candidate(&source("a.tar", None, &[]), "1.0", "1.1").unwrap_err();
    let expect = "failed to derive the new name of `a.tar`: it does not contain the version 1.0";
    assert_eq!(error.to_string(), expect);
}

#[test]
fn a_repacked_file_is_found_in_a_listing() {
    let listing = r#"<a href="../">..</a> <a href="g_6.4.0%2bdfsg.orig.tar.xz">g</a>
        <a href="g_6.4.0%2bdfsg.orig.tar.xz.asc">g</a> <a href="g_6.4.01.orig.tar.xz">g</a>
        <a href="g_6.4.0.1.orig.tar.xz">g</a> <a href="g_6.4.0%2bdfsg-1.debian.tar.xz">g</a>"#;
    let found = alternatives(listing, "g_6.4.0.orig.tar.xz", "6.4.0");
    assert_eq!(found, ["g_6.4.0+dfsg.orig.tar.xz"]);
    assert!(alternatives("", "g_6.4.0.orig.tar.xz", "6.4.0").is_empty());
    assert!(alternatives(listing, "g.orig.tar.xz", "6.4.0").is_empty());
}

#[test]
fn comments_and_layout_of_recipe_are_kept() {
    let text = format!(
        r#"# The first line.
name = "a"
version = "1.0" # as Debian has it

[env]
A = "1.0"

# A repack.
[[source]]
name = "a"
file = "a_1.0.tar" # its file
size = 1
sha256 = "{old}"
inner = {{ file = "a-1.0.txz" }}
locations = [
  # the pool
  "debian:pool/a/a_1.0.tar",
  "debian-snapshot:{OLD}", # forever
]
patches = ["patches/a.patch"]
"#,
        old = Digest::of(b"old")
    );
    let found = Candidate {
        file: "a_1.1.tar".to_owned(),
        inner: Some("a-1.1.txz".to_owned()),
        locations: vec![Location::parse("debian:pool/a/a_1.1.tar"), None],
    };
    let new = NewSource {
        name: "a".to_owned(),
        found,
        size: 20,
        sha256: Digest::of(b"new"),
        sha1: NEW.parse().unwrap(),
    };
    let rewritten = rewrite(&text, "1.1", std::slice::from_ref(&new)).unwrap();
    let expect = text
        .replace("version = \"1.0\"", "version = \"1.1\"")
        .replace("_1.0", "_1.1")
        .replace("a-1.0", "a-1.1")
        .replace("size = 1\n", "size = 20\n")
        .replace(
            &Digest::of(b"old").to_string(),
            &Digest::of(b"new").to_string(),
        )
        .replace(OLD, NEW);
    assert_eq!(rewritten, expect);
    let other = NewSource {
        name: "b".to_owned(),
        ..new
    };
    let error = rewrite(&text, "1.1", &[other]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to rewrite the recipe: the source `b` is incomplete"
    );
}

#[test]
fn a_recipe_without_sources_gets_its_version() {
    let text = "name = \"a\"\nversion = \"1.0\"\nsources-from = \"b\"\n";
    assert_eq!(
        rewrite(text, "1.1", &[]).unwrap(),
        text.replace("1.0", "1.1")
    );
}
