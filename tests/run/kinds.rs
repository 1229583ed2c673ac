//! Tests without a guest: they need no image, start no QEMU, and use the tools of the QEMU under
//! test.

use harness::qemu::arch;
use harness::repo::TestRepo;
use serde_json::Value;

const HOST: &str = "# Runs.\n#: kind = \"host\"\nin_host() {\n    echo fine\n}\n";
const GUEST: &str = "# Boots.\nin_guest() {\n    true\n}\n";
const STARTS: &str = "# Starts.\n#: kind = \"host\"\nin_host() {\n    qemu\n}\n";
const TOOL: &str = "# Asks.\n#: kind = \"host\"\n#: requires.qemu_tools = [\"qemu-img\"]\nin_host() {\n    \
                    test \"$(\"$QEMU_IMG\")\" = ours\n}\n";

fn finished(events: &[Value]) -> Vec<&Value> {
    let is_finished = |event: &&Value| event["reason"] == "test-finished";
    events.iter().filter(is_finished).collect()
}

#[test]
fn host_test_runs_without_an_image() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/host", HOST), ("a/guest", GUEST)]);
    // Removes everything that an image could be made from offline.
    std::fs::remove_dir_all(repo.repository().join("images/prebuilt")).unwrap();
    let (code, events) = repo.events(&arch, &["--kind=host"]);
    assert_eq!(code, 0, "{events:?}");
    let [test] = finished(&events)[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (&test["kind"], &test["outcome"]),
        (&"host".into(), &"passed".into())
    );
    assert_eq!((&test["machine"], &test["accel"]), (&"".into(), &"".into()));
    assert_eq!(events[0]["platforms"][0]["image"], "");
    let again = test["reproduce"].as_str().unwrap();
    assert!(!again.contains("--accel"), "{again}");

    let output = repo.run(&["test", "--offline", "--arch", &arch, "--kind=guest"]);
    assert_ne!(
        output.code, 0,
        "a guest booted without an image: {}",
        output.stdout
    );
}

#[test]
fn host_test_cannot_start_a_guest() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/starts", STARTS)]);
    let (code, events) = repo.events(&arch, &[]);
    assert_eq!(code, 101);
    let test = finished(&events)[0];
    assert_eq!(test["outcome"], "harness-error");
    assert_eq!(
        test["message"],
        "`qemu` in a test of kind `host`, which starts no guest"
    );
}

#[test]
fn tools_belong_to_the_selected_qemu() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/tool", TOOL)]);
    let folder = repo.qemu("q", &arch, "exec @QEMU@ \"$@\"");
    let flag = format!("--qemu={}", folder.display());
    let outcome = || {
        let (_, events) = repo.events(&arch, &[&flag]);
        let test = finished(&events)[0];
        (test["outcome"].clone(), test["why"].clone())
    };
    let why = "`qemu-img` is not next to the QEMU under test";
    assert_eq!(outcome(), ("skipped".into(), why.into()));
    repo.executable(&folder.join("qemu-img"), "echo ours");
    assert_eq!(outcome(), ("passed".into(), Value::Null));
}
