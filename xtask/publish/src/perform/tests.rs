//! Stops publications and withdrawals after every possible change, and checks what a reader then
//! sees.

use std::io::Read;

use plan::digest::Digest;

use super::*;
use crate::check::{Defect, Known, Report, walk};
use crate::fixture::{Fixture, unsigned};
use crate::index::{PROGRAMS_TYPE, SOURCE, SOURCE_TYPE};
use crate::tree_reader::{Directory, ReadError, TreeReader};

/// A tree that fails after a number of changes, as if its publisher was killed.
struct Failing {
    tree: Directory,
    left: usize,
}

impl Failing {
    fn step(&mut self) -> Result<&mut Directory, TreeError> {
        let stopped = || TreeError::Setup("stopped".to_owned());
        self.left = self.left.checked_sub(1).ok_or_else(stopped)?;
        Ok(&mut self.tree)
    }
}

impl TreeReader for Failing {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, ReadError> {
        self.tree.open(path)
    }

    fn folders(&self, folder: &str) -> Result<Option<Vec<String>>, ReadError> {
        self.tree.folders(folder)
    }
}

impl Tree for Failing {
    /// Counts existing files too, so that every number of changes is tried.
    fn has(&self, _file: &PublishedFile) -> Result<bool, TreeError> {
        Ok(false)
    }

    fn put(&mut self, file: &PublishedFile) -> Result<(), TreeError> {
        self.step()?.put(file)
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        self.step()?.replace(path, bytes)
    }

    fn remove(&mut self, path: &str) -> Result<(), TreeError> {
        self.step()?.remove(path)
    }
}

fn walked(tree: &Directory, now: u64, seen: u64) -> Report {
    let keys = Keys::none();
    let keys = &keys;
    walk(tree, &Known { keys, now, seen }).unwrap()
}

fn sound(tree: &Directory, when: &str) -> Report {
    let report = walked(tree, 1_000_000_000, 0);
    assert_eq!(report.findings, [], "{when}");
    report
}

fn run(tree: &mut dyn Tree, release: &Release) -> Result<(), PublishError> {
    publish(tree, release, &unsigned(&Keys::none()), &mut |_| {})
}

#[test]
fn programs_are_published_with_their_source() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let file = |path: &str| release.files.iter().find(|file| file.path == path).unwrap();
    let program = file("kiln-1/riscv/bare/console");
    let digest = program.content.digest();
    assert_eq!(digest, Digest::of(b"program"));
    let text = |path: &str| match &file(path).content {
        Content::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Content::Blob(_) => panic!("{path} is not text"),
    };
    let sums = text("kiln-1/SHA256SUMS");
    assert!(
        sums.contains(&format!("{digest}  riscv/bare/console\n")),
        "{sums}"
    );
    let bill = text("kiln-1/kiln.spdx.json");
    assert!(bill.contains("\"name\": \"riscv/bare/console\""), "{bill}");
    let of_type = |kind: &str| {
        let mut entries = release.descriptors.iter();
        entries
            .find(|it| it.artifact_type.as_deref() == Some(kind))
            .unwrap()
    };
    let (programs, source) = (of_type(PROGRAMS_TYPE), of_type(SOURCE_TYPE));
    assert_eq!(programs.annotations[SOURCE], source.digest);
    // Without its source in the index, the tree is defective.
    run(&mut fixture.tree(), &release).unwrap();
    let index = Index::default().with("kiln-1", std::slice::from_ref(programs), 2_000_000_000);
    fixture.tree().replace(INDEX, &index.render()).unwrap();
    let report = walked(&fixture.tree(), 1_000_000_000, 0);
    let defects: Vec<_> = report.findings.iter().map(|it| &it.defect).collect();
    assert!(defects.contains(&&Defect::NoSource), "{defects:?}");
}

#[test]
fn interrupted_publisher_leaves_consistent_tree() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.release("1", "one"), fixture.release("2", "two"));
    run(&mut fixture.tree(), &first).unwrap();
    for left in 0.. {
        let mut tree = Failing {
            tree: fixture.tree(),
            left,
        };
        let done = run(&mut tree, &second).is_ok();
        let report = sound(&fixture.tree(), &format!("stopped after {left} changes"));
        let names: Vec<&str> = report.releases.iter().map(String::as_str).collect();
        let announced = names == ["kiln-1", "kiln-2"];
        assert!(announced || names == ["kiln-1"], "{names:?}");
        assert!(announced || !done);
        if done {
            assert!(left > 10, "stopped at {left} places only");
            break;
        }
    }
}

#[test]
fn interrupted_withdrawal_leaves_no_orphan_binary() {
    let fixture = Fixture::new();
    let releases = [fixture.release("1", "one"), fixture.release("2", "two")];
    for release in &releases {
        run(&mut fixture.tree(), release).unwrap();
    }
    let keys = Keys::none();
    for left in 0.. {
        let mut tree = Failing {
            tree: fixture.tree(),
            left,
        };
        let done = withdraw(&mut tree, "kiln-1", &unsigned(&keys), &mut |_| {}).is_ok();
        sound(&fixture.tree(), &format!("stopped after {left} changes"));
        if done {
            break;
        }
    }
    let report = sound(&fixture.tree(), "at the end");
    assert_eq!(
        (report.releases, report.unfinished),
        (vec!["kiln-2".to_owned()], vec![])
    );
    // What the other release needs stays. The rest is removed with the last release.
    assert!(fixture.path("tree/sources/a.tar").exists());
    withdraw(&mut fixture.tree(), "kiln-2", &unsigned(&keys), &mut |_| {}).unwrap();
    assert!(!fixture.path("tree/sources").exists());
    let blobs = fixture.tree().folders("blobs/sha256").unwrap().unwrap();
    assert_eq!(blobs, Vec::<String>::new());
    let again = withdraw(&mut fixture.tree(), "kiln-2", &unsigned(&keys), &mut |_| {});
    assert!(matches!(again, Err(PublishError::Unknown { .. })));
}

#[test]
fn published_files_are_never_overwritten() {
    let fixture = Fixture::new();
    run(&mut fixture.tree(), &fixture.release("1", "one")).unwrap();
    run(&mut fixture.tree(), &fixture.release("1", "one")).unwrap();
    let files = || fixture.tree().files().unwrap();
    let before = files();
    let error = run(&mut fixture.tree(), &fixture.release("1", "other")).unwrap_err();
    assert!(
        matches!(error, PublishError::Tree(TreeError::Differs { .. })),
        "{error}"
    );
    assert_eq!(
        files(),
        before,
        "the names are compared before the first file is sent"
    );
    sound(&fixture.tree(), "refused");
}

#[test]
fn old_or_expired_index_is_found() {
    let fixture = Fixture::new();
    run(&mut fixture.tree(), &fixture.release("1", "one")).unwrap();
    let found = |now, seen| -> Vec<Defect> {
        let findings = walked(&fixture.tree(), now, seen).findings.into_iter();
        findings.map(|finding| finding.defect).collect()
    };
    assert_eq!(found(1_000_000_000, 1), []);
    assert_eq!(found(1_000_000_000, 7), [Defect::Older { is: 1, seen: 7 }]);
    let expired = "2002-09-09T01:46:40Z".to_owned();
    assert_eq!(found(2_000_000_000, 1), [Defect::Expired(expired)]);
}

#[test]
fn lost_or_changed_files_are_found() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    for file in &release.files {
        let path = fixture.path("tree").join(&file.path);
        let _ = fs_err::remove_dir_all(fixture.path("tree"));
        run(&mut fixture.tree(), &release).unwrap();
        fs_err::remove_file(&path).unwrap();
        let lost = walked(&fixture.tree(), 0, 0).findings;
        assert!(
            lost.iter().any(|one| one.path == file.path),
            "{}: {lost:?}",
            file.path
        );
        fs_err::write(&path, "changed").unwrap();
        let changed = walked(&fixture.tree(), 0, 0).findings;
        assert!(
            changed.iter().any(|one| one.path == file.path),
            "{}: {changed:?}",
            file.path
        );
    }
}

#[test]
fn too_few_signatures_are_refused() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    let mut signers = Vec::new();
    let mut public = Vec::new();
    for name in ["a.key", "b.key"] {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        fs_err::write(fixture.path(name), text).unwrap();
        signers.push(Signer::read(&fixture.path(name), &[], false).unwrap());
        public.push(format!("\"{}\"", pair.pk.to_base64()));
    }
    let keys = |threshold| {
        let text = format!("keys = [{}]\nthreshold = {threshold}\n", public.join(", "));
        Keys::parse(&text).unwrap()
    };
    let publish = |keys: &Keys, signers: &[Signer]| {
        let authority = Authority {
            keys,
            signers,
            now: 0,
        };
        super::publish(&mut fixture.tree(), &release, &authority, &mut |_| {})
    };
    let refused = publish(&keys(2), &signers[..1]).unwrap_err();
    assert!(matches!(
        refused,
        PublishError::Sign(SignError::TooFew {
            given: 1,
            wanted: 2
        })
    ));
    publish(&keys(1), &signers[..1]).unwrap();
    let found = |threshold| {
        let keys = keys(threshold);
        let known = Known {
            keys: &keys,
            now: 0,
            seen: 0,
        };
        walk(&fixture.tree(), &known).unwrap().findings
    };
    assert_eq!(found(1), []);
    let few: Vec<String> = found(2).into_iter().map(|finding| finding.path).collect();
    assert_eq!(few, ["index.json", "kiln-1/SHA256SUMS"]);
    publish(&keys(2), &signers).unwrap();
    assert_eq!(found(2), []);
    // A signature of other bytes does not count.
    let sums = fixture.path("tree/kiln-1/SHA256SUMS");
    let text = fs_err::read_to_string(&sums).unwrap();
    fs_err::write(&sums, format!("{text}{}  x\n", Digest::of(b""))).unwrap();
    let paths: Vec<String> = found(1).into_iter().map(|finding| finding.path).collect();
    assert!(paths.contains(&"kiln-1/SHA256SUMS".to_owned()), "{paths:?}");
}

#[test]
fn release_files_and_order_are_stable() {
    let fixture = Fixture::new();
    let release = fixture.release("1", "one");
    assert_eq!(release, fixture.release("1", "one"));
    let lines: Vec<String> = release
        .files
        .iter()
        .map(|file| {
            format!(
                "{:<10} {:>6}  {}",
                file.phase,
                file.content.size(),
                file.path
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    for (name, path) in [
        ("readme", "README"),
        ("metalink", "kiln-1.meta4"),
        ("sbom", "kiln.spdx.json"),
        ("provenance", "provenance.intoto.jsonl"),
        ("manifest", "riscv/manifest.json"),
        ("assets", "ASSETS.json"),
        ("assets_for_people", "ASSETS.md"),
    ] {
        let path = format!("kiln-1/{path}");
        let file = release.files.iter().find(|file| file.path == path).unwrap();
        let Content::Bytes(bytes) = &file.content else {
            panic!("{path} is no text");
        };
        insta::assert_snapshot!(name, String::from_utf8_lossy(bytes));
    }
}
