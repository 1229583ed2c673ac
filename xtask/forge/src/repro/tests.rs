//! Tests the surroundings as data, and their effect on a process.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::Command;
use plan::digest::BuildKey;
use store::{About, EntryName, EntryState, Store};

use super::surroundings::{Entrance, Surroundings};
use super::*;

/// An entry with these files in its own store.
fn entry(area: &Utf8Path, store: &str, product: Product, files: &[(&str, &str)]) -> Ready {
    let store = Store::open(&area.join(store)).unwrap();
    let key = BuildKey::from_bytes([7; 32]);
    let name = match product {
        Product::Image => EntryName::image(key),
        Product::Toolchain => EntryName::toolchain(key, "0123456789ab"),
    };
    let EntryState::Vacant(vacant) = store.entry(&name).unwrap() else {
        panic!("made twice");
    };
    let staging = vacant.stage().unwrap();
    for (name, content) in files {
        fs_err::write(staging.path().join(name), content).unwrap();
    }
    let (recipe, version) = ("one".to_owned(), "1".to_owned());
    let about = About {
        recipe,
        version,
        arch: None,
        seconds: 1.0,
    };
    staging.commit(about).unwrap()
}

#[test]
fn foreign_root_may_change_toolchains_only() {
    let check = |product, second: &[(&str, &str)], another: Option<&str>, expect: [bool; 2]| {
        let scratch = tempfile::tempdir().unwrap();
        let area = Utf8PathBuf::from_path_buf(scratch.path().to_owned()).unwrap();
        let first = [("compressed", "a"), ("kernel", "a")];
        let first = entry(&area, "first", product, &first);
        let second = entry(&area, "second", product, second);
        let step = Step {
            recipe: "one".to_owned(),
            version: "1".to_owned(),
            license: "MIT".to_owned(),
            arch: None,
            product,
            action: Action::Gather([].into()),
            sources: Vec::new(),
            inputs: Vec::new(),
            files: [].into(),
            frozen: Vec::new(),
            key: first.meta().key,
        };
        let plan = Plan { steps: vec![step] };
        let (first, second) = ([(StepId(0), first)].into(), [(StepId(0), second)].into());
        let compared = compare(&plan, &BTreeMap::new(), &first, &second, another).unwrap();
        let found = [compared[0].difference.is_none(), compared[0].is_good()];
        assert_eq!(found, expect, "{product:?} {another:?}");
    };
    let same = [("compressed", "a"), ("kernel", "a")];
    let packed = [("compressed", "b"), ("kernel", "a")];
    let other = [("compressed", "b"), ("kernel", "b")];
    let system = Some("compressed");
    check(Product::Image, &same, None, [true, true]);
    check(Product::Image, &packed, None, [false, false]);
    check(Product::Image, &packed, system, [false, true]);
    check(Product::Image, &other, system, [false, false]);
    check(Product::Toolchain, &other, system, [false, true]);
    check(Product::Toolchain, &other, None, [false, false]);
}

#[test]
fn seed_decides_everything() {
    assert_eq!(Surroundings::of(7), Surroundings::of(7));
    let (one, other) = (Surroundings::of(7), Surroundings::of(8));
    assert_ne!(one.host_name, other.host_name);
    assert_ne!(one.user, other.user);
    let area = Utf8Path::new("/area");
    let length = |surroundings: &Surroundings| surroundings.directory(area).as_str().len();
    assert_ne!(length(&one), length(&other));
    insta::assert_snapshot!(
        one.command_line(
            &Entrance::Bubblewrap("/usr/bin/bwrap".into()),
            &["xtask".to_owned(), "rebuild".to_owned()],
        )
        .join(" ")
    );
}

#[test]
fn process_in_the_surroundings_sees_them() {
    let surroundings = Surroundings::of(7);
    let Some(program) = host::tools::find("bwrap") else {
        return;
    };
    let script = "id -u; uname -n; umask; echo $HOME $TZ $LC_ALL ${PATH%%:*}";
    let argv = ["sh", "-c", script].map(str::to_owned);
    let line = surroundings.command_line(&Entrance::Bubblewrap(program), &argv);
    let path = ["/usr/bin".into(), "/bin".into()];
    let output = Command::from_argv(&line)
        .envs(surroundings.environment(Utf8Path::new("/poison"), &path))
        .output(Duration::from_secs(20))
        .unwrap();
    let expect = format!(
        "{}\n{}\n0077\n{} {} {} /poison\n",
        surroundings.user,
        surroundings.host_name,
        surroundings.home,
        surroundings.zone,
        surroundings.locale
    );
    assert_eq!(output.stdout_text(), expect, "{}", output.stderr_text());
}
