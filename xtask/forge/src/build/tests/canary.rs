//! Tests the canary check with a fake toolchain that calls the host's compiler.

use plan::canary::{Canaries, CanaryLock};
use plan::step::Product;

use super::*;

const CANARY: &[u8] = b"int other(int x) { return x; }\nint sum(int x) { return x + ADD; }\n";

struct Trial {
    world: World,
    plan: Plan,
}

impl Trial {
    /// Creates a compiler that adds one, a `linux` step that uses it, and the lock.
    fn new() -> Self {
        let mut world = World::new();
        // So that the compiler can count its calls.
        world.options.sandbox = SandboxChoice::Off;
        let log = world.root.join("log");
        let full = world.root.join("full");
        let compiler = format!(
            "#!/bin/sh\necho tried >>{log}\n\
             if [ -e {full} ]; then echo no room >&2; exit 1; fi\n\
             PATH=/usr/bin:/bin exec cc -DADD=1 \"$@\"\n"
        );
        let mut gcc = step(
            "gcc",
            "mkdir \"$OUT/bin\"\ncat \"$FILES/gcc\" >\"$OUT/bin/none-gcc\"\n\
             PATH=/usr/bin:/bin chmod +x \"$OUT/bin/none-gcc\"\n",
        );
        gcc.files.insert("gcc".to_owned(), compiler.into_bytes());
        gcc.product = Product::Toolchain;
        let mut plan = Plan { steps: vec![gcc] };
        for name in ["linux", "busybox"] {
            let made = step(name, &format!("echo {name} >\"$OUT/x\"\n"));
            plan.steps
                .push(with_inputs(made, &plan, &[("gcc", Mount::Toolchain)]));
        }
        for step in &mut plan.steps {
            step.arch = Some("beta".to_owned());
        }
        let mut trial = Self { world, plan };
        trial.set(|canaries| {
            canaries
                .sources
                .insert("sums.c".to_owned(), CANARY.to_vec());
        });
        trial
    }

    fn set(&mut self, change: impl FnOnce(&mut Canaries)) {
        let mut canaries = Canaries::clone(&self.world.options.canaries);
        change(&mut canaries);
        self.world.options.canaries = Arc::new(canaries);
    }

    /// Accepts the current output of the compiler.
    fn freeze(&mut self) -> String {
        let (events, _kept) = mpsc::channel();
        let store = self.world.store();
        let wanted: Vec<_> = self.plan.ids().collect();
        let options = &self.world.options;
        let changed = refreeze(&store, &self.plan, &wanted, options, &events).unwrap();
        let [(path, text)] = &changed[..] else {
            panic!("{changed:?}");
        };
        assert_eq!(path, "images/beta/canaries.lock");
        let text = String::from_utf8(text.clone()).unwrap();
        let lock = lock(&text);
        self.set(|canaries| {
            canaries.locks.insert("beta".to_owned(), lock);
        });
        let again = refreeze(&store, &self.plan, &wanted, &self.world.options, &events).unwrap();
        assert_eq!(again, []);
        fs_err::remove_file(self.world.root.join("log")).unwrap();
        text
    }

    fn make(&self, recipe: &str) -> Result<(), BuildError> {
        let (events, _kept) = mpsc::channel();
        let wanted = self.plan.find(recipe, Some("beta")).unwrap();
        let store = self.world.store();
        perform(&store, &self.plan, &[wanted], &self.world.options, &events).map(drop)
    }

    /// The number of compiler calls since it was accepted.
    fn calls(&self) -> usize {
        let log = fs_err::read_to_string(self.world.root.join("log"));
        log.unwrap_or_default().lines().count()
    }

    fn entry(&self) -> Utf8PathBuf {
        let name = EntryName::of(&self.plan.steps[0], "0123456789ab");
        let entries = self.world.root.join("store/v1/entries");
        entries.join(name.to_string())
    }

    /// Makes the compiler add two, which does not change its size.
    fn damage(&self) {
        let file = self.entry().join("out/bin/none-gcc");
        let text = fs_err::read_to_string(&file).unwrap();
        fs_err::write(&file, text.replace("ADD=1", "ADD=2")).unwrap();
        let _ = fs_err::remove_dir_all(self.entry().join("notes"));
    }
}

/// Parses a lock as a checkout does.
fn lock(text: &str) -> CanaryLock {
    CanaryLock::read(text).unwrap()
}

#[test]
fn toolchain_is_tested_before_first_use() {
    let mut trial = Trial::new();
    let text = trial.freeze();
    assert!(
        text.contains("\".text.sum\" = ") && text.contains("-Os"),
        "{text}"
    );
    trial.make("linux").unwrap();
    assert_eq!(trial.calls(), 2);
    trial.make("busybox").unwrap();
    trial.make("gcc").unwrap();
    assert_eq!(trial.calls(), 2);
}

#[test]
fn concurrent_steps_test_their_toolchain_once() {
    let mut trial = Trial::new();
    trial.freeze();
    trial.world.options.jobs = 2;
    let (events, _kept) = mpsc::channel();
    let wanted = ["linux", "busybox"].map(|name| trial.plan.find(name, Some("beta")).unwrap());
    let (store, options) = (trial.world.store(), &trial.world.options);
    perform(&store, &trial.plan, &wanted, options, &events).unwrap();
    assert_eq!(trial.calls(), 2);
}

#[test]
fn restored_toolchain_is_tested_again() {
    let mut trial = Trial::new();
    trial.freeze();
    trial.make("linux").unwrap();
    let (entry, away) = (trial.entry(), trial.world.root.join("away"));
    fs_err::rename(&entry, &away).unwrap();
    let copy = host::process::Command::new("cp");
    copy.args(["-a", away.as_str(), entry.as_str()])
        .read(Duration::from_secs(60))
        .unwrap();
    trial.make("busybox").unwrap();
    assert_eq!(trial.calls(), 4);
}

#[test]
fn toolchain_emitting_other_code_is_quarantined() {
    for recipe in ["linux", "gcc"] {
        let mut trial = Trial::new();
        trial.freeze();
        trial.damage();
        let error = trial.make(recipe).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains(
                "the compiler for `beta` emits unexpected code: the object of canary \
                 `sums.c` at -O2 differs, the code of function `sum`; it was moved to `"
            ),
            "{message}"
        );
        let hint = error.hint().unwrap();
        assert!(
            hint.starts_with("rebuild the compiler: cargo xtask toolchain --arch beta"),
            "{hint}"
        );
        assert!(!trial.entry().exists());
        // Then it is built again and used.
        trial.make("linux").unwrap();
    }
}

#[test]
fn failing_compiler_is_reported_with_output() {
    let mut trial = Trial::new();
    trial.freeze();
    trial.damage();
    let file = trial.entry().join("out/bin/none-gcc");
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.replace("ADD=2", "ADD=@")).unwrap();
    let message = trial.make("linux").unwrap_err().to_string();
    assert!(
        message.contains("it ended with exit status 1: ") && message.contains("error: stray"),
        "{message}"
    );
}

#[test]
fn intact_failing_compiler_is_kept() {
    let mut trial = Trial::new();
    trial.freeze();
    // Simulates a host without space. The compiler itself is unchanged.
    fs_err::write(trial.world.root.join("full"), "").unwrap();
    let error = trial.make("linux").unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("failed to compile the canaries: it ended with exit status 1: no room"),
        "{message}"
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(&format!("rm -r {} && ", trial.entry())),
        "{hint}"
    );
    fs_err::remove_file(trial.world.root.join("full")).unwrap();
    trial.make("linux").unwrap();
}

#[test]
fn stale_canary_lock_keeps_the_toolchain() {
    let check = |trial: &Trial, expect: &str| {
        let error = trial.make("linux").unwrap_err();
        assert_eq!(error.to_string(), format!("`linux (beta)`: {expect}"));
        assert_eq!(
            error.hint().as_deref(),
            Some("cargo xtask images --refreeze --arch beta")
        );
        assert!(trial.entry().exists());
    };
    let mut trial = Trial::new();
    check(
        &trial,
        "missing `images/beta/canaries.lock`: the compiler cannot be checked",
    );
    trial.freeze();
    trial.set(|canaries| {
        canaries
            .sources
            .insert("more.c".to_owned(), b"int x;\n".to_vec());
    });
    let of = "`images/beta/canaries.lock` is out of date: it does not match";
    check(&trial, &format!("{of} the current canary `more.c`"));
    trial.set(|canaries| {
        canaries.sources.remove("more.c");
        canaries
            .sources
            .insert("sums.c".to_owned(), b"int x;\n".to_vec());
    });
    check(&trial, &format!("{of} the current canary `sums.c`"));
    trial.set(|canaries| {
        canaries
            .sources
            .insert("sums.c".to_owned(), CANARY.to_vec());
        let lock = canaries.locks.get_mut("beta").unwrap();
        let object = lock.objects.values().next().cloned().unwrap();
        let other = ("sums.c".to_owned(), "-O3".to_owned());
        lock.objects.insert(other, object);
    });
    check(
        &trial,
        &format!("{of} the current canaries: `sums.c` is not compiled with -O3"),
    );
    trial.set(|canaries| {
        let lock = canaries.locks.get_mut("beta").unwrap();
        lock.compiler = "0.9".to_owned();
    });
    check(&trial, &format!("{of} the compiler's version 1"));
}
