//! A run that is killed at any time leaves nothing that the next run does not remove.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, SystemTime};

use harness::qemu::arch;
use harness::repo::{TestRepo, signal, spawn_silent};

/// Default of `KILN_KILLS`, the number of killed runs.
const KILLS: u32 = 8;
/// The approximate duration of the test's run.
const SPAN_MS: u32 = 2500;

/// A fixed sequence of random numbers (with the multiplier of Knuth's MMIX).
fn after(number: u64) -> u64 {
    number
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

#[test]
fn killed_run_leaves_no_process_or_lock() {
    let Some(arch) = arch() else { return };
    let kills = std::env::var("KILN_KILLS").map_or(KILLS, |count| count.parse().unwrap());
    let repo = TestRepo::of_area("evil");
    let args = ["evil::leaves-daemon", "evil::floods", "--exact"];
    let mut random = 1;
    for kill in 0..kills {
        random = after(random);
        let milliseconds = u64::from(SPAN_MS) * (random >> 40) / (1 << 24);
        let mut child = spawn_silent(repo.test(&arch, &args));
        std::thread::sleep(Duration::from_millis(milliseconds));
        // It may have just ended by itself.
        if child.try_wait().unwrap().is_none() {
            signal(&child, "-KILL");
        }
        let status = child.wait().unwrap();
        let why = format!("kill {kill}, after {milliseconds} ms");
        assert!(
            status.signal() == Some(9) || status.success(),
            "{why}: {status}"
        );
        assert_eq!(repo.processes_left(), Vec::<String>::new(), "{why}");
    }
    // A directory that was killed before it had its lock is removed when it is a minute old.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for entry in std::fs::read_dir(repo.tmp()).unwrap() {
        let directory = std::fs::File::open(entry.unwrap().path()).unwrap();
        directory.set_modified(hour_ago).unwrap();
    }
    let output = repo.test(&arch, &args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    repo.assert_clean("after a run that was not killed");
}
