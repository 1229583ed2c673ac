//! Tests that the key is frozen, and which fields affect it.

use std::collections::{BTreeMap, BTreeSet};

use super::of;
use crate::digest::{BuildKey, Digest};
use crate::source::{Location, Patch, Source, SourcePin};
use crate::step::{
    Action, Frozen, InitramfsEntry, InitramfsKind, Input, InputFile, Mount, Product, Script, Step,
    StepId,
};

fn fixture() -> Step {
    Step {
        recipe: "linux".to_owned(),
        version: "6.12.95".to_owned(),
        license: "GPL-2.0-only".to_owned(),
        arch: Some("ppc64".to_owned()),
        product: Product::Image,
        action: Action::Script(Script {
            text: "make vmlinux\n".to_owned(),
            env: BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]),
            tools: vec!["make".to_owned(), "sed".to_owned()],
            toolchain_path: Some("/tc/powerpc64-linux-musl".to_owned()),
        }),
        sources: vec![Source {
            name: "linux".to_owned(),
            pin: SourcePin {
                file: "linux.tar.xz".to_owned(),
                size: 1,
                sha256: Digest::of(b"linux"),
                locations: vec![Location::Debian(
                    "pool/main/l/linux/linux.tar.xz".to_owned(),
                )],
            },
            inner: Some("inner.tar.xz".to_owned()),
            strip: 1,
            patches: vec![Patch {
                path: "recipes/linux/a.patch".into(),
                text: "a".to_owned(),
            }],
        }],
        inputs: vec![Input {
            step: StepId(0),
            recipe: "gcc".to_owned(),
            key: BuildKey::from_bytes([1; 32]),
            mount: Mount::Toolchain,
        }],
        files: BTreeMap::from([("linux.config".to_owned(), b"CONFIG_X=y\n".to_vec())]),
        frozen: vec![Frozen {
            output: "config".to_owned(),
            path: "a".into(),
            content: None,
        }],
        key: BuildKey::from_bytes([0; 32]),
    }
}

fn entries(entries: &[InitramfsEntry]) -> Step {
    Step {
        action: Action::Initramfs(entries.to_vec()),
        ..fixture()
    }
}

fn entry(kind: InitramfsKind) -> InitramfsEntry {
    InitramfsEntry {
        path: "a".to_owned(),
        mode: 0o755,
        kind,
    }
}

fn from(recipe: &str, path: &str) -> InputFile {
    InputFile {
        recipe: recipe.to_owned(),
        path: path.to_owned(),
    }
}

fn gather(name: &str, file: InputFile) -> Step {
    Step {
        action: Action::Gather(BTreeMap::from([(name.to_owned(), file)])),
        ..fixture()
    }
}

fn changed(change: impl FnOnce(&mut Step)) -> Step {
    let mut step = fixture();
    change(&mut step);
    step
}

fn script(step: &mut Step) -> &mut Script {
    match &mut step.action {
        Action::Script(script) => script,
        _ => panic!("the fixture is a script"),
    }
}

#[test]
fn key_of_fixture_is_frozen() {
    // A new value here renames everything that was ever built: change `FORMAT` with it.
    assert_eq!(
        of(&fixture()).to_string(),
        "037656e8ae99f7d41609c2ca92a7e89398d734446f28e0b8b8a287c29d76307a"
    );
}

/// The fixture with one field changed, and a description of the change.
type Changed = Vec<(&'static str, Step)>;

fn changed_scripts() -> Changed {
    vec![
        ("nothing", fixture()),
        ("recipe", changed(|step| step.recipe.push('x'))),
        ("version", changed(|step| step.version.push('x'))),
        (
            "arch",
            changed(|step| step.arch = Some("riscv64".to_owned())),
        ),
        ("no arch", changed(|step| step.arch = None)),
        ("product", changed(|step| step.product = Product::Toolchain)),
        ("text", changed(|step| script(step).text.push('x'))),
        (
            "env name",
            changed(|step| {
                script(step).env = BTreeMap::from([("LC_AL".to_owned(), "LC".to_owned())]);
            }),
        ),
        (
            "env value",
            changed(|step| script(step).env.values_mut().for_each(|v| v.push('x'))),
        ),
        (
            "env more",
            changed(|step| drop(script(step).env.insert("X".to_owned(), String::new()))),
        ),
        ("tools", changed(|step| drop(script(step).tools.pop()))),
        (
            "tools joined",
            changed(|step| script(step).tools = vec!["makesed".to_owned()]),
        ),
        (
            "toolchain path",
            changed(|step| script(step).toolchain_path = None),
        ),
    ]
}

fn changed_sources_and_inputs() -> Changed {
    vec![
        (
            "source name",
            changed(|step| step.sources[0].name.push('x')),
        ),
        (
            "source bytes",
            changed(|step| step.sources[0].pin.sha256 = Digest::of(b"x")),
        ),
        ("inner", changed(|step| step.sources[0].inner = None)),
        ("strip", changed(|step| step.sources[0].strip = 0)),
        (
            "patch",
            changed(|step| step.sources[0].patches[0].text.push('x')),
        ),
        ("no patch", changed(|step| step.sources[0].patches.clear())),
        (
            "two sources",
            changed(|step| step.sources.push(step.sources[0].clone())),
        ),
        (
            "input recipe",
            changed(|step| step.inputs[0].recipe.push('x')),
        ),
        (
            "input key",
            changed(|step| step.inputs[0].key = BuildKey::from_bytes([2; 32])),
        ),
        (
            "input mount",
            changed(|step| step.inputs[0].mount = Mount::In),
        ),
        ("no input", changed(|step| step.inputs.clear())),
        (
            "file content",
            changed(|step| step.files.values_mut().for_each(|c| c.push(b'x'))),
        ),
        (
            "file name",
            changed(|step| {
                step.files = BTreeMap::from([("x".to_owned(), b"CONFIG_X=y\n".to_vec())]);
            }),
        ),
        ("no file", changed(|step| step.files.clear())),
    ]
}

fn other_actions() -> Changed {
    let links = |target: &str| {
        let list = from("busybox", "links");
        entries(&[entry(InitramfsKind::Links {
            list,
            target: target.to_owned(),
        })])
    };
    vec![
        ("no entry", entries(&[])),
        ("directory", entries(&[entry(InitramfsKind::Directory)])),
        (
            "directory mode",
            entries(&[InitramfsEntry {
                mode: 0o700,
                ..entry(InitramfsKind::Directory)
            }]),
        ),
        (
            "directory path",
            entries(&[InitramfsEntry {
                path: "b".to_owned(),
                ..entry(InitramfsKind::Directory)
            }]),
        ),
        (
            "text entry",
            entries(&[entry(InitramfsKind::Text("x".to_owned()))]),
        ),
        (
            "text entry's text",
            entries(&[entry(InitramfsKind::Text("y".to_owned()))]),
        ),
        (
            "symlink",
            entries(&[entry(InitramfsKind::Symlink("x".to_owned()))]),
        ),
        ("device", entries(&[entry(InitramfsKind::CharDevice(5, 1))])),
        (
            "device numbers",
            entries(&[entry(InitramfsKind::CharDevice(1, 5))]),
        ),
        (
            "file entry",
            entries(&[entry(InitramfsKind::File(from("a", "b")))]),
        ),
        (
            "file entry's recipe",
            entries(&[entry(InitramfsKind::File(from("c", "b")))]),
        ),
        (
            "file entry's path",
            entries(&[entry(InitramfsKind::File(from("a", "c")))]),
        ),
        ("links", links("/bin/busybox")),
        ("links' target", links("/bin/other")),
        ("gather", gather("kernel", from("linux", "kernel"))),
        ("gather's name", gather("image", from("linux", "kernel"))),
        ("gather's recipe", gather("kernel", from("other", "kernel"))),
        ("gather's path", gather("kernel", from("linux", "other"))),
    ]
}

#[test]
fn every_relevant_field_changes_the_key() {
    let steps = [
        changed_scripts(),
        changed_sources_and_inputs(),
        other_actions(),
    ]
    .concat();
    let mut seen = BTreeMap::new();
    for (what, step) in &steps {
        if let Some(other) = seen.insert(of(step), what) {
            panic!("`{what}` has the key of `{other}`");
        }
    }
    assert_eq!(seen.len(), 45);
}

#[test]
fn irrelevant_fields_keep_the_key() {
    let steps = [
        changed(|step| step.license.push('x')),
        changed(|step| step.frozen.clear()),
        changed(|step| step.key = BuildKey::from_bytes([9; 32])),
        changed(|step| step.sources[0].pin.file.push('x')),
        changed(|step| step.sources[0].pin.locations.clear()),
        changed(|step| step.sources[0].patches[0].path = "b".into()),
        changed(|step| step.inputs[0].step = StepId(7)),
    ];
    let keys: BTreeSet<BuildKey> = steps.iter().map(of).collect();
    assert_eq!(keys, BTreeSet::from([of(&fixture())]));
}
