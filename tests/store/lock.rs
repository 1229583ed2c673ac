//! A lock that was edited by hand: the error names the field, and no other image is used instead of
//! the locked one.

use std::path::Path;
use std::process::Command;

use harness::parts;
use harness::store::command;

/// Runs `images` in a copy of the repository with an edited lock.
fn edited(home: &Path, from: &str, to: &str) -> (i32, String) {
    edited_for(home, (from, to), &["images", "--arch", "aarch64"])
}

/// Runs a command in a copy of the repository, in whose lock one text is replaced by another.
fn edited_for(home: &Path, (from, to): (&str, &str), words: &[&str]) -> (i32, String) {
    let repository = home.join("repo");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lock = std::fs::read_to_string(ours.join("images/images.lock")).unwrap();
    if !repository.exists() {
        std::fs::create_dir(&repository).unwrap();
        let mut copy = Command::new("cp");
        copy.arg("-r").args([
            ours.join("images"),
            ours.join("recipes"),
            repository.clone(),
        ]);
        assert!(copy.status().unwrap().success());
    }
    assert!(lock.contains(from), "{from}");
    let lock = lock.replacen(from, to, 1);
    std::fs::write(repository.join("images/images.lock"), lock).unwrap();
    let mut command = command(&home.join("store"), words);
    command.env("CARGO_MANIFEST_DIR", repository.join("xtask"));
    let (code, out, err) = parts(command.output().unwrap());
    (code, out + &err)
}

/// The beginning of the text after the first `before` that follows the lines of aarch64's kernel,
/// or of its image.
fn locked(after: &str, before: &str, length: usize) -> String {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/images.lock");
    let lock = std::fs::read_to_string(ours).unwrap();
    let (_, its) = lock.split_once("arch = \"aarch64\"").unwrap();
    let (_, its) = its.split_once(after).unwrap();
    let (_, value) = its.split_once(before).unwrap();
    value[..length].to_owned()
}

/// The start of a line with a digest, and the same with other digits.
fn digests(name: &str, value: &str) -> (String, String) {
    let other = if value.starts_with('0') { '1' } else { '0' };
    let changed = format!("{name} = \"{other}{}", &value[1..]);
    (format!("{name} = \"{value}"), changed)
}

#[test]
fn hand_edited_lock_is_refused_by_field() {
    let check = |from: &str, to: &str, expected: i32, names: &str| {
        let home = tempfile::tempdir().unwrap();
        let (code, message) = edited(home.path(), from, to);
        assert_eq!(code, expected, "{from} -> {to}: {message}");
        assert!(message.contains(names), "{from} -> {to}: {message}");
    };
    check(
        "version = 1",
        "version = 2",
        2,
        "unsupported lock version 2",
    );
    check("version", "versoin", 2, "`version`");
    check("arch = \"aarch64\"", "arch = 64", 2, "arch = 64");
    check(
        "arch = \"aarch64\"",
        "arch = \"ppc64\"",
        2,
        "`ppc64` is locked twice",
    );
    check(
        "arch = \"aarch64\"",
        "arch = \"none\"",
        102,
        "images.lock has no image of aarch64",
    );
    let (key, other) = digests("key", &locked("", "key = \"", 12));
    check(&key, &key.replace("= \"", "= \"Z"), 2, "invalid SHA-256 `");
    check(&key, &other, 102, "for aarch64, these recipes give ");
    check(
        "name = \"kernel\"",
        "name = \"a/b\"",
        2,
        "`a/b` is not a file name",
    );
    check(
        "name = \"kernel\"",
        "name = \"config\"",
        2,
        "file `config` is locked twice",
    );
    check(
        "name = \"kernel\"",
        "name = \"kern\"",
        102,
        "`kernel` is not in the lock",
    );
    let size = format!("size = {}", locked("\"kernel\"", "size = ", 8));
    check(&size, "size = -1", 2, "size = -1");
    check(&size, "size = 2", 102, "`kernel` has ");
    let (kernel, other) = digests("sha256", &locked("\"kernel\"", "sha256 = \"", 12));
    check(
        &kernel,
        &other,
        102,
        "`kernel` does not match `images.lock`",
    );
    let no_digit = kernel.replace("= \"", "= \"z");
    check(&kernel, &no_digit, 2, "invalid SHA-256 `");
    let sha512 = kernel.replace("256", "512");
    check(&kernel, &sha512, 2, "unknown key `sha512`");
}

#[test]
fn image_differing_from_lock_is_quarantined() {
    let home = tempfile::tempdir().unwrap();
    let unchanged = |words: &[&str]| edited_for(home.path(), ("version", "version"), words);
    let images = ["images", "--arch", "aarch64"];
    assert_eq!(unchanged(&images).0, 0);
    let (kernel, other) = digests("sha256", &locked("\"kernel\"", "sha256 = \"", 12));
    // The entry is intact, but the repository's image does not match this lock.
    let (code, message) = edited(home.path(), &kernel, &other);
    assert_eq!(code, 102, "{message}");
    for says in [
        "`kernel` of aarch64 does not match `images/images.lock`: expected ",
        ", found ",
        "it was moved to `",
        "v1/quarantine/",
        "`kernel` does not match `images.lock`",
    ] {
        assert!(message.contains(says), "{says}: {message}");
    }
    let (code, message) = unchanged(&images);
    assert_eq!(code, 0, "{message}");

    let changed = |words: &[&str]| edited_for(home.path(), (&kernel, &other), words);
    let (code, message) = changed(&["store", "verify"]);
    assert_eq!(code, 102, "{message}");
    assert!(
        message.contains("does not match `images/images.lock`"),
        "{message}"
    );
    assert_eq!(unchanged(&images).0, 0);
    let (code, message) = unchanged(&["store", "verify"]);
    assert_eq!(code, 0, "{message}");
}

#[test]
fn a_corrupt_image_is_named_and_replaced() {
    let home = tempfile::tempdir().unwrap();
    let images = ["images", "--arch", "aarch64"];
    let unchanged = |words: &[&str]| edited_for(home.path(), ("version", "version"), words);
    let (code, path) = unchanged(&images);
    assert_eq!(code, 0, "{path}");
    let path = path.lines().find_map(|line| Some(&line[line.find('/')?..]));
    let kernel = Path::new(path.unwrap()).join("kernel");
    let mut bytes = std::fs::read(&kernel).unwrap();
    bytes[1000] ^= 1;
    std::fs::remove_file(&kernel).unwrap();
    std::fs::write(&kernel, &bytes).unwrap();
    let (code, message) = unchanged(&images);
    assert_eq!(code, 0, "{message}");
    for says in [
        "warning: entry `",
        "`kernel`: expected ",
        "found ",
        "it was moved to `",
    ] {
        assert!(message.contains(says), "{says}: {message}");
    }
    assert_ne!(std::fs::read(&kernel).unwrap(), bytes);
}
