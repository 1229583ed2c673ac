//! Tests `fetch --check` and `recipe bump`: requests, results, and the rewritten recipe.

use faults::{Answer, Server};
use plan::digest::Digest;

use harness::small::{SmallRepo, Source, bytes};

/// Serves these files by their full path. HEAD returns only the length.
fn serve(files: Vec<(&str, Vec<u8>)>) -> Server {
    let files: Vec<_> = files
        .into_iter()
        .map(|(path, bytes)| (path.to_owned(), bytes))
        .collect();
    Server::start(move |request| {
        let found = files.iter().find(|(path, _)| request.target == *path);
        match found {
            Some((_, bytes)) if request.method == "HEAD" => {
                Answer::status("200 OK").header("Content-Length", bytes.len())
            }
            Some((_, bytes)) => Answer::status("200 OK").bytes(bytes.clone()),
            None => Answer::status("404 Not Found").header("Content-Length", 0),
        }
    })
}

const RECIPE: &str = "recipes/parts/recipe.toml";

const SHA1: &str = "d2ad53065f74afc1280d795570d8cc7258f909e1";

/// A repository whose recipe `parts` has this version, followed by a comment.
fn repo(server: &Server, version: &str, bytes: &[u8]) -> SmallRepo {
    let repo = SmallRepo::new(&[Source {
        file: format!("a_{version}.orig.tar"),
        bytes: bytes.to_vec(),
        locations: vec![
            format!("debian:pool/main/a/a/a_{version}.orig.tar"),
            format!("debian-snapshot:{SHA1}"),
            format!("{}/a-{version}.tar", server.base()),
        ],
    }]);
    let version = format!("version = \"{version}\" # kept");
    repo.edit(RECIPE, "version = \"1\"", &version);
    repo
}

fn flags(server: &Server) -> [String; 2] {
    [
        format!("--debian-mirror={}/debian", server.base()),
        format!("--debian-snapshot={}/snapshot", server.base()),
    ]
}

#[test]
fn a_check_asks_each_location_and_downloads_nothing() {
    let file = bytes(1, 3000);
    let snapshot = format!("/snapshot/file/{SHA1}");
    let server = serve(vec![(&snapshot, file.clone()), ("/a-1.tar", bytes(2, 10))]);
    let repo = repo(&server, "1", &file);
    let [mirror, archive] = flags(&server);
    let output = repo.run("store", &["fetch", "--check", &mirror, &archive]);
    assert_eq!(output.code, 102, "{}", output.stderr);
    insta::assert_snapshot!(output.stdout.replace(&server.host(), "HOST"), @r"
    state      file          location
    failed     a_1.orig.tar  debian:pool/main/a/a/a_1.orig.tar
        http://HOST/debian/pool/main/a/a/a_1.orig.tar: HTTP status 404
    available                debian-snapshot:d2ad53065f74afc1280d795570d8cc7258f909e1
    failed                   http://HOST/a-1.tar
        http://HOST/a-1.tar: has 10 bytes, expected 3000
    ");
    assert!(
        output
            .stderr
            .contains("error: 2 of 3 locations do not have their file"),
        "{}",
        output.stderr
    );
    let methods: Vec<_> = server
        .requests()
        .into_iter()
        .map(|one| one.method)
        .collect();
    assert_eq!(methods, ["HEAD"; 3]);
    let args = [
        "fetch",
        "--check",
        "--message-format=json",
        &mirror,
        &archive,
    ];
    let states = repo.run("store", &args).lines("location");
    let states: Vec<_> = states
        .iter()
        .map(|line| line["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["failed", "available", "failed"]);
    assert_eq!(
        repo.run("store", &["fetch", "--check", "--offline"]).code,
        2
    );
}

#[test]
fn bump_pins_and_keeps_the_found_version() {
    let (old, new) = (bytes(1, 3000), bytes(2, 4000));
    let server = serve(vec![
        ("/debian/pool/main/a/a/a_2.0.orig.tar", new.clone()),
        ("/a-2.0.tar", new.clone()),
    ]);
    let repo = repo(&server, "1.0", &old);
    let [mirror, archive] = flags(&server);
    let args = ["recipe", "bump", "parts", "2.0", &mirror, &archive];
    let before = repo.read(RECIPE);
    let output = repo.run("store", &args);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let after = repo.read(RECIPE);
    let pinned = after
        .lines()
        .find_map(|line| line.split_once("debian-snapshot:"));
    let pinned = pinned.unwrap().1[..40].to_owned();
    assert_ne!(pinned, SHA1);
    let expect = before
        .replace("1.0", "2.0")
        .replace("size = 3000", "size = 4000")
        .replace(&Digest::of(&old).to_string(), &Digest::of(&new).to_string())
        .replace(SHA1, &pinned);
    assert_eq!(after, expect);
    assert_eq!(repo.blob("store", &new), Some(new));
    output.stdout_has(["also    http://"]);
    assert!(
        output
            .stderr
            .contains("warning: failed to find it at `debian-snapshot:"),
        "{}",
        output.stderr
    );
    output.stderr_has(["cargo xtask images --from-source"]);
}

#[test]
fn bump_finds_repacked_file_in_the_pool() {
    let new = bytes(2, 4000);
    let listing = r#"<a href="a_2.0%2bdfsg.orig.tar.xz">a</a> <a href="a_1.0.orig.tar">a</a>"#;
    let server = serve(vec![
        ("/debian/pool/main/a/a/", listing.into()),
        ("/debian/pool/main/a/a/a_2.0+dfsg.orig.tar.xz", new.clone()),
    ]);
    let repo = repo(&server, "1.0", &bytes(1, 3000));
    let [mirror, archive] = flags(&server);
    let output = repo.run(
        "store",
        &["recipe", "bump", "parts", "2.0", &mirror, &archive],
    );
    assert_eq!(output.code, 0, "{}", output.stderr);
    let recipe = repo.read(RECIPE);
    assert!(
        recipe.contains("file = \"a_2.0+dfsg.orig.tar.xz\""),
        "{recipe}"
    );
    assert!(
        recipe.contains("debian:pool/main/a/a/a_2.0+dfsg.orig.tar.xz"),
        "{recipe}"
    );
}

#[test]
fn bump_needs_the_network() {
    let server = serve(Vec::new());
    let repo = repo(&server, "1.0", &bytes(1, 3000));
    let output = repo.run("store", &["recipe", "bump", "parts", "2.0", "--offline"]);
    assert_eq!(output.code, 2, "{}", output.stderr);
    output
        .stderr_has(["failed to find `parts` 2.0: it needs the network, which --offline forbids"]);
}

#[test]
fn a_bump_that_finds_nothing_changes_nothing() {
    let server = serve(Vec::new());
    let repo = repo(&server, "1.0", &bytes(1, 3000));
    let [mirror, archive] = flags(&server);
    let before = repo.read(RECIPE);
    for (name, version, code, says) in [
        (
            "parts",
            "2.0",
            102,
            "error: failed to find `a_2.0.orig.tar`:",
        ),
        (
            "parts",
            "1.0",
            2,
            "error: recipe `parts` already has version 1.0",
        ),
        ("part", "2.0", 2, "help: did you mean `parts`?"),
        ("image", "2.0", 2, "error: recipe `image` has no sources"),
    ] {
        let output = repo.run(
            "store",
            &["recipe", "bump", name, version, &mirror, &archive],
        );
        assert_eq!(output.code, code, "{}", output.stderr);
        assert!(output.stderr.contains(says), "{}", output.stderr);
    }
    assert_eq!(repo.read(RECIPE), before);
}
