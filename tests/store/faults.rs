//! Injects a fault at each system call of an action on a store. strace counts the calls of a run
//! without faults. Then the action is repeated for each call with a copy of the store, and killed
//! or failed exactly there. `cargo test -p xtask --test store fault -- --nocapture` prints the
//! results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::disk::{self, State};
use harness::parts;
use harness::store::{act, has};

/// System calls that change something or wait for another process.
const EFFECTS: &str = "/^(openat|mkdir|mkdirat|symlink|symlinkat|write|pwrite64|copy_file_range|sendfile|\
    ftruncate|fsync|fdatasync|chmod|fchmod|fchmodat|rename|renameat|renameat2|link|linkat|unlink|\
    unlinkat|rmdir|utimensat|flock)$";

/// Faults in strace's syntax.
const FAULTS: [(&str, &str); 4] = [
    ("killed", "signal=KILL"),
    ("ENOSPC", "error=ENOSPC"),
    ("EROFS", "error=EROFS"),
    ("EACCES", "error=EACCES"),
];

/// An action and its preparation.
struct Act {
    name: &'static str,
    words: &'static [&'static str],
    before: &'static [&'static [&'static str]],
    /// Whether an item in the store is corrupted first.
    damaged: bool,
}

const ACTS: [Act; 8] = [
    Act {
        name: "first use",
        words: &["keep", "1"],
        before: &[],
        damaged: false,
    },
    Act {
        name: "blob",
        words: &["keep", "2"],
        before: &[&["keep", "1"]],
        damaged: false,
    },
    Act {
        name: "image",
        words: &["image", "2"],
        before: &[&["image", "1"]],
        damaged: false,
    },
    Act {
        name: "toolchain",
        words: &["toolchain", "2"],
        before: &[&["image", "1"]],
        damaged: false,
    },
    Act {
        name: "root",
        words: &["root", "2", "@SHARED@/checkout"],
        before: &[&["root", "1", "@SHARED@/checkout"]],
        damaged: false,
    },
    Act {
        name: "quarantine",
        words: &["mend", "2"],
        before: &[&["keep", "2"], &["image", "2"]],
        damaged: true,
    },
    Act {
        name: "gc",
        words: &["gc"],
        before: &[
            &["keep", "1"],
            &["keep", "2"],
            &["image", "2"],
            &["image", "3"],
            &["toolchain", "4"],
            &["root", "2", "@SHARED@/checkout"],
        ],
        damaged: false,
    },
    Act {
        name: "import",
        words: &["import", "@SHARED@/archive.tar"],
        before: &[&["keep", "1"]],
        damaged: false,
    },
];

/// One system call of an action: its name, its number among calls of that name, and its subject.
#[derive(Debug, Clone)]
struct Effect {
    call: String,
    number: usize,
    about: String,
}

/// A store for an action, with the files next to it, and the directory that all stores share.
struct Scene {
    home: PathBuf,
    shared: PathBuf,
}

impl Scene {
    fn store(&self) -> PathBuf {
        self.home.join("store")
    }

    fn words(&self, words: &[&str]) -> Vec<String> {
        let shared = self.shared.to_str().unwrap();
        let words = words.iter().map(|word| word.replace("@SHARED@", shared));
        words.collect()
    }

    /// Runs an action without a fault.
    fn perform(&self, words: &[&str]) {
        let mut command = Command::new(act());
        let command = command.arg(self.store()).args(self.words(words));
        let (code, out, err) = parts(command.output().unwrap());
        assert_eq!(code, 0, "{words:?}: {err}");
        assert!(!out.contains("waits"), "{words:?}: {out}");
    }

    /// Runs an action under strace.
    fn traced(&self, act: &Act, options: &[&str]) -> Output {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-qq"]).args(options);
        command
            .arg("--")
            .arg(harness::store::act())
            .arg(self.store());
        command.args(self.words(act.words)).output().unwrap()
    }

    fn copy(&self, home: &Path) -> Self {
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").args([&self.home, home]).status();
        assert!(copied.unwrap().success());
        Self {
            home: home.to_owned(),
            shared: self.shared.clone(),
        }
    }
}

/// An archive for all actions that import one.
fn archive(shared: &Path) {
    let other = Scene {
        home: shared.join("other"),
        shared: shared.to_owned(),
    };
    for number in ["0", "1", "2"] {
        other.perform(&["keep", number]);
    }
    other.perform(&["export", "@SHARED@/archive.tar", "3"]);
}

/// The store before the action.
fn prepare(act: &Act, shared: &Path, home: &Path) -> Scene {
    let scene = Scene {
        home: home.to_owned(),
        shared: shared.to_owned(),
    };
    std::fs::create_dir(home).unwrap();
    for words in act.before {
        scene.perform(words);
    }
    if act.damaged {
        disk::damage(&scene.store());
    }
    scene
}

/// The distinct system calls of an action on its store. Includes those of opening it if the action
/// does.
fn effects(act: &Act, scene: &Scene, trace: &Path) -> Vec<Effect> {
    let filter = format!("trace={EFFECTS}");
    let output = scene.traced(act, &["-o", trace.to_str().unwrap(), "-e", &filter]);
    let (code, _, err) = parts(output);
    assert_eq!(code, 0, "{err}");
    let store = scene.store();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut effects: Vec<Effect> = Vec::new();
    let mut open = false;
    for line in std::fs::read_to_string(trace).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, words)) = rest.trim_start().split_once('(') else {
            continue;
        };
        if rest.contains(" resumed>") {
            continue;
        }
        let key = (thread.to_owned(), call.to_owned());
        let number = counts.entry(key).and_modify(|n| *n += 1).or_insert(1);
        let reads = call == "openat" && !words.contains("O_CREAT");
        let known = |effect: &Effect| effect.call == call && effect.number == *number;
        let Some((_, path)) = words.split_once(&format!("{}/", store.display())) else {
            continue;
        };
        if reads || effects.iter().any(known) {
            continue;
        }
        if path.starts_with("v1/lock/use.lock") && call == "flock" && !open {
            open = true;
            if !act.before.is_empty() {
                effects.clear();
            }
        }
        let about = path.split(['"', '>', '<']);
        effects.push(Effect {
            call: call.to_owned(),
            number: *number,
            about: about.take(1).map(disk::general).collect(),
        });
    }
    effects
}

/// Runs an action with a fault. Returns a word for the table, or the error.
fn suffer(act: &Act, scene: &Scene, effect: &Effect, fault: &str, after: &State) -> String {
    let how = FAULTS.iter().find(|(name, _)| *name == fault).unwrap().1;
    let inject = format!("inject={}:{how}:when={}", effect.call, effect.number);
    let filter = format!("trace={}", effect.call);
    let store = scene.store();
    let before = disk::state(&store);
    let output = scene.traced(act, &["-o", "/dev/null", "-e", &filter, "-e", &inject]);
    let status = output.status;
    let (code, _, err) = parts(output);
    let outcome = match (fault, code) {
        ("killed", _) => {
            assert_eq!(status.signal(), Some(9), "{err}");
            "killed".to_owned()
        }
        (_, 0) => "went on".to_owned(),
        (_, 1) => refusal(fault, &store, &err),
        _ => panic!("ended with {status:?}: {err}"),
    };
    // Before any cleanup, the content of every name must match it.
    let found = disk::state(&store);
    assert!(found.wrong.is_subset(&before.wrong), "{found:?} {err}");
    if outcome == "went on" && act.name != "gc" {
        assert!(found.has_all_of(after), "{found:?}");
    }
    // The next run does not wait and reaches the same result.
    scene.perform(act.words);
    assert_eq!(disk::state(&store), *after, "after the next run");
    outcome
}

/// Checks that the error names the store, the problem and a hint, and the missing bytes if the disk
/// is full.
fn refusal(fault: &str, store: &Path, err: &str) -> String {
    let store = store.to_str().unwrap();
    assert!(err.contains(store) && err.contains("\nhelp: "), "{err}");
    let says = match fault {
        "ENOSPC" => "no space left in `",
        "EROFS" => "is read-only",
        _ if err.contains("is read-only") => "KILN_STORE",
        _ => "Permission denied",
    };
    assert!(err.contains(says), "{err}");
    let bytes = err.split(" for ").nth(1).filter(|_| fault == "ENOSPC");
    let bytes = bytes.and_then(|rest| rest.split(" bytes").next());
    bytes.map_or_else(|| "refused".to_owned(), |bytes| format!("{bytes} bytes"))
}

/// Injects all faults at all system calls of an action. Returns lines for the table, and the
/// failures.
fn table(act: &Act, shared: &Path, home: &Path) -> (String, Vec<String>) {
    std::fs::create_dir(home).unwrap();
    let before = prepare(act, shared, &home.join("before"));
    let clean = before.copy(&home.join("clean"));
    let effects = effects(act, &clean, &home.join("trace"));
    assert!(effects.len() > 5, "{effects:?}");
    let after = disk::state(&clean.store());
    assert!(after.wrong.is_empty(), "{after:?}");
    let cases: Vec<(usize, &str)> = (0..effects.len())
        .flat_map(|at| FAULTS.map(|(fault, _)| (at, fault)))
        // A lock is not a write, so its holder can only be killed.
        .filter(|&(at, fault)| fault == "killed" || effects[at].call != "flock")
        .collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(&(at, fault)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let scene = before.copy(&home.join(format!("{at}-{fault}")));
                    let try_it = || suffer(act, &scene, &effects[at], fault, &after);
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(try_it));
                    let outcome = outcome.unwrap_or_else(|_| {
                        let effect = &effects[at];
                        let line = format!("{}: {fault} at {effect:?}", act.name);
                        locked(&failed).push(line);
                        "WRONG".to_owned()
                    });
                    std::fs::remove_dir_all(&scene.home).unwrap();
                    locked(&results).insert((at, fault), outcome);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let mut lines = String::new();
    for (at, effect) in effects.iter().enumerate() {
        let Effect {
            call,
            number,
            about,
        } = effect;
        let _ = write!(
            lines,
            "{:<10}  {call:>15} {number:<3} {about:<38}",
            act.name
        );
        for (fault, _) in FAULTS {
            let outcome = results.get(&(at, fault)).map_or("", String::as_str);
            let _ = write!(lines, " {outcome:<13}");
        }
        lines.push('\n');
    }
    (lines, failed.into_inner().unwrap())
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn fault_at_any_write_leaves_consistent_store() {
    if !has("strace", "-V") {
        return;
    }
    // Uses memory if possible: the faults are the same, and no disk slows the test.
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let home = home.unwrap();
    archive(home.path());
    let mut failed = Vec::new();
    for (number, act) in ACTS.iter().enumerate() {
        let (lines, wrong) = table(act, home.path(), &home.path().join(number.to_string()));
        eprint!("{lines}");
        failed.extend(wrong);
    }
    assert_eq!(failed, Vec::<String>::new());
}
