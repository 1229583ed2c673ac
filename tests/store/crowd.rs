//! Many processes at once: one store, one recipe. The work is done once, whoever is killed; and a
//! collection of garbage next to them takes nothing that is in use.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::disk;
use crate::tiny::Tiny;
use harness::parts;
use harness::store::act;

const PROCESSES: usize = 16;
/// Rounds in which some of them are killed: by `KILN_CROWDS`, else so many.
const ROUNDS: u64 = 2;
/// How long garbage is collected next to its makers: by `KILN_GC_SECONDS`, else so long.
const GC_SECONDS: u64 = 4;

/// As many as there are, at once.
fn builds(tiny: &Tiny, store: &str) -> Vec<Child> {
    (0..PROCESSES).map(|_| build(tiny, store)).collect()
}

fn build(tiny: &Tiny, store: &str) -> Child {
    let mut command = tiny.xtask(store, &["images"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What those that were not killed say, which is one thing, and how many of them built.
fn agree(children: Vec<Child>) -> (BTreeSet<String>, usize) {
    let mut said = BTreeSet::new();
    let mut built = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let (code, out, err) = parts(output);
        if code == -1 {
            continue;
        }
        assert_eq!(code, 0, "{err}");
        built += err.matches("Built toolchain").count();
        said.insert(out);
    }
    (said, built)
}

#[test]
fn sixteen_at_once_fetch_and_build_once() {
    let tiny = Tiny::new("image");
    let (said, built) = agree(builds(&tiny, "store"));
    assert_eq!((said.len(), built), (1, 1), "{said:?}");
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
            // Random numbers that are the same each time (with the multiplier of Knuth's MMIX).
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_millis((random >> 33) % 200));
            child.kill().unwrap();
        }
        let (said, _) = agree(children);
        let here = |out: &String| out.replace("/store-0/", &format!("/{store}/"));
        assert_eq!(said, expected.iter().map(here).collect());
        // And so does who comes later, for whom nothing is left to do or to wait for.
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
    // A collection waits for all users. On a busy host none may have come to its turn.
    collect();
    let (uses, collected) = (uses.into_inner(), collected.into_inner());
    eprintln!(
        "{uses} uses beside {} collections of {collected} things",
        collections.into_inner()
    );
    assert!(uses > 0 && collected > 0);
}
