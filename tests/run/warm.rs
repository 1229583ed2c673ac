//! Guests that are restored from templates: their differences, their devices, and damaged or
//! foreign templates.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use harness::qemu::{arch, arches, is_default};
use harness::repo::{TestRepo, spawn_silent};
use harness::{Output, root, skip};

/// Prints what must differ between two guests, and by how many milliseconds the clock is at least wrong.
const UNIQUE: &str = r#"# Prints random numbers and compares the clock with the host's.
in_host() {
    qemu &
    await asked
    post time "$(date +%s%N)"
    wait "$!"
}
in_guest() {
    echo "urandom $(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' ')"
    echo "shell $RANDOM$RANDOM$RANDOM"
    echo "uuid $(cat /proc/sys/kernel/random/uuid)"
    before=$(date +%s%N)
    post asked
    host=$(await time)
    after=$(date +%s%N)
    early=$(((before - host) / 1000000)) late=$(((host - after) / 1000000))
    echo "clock $((early > late ? early : late))"
}
"#;

/// Prints what the guest sees of its devices.
const SEES: &str = r#"# Lists PCI functions with their drivers, interrupts and regions.
in_host() {
    truncate -s 1M "$SCRATCH/disk"
    qemu -name guest=seen -drive "if=none,id=d,file=$SCRATCH/disk,format=raw" \
        -device virtio-blk-pci,drive=d -device '{"driver":"virtio-rng-pci","addr":"0x10"}'
}
in_guest() {
    for device in /sys/bus/pci/devices/*; do
        driver=$(readlink "$device/driver") || driver=none
        echo "${device##*/} $(cat "$device/vendor" "$device/device" "$device/irq" | tr '\n' ' ')${driver##*/}"
        while read -r start end flags; do
            echo "  region $((end - start)) $flags"
        done < "$device/resource"
    done
    test -b /dev/vda
}
"#;

const TRUE: &str = "# Passes.\nin_guest() {\n    true\n}\n";

fn finished(events: &[Value]) -> Vec<&Value> {
    let finished = |event: &&Value| event["reason"] == "test-finished";
    events.iter().filter(finished).collect()
}

fn run(repo: &TestRepo, arch: &str, args: &[&str]) -> Vec<Value> {
    let (code, events) = repo.events(arch, &[&["--accel=tcg"], args].concat());
    assert_eq!(code, 0, "{events:#?}");
    events
}

/// How the only guest of each test started, and the reason.
fn starts(events: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let start = |test: &&Value| {
        let start = &test["starts"][0];
        (text(&start["start"]), text(&start["reason"]))
    };
    finished(events).iter().map(start).collect()
}

fn output(test: &Value) -> String {
    let dir = test["log_dir"].as_str().unwrap();
    std::fs::read_to_string(format!("{dir}/output.log")).unwrap()
}

/// The directories of the store's templates.
fn templates(repo: &TestRepo) -> Vec<PathBuf> {
    let dir = repo.path().join("store/v1/templates");
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    dirs
}

#[test]
fn restored_guests_differ_and_know_the_time() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/unique", UNIQUE)]);
    let events = run(&repo, &arch, &["--start=warm", "--repeat=3"]);
    assert!(starts(&events).iter().all(|(start, _)| start == "warm"));
    let tests = finished(&events);
    for what in ["urandom", "shell", "uuid"] {
        let values = tests.iter().map(|test| {
            let output = output(test);
            let line = output.lines().find(|line| line.starts_with(what));
            line.unwrap().to_owned()
        });
        let values: BTreeSet<String> = values.collect();
        assert_eq!(values.len(), 3, "{values:?}");
    }
    for test in tests {
        assert_knows_the_time(test);
    }
    repo.assert_clean("warm starts");
}

/// By how many milliseconds the guest's clock was at least wrong.
fn clock_error(test: &Value) -> i64 {
    let output = output(test);
    let error = output.lines().find_map(|line| line.strip_prefix("clock "));
    error.unwrap().parse().unwrap()
}

fn assert_knows_the_time(test: &Value) {
    let error = clock_error(test);
    // The host sends the time while the guest starts, so it is not older than that.
    let start = test["boot_ms"].as_i64().unwrap();
    assert!(
        error <= start + 50,
        "wrong by {error} ms after a start of {start} ms"
    );
}

#[test]
fn guest_saved_a_year_ago_gets_the_time() {
    let Some(arch) = arch() else { return };
    let libraries = ["faketime/libfaketime.so.1", "libfaketime.so.1"].into_iter();
    let mut libraries = libraries.flat_map(|name| {
        let machine = std::env::consts::ARCH;
        [
            format!("/usr/lib/{machine}-linux-gnu/{name}"),
            format!("/usr/lib/{name}"),
            format!("/usr/lib64/{name}"),
        ]
    });
    let Some(library) = libraries.find(|path| std::path::Path::new(path).exists()) else {
        return skip("libfaketime is not installed");
    };
    let script = UNIQUE.replace(
        "    post asked\n",
        "    date +%Y\n    dmesg | grep 'system clock to'\n    post asked\n",
    );
    let repo = TestRepo::with(&[("a/unique", &script)]);
    let run = |ahead: &str| {
        let args = ["--accel=tcg", "--start=warm", "--message-format=json"];
        let mut command = repo.test(&arch, &args);
        command
            .env("LD_PRELOAD", &library)
            .env("FAKETIME", ahead)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let output = Output::of(&mut command);
        assert_eq!(output.code, 0, "{} {}", output.stdout, output.stderr);
        let events = output.json();
        assert_eq!(starts(&events)[0].0, "warm", "{:?}", starts(&events));
        finished(&events)[0].clone()
    };
    run("-400d");
    let saved = templates(&repo);
    let now = run("+0");
    assert_eq!(templates(&repo), saved);
    // The clock with which the guest was saved is in its log.
    let output = output(&now);
    let mut years = output.lines().filter_map(|line| {
        let text = line
            .split_once("system clock to ")
            .map_or(line, |(_, text)| text);
        text.get(..4)?.parse::<u32>().ok()
    });
    let (year, saved_in) = (years.next().unwrap(), years.next().unwrap());
    assert!(saved_in < year, "{output}");
    assert_knows_the_time(&now);
}

#[test]
fn restored_guest_sees_the_same_devices() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/sees", SEES)]);
    let cold = run(&repo, &arch, &["--start=cold"]);
    let warm = run(&repo, &arch, &["--start=warm"]);
    assert_eq!(starts(&cold)[0].0, "cold");
    assert_eq!(starts(&warm)[0].0, "warm", "{:?}", starts(&warm));
    let seen = output(finished(&cold)[0]);
    assert!(seen.contains("virtio-pci"), "{seen}");
    assert_eq!(output(finished(&warm)[0]), seen);
}

#[test]
fn automatic_start_restores_from_second_start_on() {
    let Some(arch) = arch() else { return };
    let cold = "# Boots.\n#: start = \"cold\"\nin_guest() {\n    true\n}\n";
    let repo = TestRepo::with(&[("a/one", TRUE), ("a/two", TRUE), ("b/boots", cold)]);
    let events = run(&repo, &arch, &["-j1"]);
    let found = starts(&events);
    let expect = [
        (
            "cold",
            "first start of this machine in the run, and no template exists",
        ),
        ("warm", "the machine has a template"),
        ("cold", "the test asks for it"),
    ];
    let expect = expect.map(|(start, reason)| (start.to_owned(), reason.to_owned()));
    assert_eq!(found, expect);
    let reason = |args: &[&str]| starts(&run(&repo, &arch, args))[0].1.clone();
    assert_eq!(reason(&["a::one"]), "the machine has a template");
    assert_eq!(reason(&["a::one", "--start=cold"]), "`--start cold`");
    assert_eq!(reason(&["a::one", "--trace=qmp_job_*"]), "`--trace`");
}

#[test]
fn mutants_share_no_template() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/true", TRUE)]);
    let run = |mutant: &str| {
        let mut test = repo.test(&arch, &["--accel=tcg", "--start=warm"]);
        let status = test.env("KILN_MUTANT", mutant).status().unwrap();
        assert!(status.success());
        templates(&repo).len()
    };
    assert_eq!(["one", "two", "one"].map(run), [1, 2, 2]);
}

#[test]
fn damaged_or_swapped_template_is_made_again() {
    let Some(arch) = arch() else { return };
    let more = "# Has more memory.\n#: memory = \"300M\"\nin_guest() {\n    true\n}\n";
    let repo = TestRepo::with(&[("a/more", more), ("a/true", TRUE)]);
    let warm = ["--start=warm"];
    run(&repo, &arch, &warm);
    let dirs = templates(&repo);
    let [one, other] = &dirs[..] else {
        panic!("{dirs:?}");
    };
    let all_warm = |events: &[Value]| starts(events).iter().all(|(start, _)| start == "warm");

    let parked = repo.path().join("parked");
    std::fs::rename(one, &parked).unwrap();
    std::fs::rename(other, one).unwrap();
    std::fs::rename(&parked, other).unwrap();
    assert!(all_warm(&run(&repo, &arch, &warm)));

    let ram = one.join("ram");
    std::fs::remove_file(&ram).unwrap();
    std::fs::copy(other.join("ram"), &ram).unwrap();
    assert!(all_warm(&run(&repo, &arch, &warm)));
    assert_eq!(templates(&repo), dirs);
}

/// Runs a program on each of its processors.
const PROCESSORS: &str = r#"# Runs on two processors.
#: smp = 2
in_guest() {
    for cpu in 0 1; do
        test "$(taskset -c "$cpu" sh -c 'cut -d" " -f39 /proc/self/stat')" = "$cpu"
    done
}
"#;

#[test]
fn machine_without_running_restored_guests_has_no_template() {
    for arch in arches().into_iter().filter(|arch| is_default(arch)) {
        let repo = TestRepo::with(&[("a/processors", PROCESSORS)]);
        let start = || starts(&run(&repo, &arch, &["--start=warm"])).remove(0);
        let first = start();
        if first.0 == "warm" {
            assert_eq!(templates(&repo).len(), 1, "{arch}");
        } else {
            assert!(first.1.contains("on trial"), "{arch}: {}", first.1);
            assert_eq!(templates(&repo), [""; 0].map(PathBuf::from), "{arch}");
        }
        // The result of the trial is remembered.
        assert_eq!(start(), first, "{arch}");
    }
}

#[test]
fn several_processors_need_a_kernel_with_smp() {
    let has_smp = |arch: &str| {
        let config = root().join(format!("images/{arch}/linux.config"));
        let config = std::fs::read_to_string(config).unwrap();
        config.lines().any(|line| line == "CONFIG_SMP=y")
    };
    let mut reported = 0;
    let repo = TestRepo::with(&[("a/processors", PROCESSORS)]);
    for arch in arches().into_iter().filter(|arch| !has_smp(arch)) {
        let events = run(&repo, &arch, &[]);
        let test = finished(&events)[0];
        assert_eq!(test["outcome"], "skipped", "{test:#}");
        let cause = test["cause"].as_str().unwrap();
        // The limit of a machine is reported first.
        if !cause.ends_with("supports at most 1 processor") {
            assert!(cause.contains("CONFIG_SMP"), "{test:#}");
            reported += 1;
        }
    }
    if reported == 0 {
        harness::unsuited("no machine of several processors has a kernel for one");
    }
}

#[test]
fn device_that_cannot_migrate_is_remembered() {
    let Some(arch) = arch() else { return };
    let nvme = "# Has an NVMe disk.\nin_host() {\n    truncate -s 1M \"$SCRATCH/disk\"\n    \
        qemu -drive \"if=none,id=d,file=$SCRATCH/disk,format=raw\" -device nvme,drive=d,serial=x\n}\n\
        in_guest() {\n    wait_for \"test -b /dev/nvme0n1\"\n}\n";
    let repo = TestRepo::with(&[("a/nvme", nvme)]);
    let reason = |events: &[Value]| starts(events)[0].clone();
    let (start, why) = reason(&run(&repo, &arch, &["--start=warm"]));
    if start == "warm" {
        harness::unsuited("this QEMU loads a guest with an NVMe disk");
        return;
    }
    assert!(why.contains("non-migratable"), "{why}");
    let (start, why) = reason(&run(&repo, &arch, &["--start=warm"]));
    assert_eq!(start, "cold");
    assert_eq!(why, "this QEMU cannot load a guest with one of the devices");
}

/// Has an echo on the host that ends with the first QEMU that opens it, and a device that cannot migrate.
const ECHO: &str = r#"# Gets an answer from the host.
in_host() {
    mkfifo "$SCRATCH/echo.in" "$SCRATCH/echo.out"
    cat < "$SCRATCH/echo.out" > "$SCRATCH/echo.in" &
    qemu -chardev pipe,id=echo,path="$SCRATCH/echo" -device qemu-xhci -device usb-serial,chardev=echo
}
in_guest() {
    wait_for "stty -F /dev/ttyUSB0 raw -echo"
    exec 3<> /dev/ttyUSB0
    echo hello >&3
    read -r answer <&3
    test "$answer" = hello
}
"#;

#[test]
fn test_starts_over_after_a_failed_restore() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/echo", ECHO)]);
    let events = run(&repo, &arch, &["--start=warm"]);
    let (start, why) = starts(&events).remove(0);
    if start == "warm" {
        harness::unsuited("this QEMU loads a guest with a USB serial adapter");
        return;
    }
    assert!(why.starts_with("failed to restore the template: "), "{why}");
    let dir = finished(&events)[0]["log_dir"].as_str().unwrap();
    assert!(std::fs::exists(format!("{dir}/not-restored/output.log")).unwrap());
}

#[test]
fn two_runs_share_one_template() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/true", TRUE)]);
    let run = |runs: &str| {
        let runs = repo.path().join(runs);
        let args = ["--accel=tcg", "--start=warm", "--runs"];
        spawn_silent(repo.test(&arch, &[&args[..], &[runs.to_str().unwrap()]].concat()))
    };
    let mut children = ["one", "two"].map(run);
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(templates(&repo).len(), 1);
}

/// Finds its disk only after the kernel started init, which happens to restored guests only.
const DIFFERS: &str = r#"# Passes only in a guest that booted with its disk.
in_host() {
    truncate -s 1M "$SCRATCH/disk"
    qemu -drive "if=none,id=d,file=$SCRATCH/disk,format=raw" -device virtio-blk-pci,drive=d
}
in_guest() {
    dmesg | sed -n '/Freeing unused kernel/,$p' > /tmp/late
    test -s /tmp/late
    if grep -F '[vda]' /tmp/late; then
        fail "the disk was found late"
    fi
}
"#;

#[test]
fn failure_of_a_restored_guest_is_confirmed() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/differs", DIFFERS)]);
    let (code, events) = repo.events(&arch, &["--accel=tcg", "--start=warm"]);
    assert_eq!(code, 100, "{events:#?}");
    let test = finished(&events)[0];
    let cause = test["cause"].to_string() + &test["outcome"].to_string();
    assert!(cause.contains("differs by start"), "{test:#}");
    assert_eq!(test["differs_by_start"], true);
    assert_eq!(test["starts"][0]["start"], "cold");
    let dir = test["log_dir"].as_str().unwrap();
    let late = |dir: &str| {
        let log = std::fs::read_to_string(format!("{dir}/output.log")).unwrap();
        log.contains("[vda]")
    };
    let parent = dir.strip_suffix("/cold").unwrap();
    assert!(late(&format!("{parent}/warm")) && late(parent));
    assert!(!late(dir));
}

/// Fails in a guest that booted with its disk.
const BOOT_FAILS: &str = r#"# Passes only in a restored guest.
in_host() {
    truncate -s 1M "$SCRATCH/disk"
    qemu -drive "if=none,id=d,file=$SCRATCH/disk,format=raw" -device virtio-blk-pci,drive=d
}
in_guest() {
    dmesg | sed -n '/Freeing unused kernel/,$p' | grep -F '[vda]'
}
"#;

#[test]
fn failure_at_boot_is_repeated_by_a_boot() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/boots", BOOT_FAILS)]);
    let run = |args: &[&str], status: i32| {
        let (code, events) = repo.events(&arch, &[&["--accel=tcg"], args].concat());
        assert_eq!(code, status, "{events:#?}");
        let test = finished(&events)[0].clone();
        let reproduce = test["reproduce"].as_str().unwrap().to_owned();
        (starts(&events).remove(0), reproduce)
    };
    let (_, reproduce) = run(&[], 100);
    assert!(reproduce.ends_with(" --start=cold"), "{reproduce}");
    let (start, _) = run(&["--start=warm"], 0);
    assert_eq!(start.0, "warm");
    let rerun = ["--rerun", "1"];
    let (start, _) = run(&rerun, 100);
    assert_eq!(start.1, "the guests of the earlier run booted");
}

#[test]
fn both_starts_are_compared() {
    let Some(arch) = arch() else { return };
    let cold = "# Boots.\n#: start = \"cold\"\nin_guest() {\n    true\n}\n";
    let repo = TestRepo::with(&[("a/boots", cold), ("a/differs", DIFFERS), ("a/true", TRUE)]);
    let (code, events) = repo.events(&arch, &["--accel=tcg", "--both"]);
    assert_eq!(code, 100, "{events:#?}");
    assert_eq!(events[0]["by_start"], true);
    let pair = |name: &str| {
        let is =
            |event: &&Value| event["reason"] == "test-compared" && event["new"]["test"] == name;
        let pair = events.iter().find(is).unwrap();
        let start = |side: &str| pair[side]["starts"][0]["start"].as_str().unwrap();
        let verdict = pair["verdict"].as_str().unwrap();
        [start("old"), start("new"), verdict]
    };
    assert_eq!(pair("boots"), ["cold", "cold", "same"]);
    assert_eq!(pair("differs"), ["cold", "warm", "worse"]);
    assert_eq!(pair("true"), ["cold", "warm", "same"]);
}
