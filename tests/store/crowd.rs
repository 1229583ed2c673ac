//! Many processes with one store and one recipe. The work is done once even if some are killed, and
//! a concurrent garbage collection removes nothing that is in use.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::disk;
use crate::tiny::Tiny;
use harness::parts;
use harness::store::act;

const PROCESSES: usize = 16;
/// Default of `KILN_CROWDS`, the number of rounds with killed processes.
const ROUNDS: u64 = 2;
/// Default of `KILN_GC_SECONDS`, the duration of garbage collection next to builds.
const GC_SECONDS: u64 = 4;

/// Starts concurrent builds.
fn builds(tiny: &Tiny, store: &str) -> Vec<Child> {
    (0..PROCESSES).map(|_| build(tiny, store)).collect()
}

fn build(tiny: &Tiny, store: &str) -> Child {
    let mut command = tiny.xtask(store, &["images"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Checks that all processes that were not killed print the same. Returns that output and how many
/// of them built.
fn agree(children: Vec<Child>) -> (BTreeSet<String>, usize) {
    let mut outputs = BTreeSet::new();
    let mut built = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let (code, out, err) = parts(output);
        if code == -1 {
            continue;
        }
        assert_eq!(code, 0, "{err}");
        built += err.matches("Built toolchain").count();
        outputs.insert(out);
    }
    (outputs, built)
}

#[test]
fn concurrent_processes_fetch_and_build_once() {
    let tiny = Tiny::new("image");
    let (outputs, built) = agree(builds(&tiny, "store"));
    assert_eq!((outputs.len(), built), (1, 1), "{outputs:?}");
    let asked = tiny.server.requests();
    let asked: Vec<&str> = asked.iter().map(|request| &*request.target).collect();
    assert_eq!(asked, ["/tiny.tar"]);
    let state = disk::state(&tiny.store("store"));
    assert!(state.wrong.is_empty(), "{state:?}");
    assert!(
        !state.names.iter().any(|name| name.starts_with("tmp/")),
        "{state:?}"
    );
}

#[test]
fn half_killed_processes_reach_the_same_result() {
    let tiny = Tiny::new("image");
    let (expected, _) = agree(vec![build(&tiny, "store-0")]);
    let rounds = std::env::var("KILN_CROWDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut random = 1_u64;
    for round in 1..=rounds {
        let store = format!("store-{round}");
        let mut children = builds(&tiny, &store);
        for child in children.iter_mut().step_by(2) {
            // A fixed sequence of random numbers (with the multiplier of Knuth's MMIX).
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_millis((random >> 33) % 200));
            child.kill().unwrap();
        }
        let (outputs, _) = agree(children);
        let here = |out: &String| out.replace("/store-0/", &format!("/{store}/"));
        assert_eq!(outputs, expected.iter().map(here).collect());
        // A later process has nothing left to do and does not wait.
        let (_, built) = agree(vec![build(&tiny, &store)]);
        assert_eq!(built, 0);
        let state = disk::state(&tiny.store(&store));
        assert!(state.wrong.is_empty(), "{state:?}");
        assert!(
            !state.names.iter().any(|name| name.starts_with("tmp/")),
            "{state:?}"
        );
    }
}

#[test]
fn gc_never_removes_entries_in_use() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    let seconds = std::env::var("KILN_GC_SECONDS");
    let seconds = seconds.map_or(GC_SECONDS, |seconds| seconds.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let run = |words: &[&str]| {
        let output = Command::new(act())
            .arg(&store)
            .args(words)
            .output()
            .unwrap();
        let (code, out, err) = parts(output);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    };
    let (uses, collections, collected) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let collect = || {
        let out = run(&["gc"]);
        collections.fetch_add(1, Ordering::Relaxed);
        let gone = out.lines().find_map(|line| line.strip_prefix("collected "));
        collected.fetch_add(gone.unwrap().parse().unwrap(), Ordering::Relaxed);
    };
    let failed = AtomicBool::new(false);
    let goes_on = || Instant::now() < end && !failed.load(Ordering::Relaxed);
    let guarded = |work: &dyn Fn()| {
        while goes_on() {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            failed.fetch_or(done.is_err(), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for number in ["1", "2", "3"] {
            let (guarded, uses, run) = (&guarded, &uses, &run);
            scope.spawn(move || {
                guarded(&|| {
                    assert_eq!(run(&["use", number]), "done\n");
                    uses.fetch_add(1, Ordering::Relaxed);
                });
            });
        }
        scope.spawn(|| guarded(&collect));
    });
    assert!(!failed.into_inner());
    // A collection waits for all users, so on a busy host none may have run yet.
    collect();
    let (uses, collected) = (uses.into_inner(), collected.into_inner());
    eprintln!(
        "{uses} uses next to {} collections of {collected} items",
        collections.into_inner()
    );
    assert!(uses > 0 && collected > 0);
}
