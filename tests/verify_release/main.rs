//! Black-box tests of `cargo xtask verify-release` with correct and wrong releases. Each is really
//! rebuilt, by a program that cargo builds from the crates in the bundle. No network.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

mod lies;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use faults::{Answer, Server};
use harness::release::{self, ARCH, Make, RELEASE, Release, SOUND};
use harness::{copy, parts};
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

fn main() {
    let missing = release::missing_qemu();
    let trial = |(name, test): (&str, fn())| {
        let kind = missing.as_deref().unwrap_or_default();
        Trial::test(name, move || {
            test();
            Ok(())
        })
        .with_kind(kind)
        .with_ignored_flag(missing.is_some())
    };
    let tests = [
        (
            "release_is_rebuilt_from_its_bundle_alone",
            release_is_rebuilt_from_its_bundle_alone as fn(),
        ),
        (
            "needed_files_are_downloaded_once",
            needed_files_are_downloaded_once,
        ),
        ("json_has_the_whole_digests", json_has_the_whole_digests),
        (
            "unreproducible_build_shows_the_differing_line",
            unreproducible_build_shows_the_differing_line as fn(),
        ),
        (
            "each_gap_of_a_bundle_is_named",
            each_gap_of_a_bundle_is_named as fn(),
        ),
        (
            "contradictory_or_newer_release_is_not_built",
            contradictory_or_newer_release_is_not_built as fn(),
        ),
        (
            "interrupted_verification_resumes_in_kept_directory",
            interrupted_verification_resumes_in_kept_directory as fn(),
        ),
        (
            "image_failing_to_boot_is_not_published",
            image_failing_to_boot_is_not_published as fn(),
        ),
        (
            "unlocked_or_sourceless_image_is_not_published",
            unlocked_or_sourceless_image_is_not_published,
        ),
    ];
    let trials = tests.map(trial).into();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    release::clean();
    conclusion.exit();
}

/// The names in a folder, which may not exist.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn release_is_rebuilt_from_its_bundle_alone() {
    let release = Release::sound();
    let (code, out, err) = release.verify(&[]);
    assert_eq!(code, 0, "{out}{err}");
    let files: Vec<Vec<&str>> = out
        .lines()
        .filter(|line| line.starts_with(ARCH))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let listed: Vec<&str> = files.iter().map(|words| words[1]).collect();
    assert_eq!(
        listed,
        ["config", "initramfs.cpio", "kernel", "bare/console"],
        "{out}"
    );
    assert!(
        files
            .iter()
            .all(|words| words[2] == words[3] && words[4] == "equal"),
        "{out}"
    );
    assert!(
        out.contains("kiln-7: all 4 files match a build from its source"),
        "{out}"
    );
    // Cargo built the bundle's own program from the bundle's crates.
    for printed in ["Compiling cfg-if", "Building linux (aarch64)"] {
        assert!(err.contains(printed), "{err}");
    }
    assert_eq!(
        names(&release.path("verifier/v1/tmp")),
        Vec::<String>::new()
    );
}

fn needed_files_are_downloaded_once() {
    let release = Release::sound();
    let tree = release.path("tree");
    let read = move |target: &str| std::fs::read(tree.join(target.trim_start_matches('/'))).ok();
    let has = read.clone();
    let web = Server::start(move |request| match read(&request.target) {
        Some(bytes) => Answer::status("200 OK").bytes(bytes),
        None => Answer::status("404 Not Found").bytes(""),
    });
    let verify = |more: &[&str]| {
        let mut xtask = release.online("verifier");
        let xtask = xtask.arg("verify-release").arg(web.base());
        parts(xtask.args(more).output().unwrap())
    };
    let (code, out, err) = verify(&[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("kiln-7: all 4 files match a build from its source"),
        "{out}"
    );
    let kiln = |path: &str| format!("/{RELEASE}/{path}");
    let mut wanted: Vec<String> = [
        "config",
        "initramfs.cpio",
        "kernel",
        "manifest.json",
        "bare/console",
    ]
    .map(|file| kiln(&format!("{ARCH}/{file}")))
    .into();
    wanted.extend([kiln("SHA256SUMS"), kiln("kiln-7-source.tar")]);
    // By the check of the index, and by the reader of the release.
    wanted.extend(["/index.json".to_owned(), "/index.json".to_owned()]);
    wanted.sort();
    // The requested signatures do not exist.
    let asked = web.requests().into_iter().map(|request| request.target);
    let mut asked: Vec<String> = asked.filter(|target| has(target).is_some()).collect();
    asked.sort();
    assert_eq!(asked, wanted);

    // A bucket is read with the keys of its owner, which proves nothing to a reader.
    let bucket = ["verify-release", "s3://bucket/tree"];
    let (code, _, err) = parts(release.online("verifier").args(bucket).output().unwrap());
    assert!(code == 2 && err.contains("https://"), "{code}: {err}");

    let kernel = release.file("aarch64/kernel");
    let size = std::fs::metadata(&kernel).unwrap().len();
    std::fs::remove_file(&kernel).unwrap();
    let other = vec![0; usize::try_from(size).unwrap()];
    std::fs::write(&kernel, other).unwrap();
    let (code, out, err) = verify(&["--no-build"]);
    assert_eq!((code, out.as_str()), (102, ""), "{err}");
    assert!(
        err.contains("failed to download `aarch64-kernel`") && err.contains("mirror-check http"),
        "{err}"
    );
}

fn json_has_the_whole_digests() {
    let release = Release::sound();
    let (code, out, err) = release.verify(&["--message-format", "json", "--arch", ARCH]);
    assert_eq!(code, 0, "{out}{err}");
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [files @ .., last] = &lines[..] else {
        panic!("nothing was printed");
    };
    let kernel = files.iter().find(|line| line["file"] == "kernel").unwrap();
    assert_eq!(
        kernel["published"],
        release::sha256(&release.file("aarch64/kernel"))
    );
    assert_eq!(kernel["published"], kernel["built"]);
    assert_eq!(
        (&last["reason"], &last["equal"]),
        (&"verify-release".into(), &true.into())
    );
}

fn unreproducible_build_shows_the_differing_line() {
    let leaky = Make {
        script: "for file in config console; do\n\
                 cat /proc/sys/kernel/random/uuid >>\"$OUT/$file\"\ndone\n",
        ..SOUND
    };
    let release = Release::published(leaky);
    let (code, out, err) = release.verify(&[]);
    assert_eq!(code, 102, "{out}{err}");
    let word = |file: &str| {
        let line = out.lines().find(|line| line.contains(file)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!(
        ["config", "kernel", "bare/console"].map(word),
        ["differs", "equal", "differs"].map(str::to_owned)
    );
    assert!(out.contains("published / built: line 3: "), "{out}");
    assert!(
        out.contains("kiln-7: 2 of 4 files differ from a build of its source"),
        "{out}"
    );
    assert!(
        err.contains("differs from a build of its source: `aarch64/config`")
            && err.contains("--keep DIR"),
        "{err}"
    );
}

fn each_gap_of_a_bundle_is_named() {
    let release = Release::sound();
    let whole = release.path("whole");
    let replace = |from: &Path, to: &Path| {
        let _ = std::fs::remove_dir_all(to);
        copy(from, to);
    };
    replace(&release.path("tree"), &whole);
    let vendor = Path::new("vendor").join(cfg_if());
    for (without, built, why) in [
        (
            "sources/linux.tar",
            false,
            "the source bundle does not contain `sources/linux.tar`",
        ),
        (
            vendor.to_str().unwrap(),
            false,
            "the source bundle does not contain the crate `cfg-if ",
        ),
        // The program that needs these two reports them.
        (vendor.join("src/lib.rs").to_str().unwrap(), true, "cfg-if"),
        (
            "repository/recipes/linux/patches/0001-first-line.patch",
            true,
            "recipes/linux/patches/0001-first-line.patch",
        ),
    ] {
        replace(&whole, &release.path("tree"));
        lies::take_from_bundle(&release, without);
        let (code, out, err) = release.verify(&[]);
        assert_eq!((code, out.as_str()), (102, ""), "{without}: {err}");
        assert!(err.contains(why), "{without}: {err}");
        let failed = "failed to build the image of aarch64 from the source of kiln-7";
        assert_eq!(err.contains(failed), built, "{without}: {err}");
        let hint = ["report it to the publisher", "keep the unfinished build"][usize::from(built)];
        assert!(err.contains(hint), "{without}: {err}");
        assert_eq!(
            names(&release.path("verifier/v1/tmp")),
            Vec::<String>::new()
        );
    }
}

/// Name and version of the crate that the fixture needs.
fn cfg_if() -> String {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let (_, rest) = lock.split_once("name = \"cfg-if\"\nversion = \"").unwrap();
    format!("cfg-if-{}", rest.split('"').next().unwrap())
}

fn contradictory_or_newer_release_is_not_built() {
    let release = Release::sound();
    let manifest = format!("{ARCH}/manifest.json");
    let check = |change: &dyn Fn(&mut Value), why: &str, mends: &str| {
        let before = std::fs::read_to_string(release.file(&manifest)).unwrap();
        lies::rewrite(&release, &manifest, |text| {
            let mut value = serde_json::from_str(&text).unwrap();
            change(&mut value);
            value.to_string()
        });
        let (code, out, err) = release.verify(&["--no-build"]);
        assert_eq!((code, out.as_str()), (102, ""), "{err}");
        assert!(err.contains(why) && err.contains(mends), "{err}");
        lies::rewrite(&release, &manifest, |_| before);
    };
    let zeros = "0".repeat(64);
    check(
        &|manifest| manifest["files"]["kernel"]["sha256"] = zeros.clone().into(),
        " in `SHA256SUMS` and 0000",
        "mirror-check",
    );
    check(
        &|manifest| manifest["schema"] = 2.into(),
        "unsupported schema 2 of `kiln-7/aarch64/manifest.json`: expected 1",
        "a newer version of Kiln",
    );
    check(
        &|manifest| manifest["key"] = zeros.clone().into(),
        "the source bundle builds a different `key` of aarch64 than the release contains",
        "report it to the publisher",
    );
    let (code, _, err) = release.verify(&["--release", "kiln-8"]);
    assert!(
        code == 102 && err.contains("published releases: kiln-7"),
        "{err}"
    );
    let (code, _, err) = release.verify(&["--arch", "vax"]);
    assert!(
        code == 2 && err.contains("release kiln-7 has no image of `vax`"),
        "{err}"
    );
}

fn interrupted_verification_resumes_in_kept_directory() {
    let release = Release::sound();
    let kept = release.path("kept");
    let keep = ["--keep", kept.to_str().unwrap()];
    let mut child = release
        .verifying(&keep)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // Cargo has started.
    assert!(lines.any(|line| line.unwrap().contains("Compiling cfg-if")));
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let (code, out, err) = release.verify(&[&keep[..], &["--no-build"]].concat());
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("--locked images --from-source --arch aarch64"),
        "{out}"
    );
    let (code, out, err) = release.verify(&keep);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        !err.contains("Downloading kiln-7") && !err.contains("Unpacking kiln-7"),
        "{err}"
    );
    let (code, out, err) = release.verify(&keep);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        !err.contains("Compiling") && !err.contains("Building"),
        "{err}"
    );
    assert!(
        err.contains("kept the source archive and the images in"),
        "{err}"
    );
    assert!(kept.join("store/v1/entries").is_dir());

    let mark = kept.join("verify-release.json");
    std::fs::write(&mark, "{\"release\":\"kiln-6\",\"bundle\":\"\"}").unwrap();
    let (code, _, err) = release.verify(&keep);
    assert!(
        code == 2 && err.contains("the verification of another release, kiln-6"),
        "{err}"
    );
    std::fs::remove_file(mark).unwrap();
    let (code, _, err) = release.verify(&keep);
    assert!(
        code == 2 && err.contains("is not empty, and not a directory of a verification"),
        "{err}"
    );
}

fn image_failing_to_boot_is_not_published() {
    let panics = Make {
        boots: false,
        ..SOUND
    };
    let release = Release::new(panics);
    let (code, _, err) = release.publish();
    assert_eq!(code, 100, "{err}");
    assert!(
        err.contains("failed to publish: an image does not boot"),
        "{err}"
    );
    assert!(!release.path("tree").join(RELEASE).exists());
}

fn unlocked_or_sourceless_image_is_not_published() {
    let release = Release::new(SOUND);
    let check = |why: &str| {
        let (code, _, err) = release.publish();
        assert!(code != 0 && err.contains(why), "{code}: {err}");
        assert!(!release.path("tree").exists(), "{why}");
    };
    let lock = release.path("checkout/images/images.lock");
    let locked = std::fs::read_to_string(&lock).unwrap();
    let (before, digest) = locked.split_once("sha256 = \"").unwrap();
    let other = format!("{before}sha256 = \"{}{}", "0".repeat(64), &digest[64..]);
    release.commit("images/images.lock", &other);
    check("does not match `images/images.lock`");
    release.commit("images/images.lock", "version = 1\n");
    check("`images/images.lock` lacks the image of aarch64");
    release.commit("images/images.lock", &locked);
    std::fs::remove_file(release.path("archive/linux.tar")).unwrap();
    std::fs::remove_dir_all(release.path("store/v1/blobs")).unwrap();
    check("`linux.tar`");
}
