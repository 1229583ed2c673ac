//! A tree on a web server.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::checkout::{ARCH, Checkout};
use harness::{parts, run};
use libtest_mimic::Completion;

use crate::server::{Server, breaking};

/// Replaces a file without an effect on its other hard links.
fn put(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A copy of the shared tree by hard links.
fn copied(checkout: &Checkout, dir: &Path) -> PathBuf {
    let tree = dir.join("tree");
    run(Command::new("cp")
        .arg("-al")
        .arg(checkout.tree())
        .arg(&tree));
    tree
}

pub(crate) fn a_tree_that_nginx_serves_is_walked_and_each_fault_named(
    checkout: &Checkout,
) -> Completion {
    let dir = tempfile::tempdir().unwrap();
    let tree = copied(checkout, dir.path());
    let faulty = "location = /kiln-7/BUILD.md { return 500; }";
    let sound = Server::nginx(dir.path(), &tree, "");
    let check = |server: &Server| {
        let url = format!("http://{}", server.address);
        let mut command = checkout.command("reader");
        parts(command.args(["mirror-check", &url]).output().unwrap())
    };
    let (code, out, err) = check(&sound);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("index 1: kiln-7;"), "{out}");

    // The index is replaced by a newer one, and then the server sends the old one again.
    let index = tree.join("index.json");
    let first = std::fs::read(&index).unwrap();
    let newer = String::from_utf8(first.clone()).unwrap();
    let newer = newer.replace("\"kiln.serial\": \"1\"", "\"kiln.serial\": \"2\"");
    put(&index, newer.as_bytes());
    assert_eq!(check(&sound).0, 0);
    put(&index, &first);
    let (code, out, _) = check(&sound);
    let old = "`index.json` is index 1, older than index 2, which was seen here before";
    assert!(code == 102 && out.contains(old), "{out}");

    let at = |path: &str| tree.join("kiln-7").join(path);
    let kernel = format!("{ARCH}/kernel");
    let mut bytes = std::fs::read(at(&kernel)).unwrap();
    bytes[1000] ^= 1;
    put(&at(&kernel), &bytes);
    let config = format!("{ARCH}/config");
    let bytes = std::fs::read(at(&config)).unwrap();
    put(&at(&config), &bytes[1..]);
    std::fs::remove_file(at("README")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let broken = Server::nginx(dir.path(), &tree, faulty);
    let (code, out, err) = check(&broken);
    assert_eq!(code, 102, "{out}{err}");
    let size = bytes.len();
    for fault in [
        format!("`kiln-7/{kernel}` has digest "),
        format!("`kiln-7/{config}` has {} bytes, expected {size}", size - 1),
        "`kiln-7/README` is missing".to_owned(),
        format!(
            "`kiln-7/BUILD.md` failed to download: `http://{}/kiln-7/BUILD.md` answered with status 500",
            broken.address
        ),
    ] {
        assert!(out.contains(&fault), "{fault}: {out}");
    }
    assert!(err.contains("found 4 problems"), "{err}");
    // A server does not list its files, but a directory does.
    std::fs::write(at("extra"), "").unwrap();
    let (_, out, _) = checkout.xtask(&["mirror-check", tree.to_str().unwrap()]);
    assert!(out.contains("`kiln-7/extra` is not in SHA256SUMS"), "{out}");
    drop(broken);
    let (code, _, err) = check(&Server::nginx(dir.path(), dir.path(), ""));
    assert!(code == 102 && !err.contains("panicked"), "{err}");
    Completion::Completed
}

pub(crate) fn a_second_machine_tests_from_a_mirror_and_then_offline(
    checkout: &Checkout,
) -> Completion {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::nginx(dir.path(), &checkout.tree(), "");
    // A manipulated mirror comes first, and the connection to the right one breaks once.
    let spoilt = dir.path().join("spoilt");
    let files = std::fs::read_to_string(checkout.root().join("images/images.lock")).unwrap();
    let digests: Vec<&str> = files
        .lines()
        .filter_map(|line| line.strip_prefix("sha256 = \""))
        .map(|digest| digest.trim_end_matches('"'))
        .collect();
    std::fs::create_dir_all(spoilt.join("blobs/sha256")).unwrap();
    for digest in &digests {
        let bytes = std::fs::read(checkout.tree().join("blobs/sha256").join(digest)).unwrap();
        let other = bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
        std::fs::write(spoilt.join("blobs/sha256").join(digest), other).unwrap();
    }
    let bad = tempfile::tempdir().unwrap();
    let bad_server = Server::nginx(bad.path(), &spoilt, "");
    let mirrors = [
        format!("--mirror=http://{}", bad_server.address),
        format!("--mirror=http://{}", breaking(&server.address, 1 << 20)),
    ];
    let words = ["test", "--no-prebuilt", "--arch", ARCH, "boot::true"];
    let mut test = checkout.command("second");
    test.args(words);
    let (code, out, err) = parts(test.args(&mirrors).output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let log = std::fs::read_to_string(dir.path().join("access.log")).unwrap();
    // Existing files were not requested again, and a resumed download is of the same file.
    let resumed = log.lines().find(|line| line.contains(" 206 bytes="));
    assert!(resumed.is_some_and(|line| line.ends_with('"')), "{log}");
    drop((server, bad_server));
    let mut test = checkout.command("second");
    test.args(words);
    let (code, out, err) = parts(test.arg("--offline").output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    Completion::Completed
}
