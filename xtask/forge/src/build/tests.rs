//! Performs small plans with real stores, real processes, and the sandbox if the host has one.

use std::sync::mpsc::{self, Receiver};

use camino::Utf8Path;
use plan::step::{Action, InitramfsEntry, InitramfsKind, InputFile, Mount};

use super::fixture::{id, plan_of, step, with_inputs};
use super::*;

mod canary;
mod leaks;
mod processes;
mod refreeze;
mod view;

struct World {
    _scratch: tempfile::TempDir,
    root: Utf8PathBuf,
    options: Options,
}

impl World {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(scratch.path().to_owned()).unwrap();
        let path = vec!["/usr/bin".into(), "/bin".into()];
        let mut options = Options::new(Remotes::offline(), path);
        options.jobs = 2;
        options.host_id = Some("0123456789ab".to_owned());
        Self {
            _scratch: scratch,
            root,
            options,
        }
    }

    /// Runs without the sandbox, so that scripts can meet in its root directory.
    fn meeting() -> Self {
        let mut world = Self::new();
        world.options.sandbox = SandboxChoice::Off;
        world.options.script_limit = Duration::from_secs(60);
        world
    }

    fn store(&self) -> Store {
        Store::open(&self.root.join("store")).unwrap()
    }

    fn perform(&self, plan: &Plan, wanted: &[&str]) -> Done {
        let wanted: Vec<_> = wanted.iter().map(|recipe| id(plan, recipe)).collect();
        let (events, received) = mpsc::channel();
        let result = perform(&self.store(), plan, &wanted, &self.options, &events);
        drop(events);
        let mut ready = BTreeMap::new();
        let result = result.map(|made| {
            ready.extend(
                made.into_iter()
                    .map(|(id, made)| (plan.step(id).recipe.clone(), made)),
            );
        });
        Done {
            ready,
            result,
            events: collect(&received),
        }
    }

    /// Runs one script and returns what it wrote to `$OUT/x`.
    fn run(&self, text: &str) -> String {
        let plan = Plan {
            steps: vec![step("one", text)],
        };
        self.perform(&plan, &["one"]).read("one", "x")
    }
}

fn collect(received: &Receiver<Event>) -> Vec<Event> {
    received.try_iter().collect()
}

struct Done {
    ready: BTreeMap<String, Ready>,
    result: Result<(), BuildError>,
    events: Vec<Event>,
}

impl Done {
    fn read(&self, recipe: &str, path: &str) -> String {
        if let Err(error) = &self.result {
            panic!("{error}");
        }
        fs_err::read_to_string(self.ready[recipe].path().join(path)).unwrap()
    }

    fn started(&self) -> Vec<&str> {
        let started = self.events.iter().filter_map(|event| match event {
            Event::StepStarted { recipe, .. } => Some(recipe.as_str()),
            _ => None,
        });
        started.collect()
    }

    fn error(&self) -> &BuildError {
        self.result.as_ref().unwrap_err()
    }
}

/// Runs a check with and without the sandbox.
fn both_ways(check: impl Fn(&World)) {
    for sandbox in [SandboxChoice::Auto, SandboxChoice::Off] {
        let mut world = World::new();
        world.options.sandbox = sandbox;
        check(&world);
    }
}

#[test]
fn requested_step_builds_its_inputs() {
    both_ways(|world| {
        let mut plan = plan_of(&[("gmp", &[]), ("gcc", &["gmp"]), ("other", &[])]);
        let text = "cat \"$IN/gcc/gcc\" \"$TC/gmp\" \"$FILES/config\" >\"$OUT/x\"\n";
        let mut linux = step("linux", text);
        linux
            .files
            .insert("config".to_owned(), b"CONFIG_A=y\n".to_vec());
        let inputs = [("gmp", Mount::Toolchain), ("gcc", Mount::In)];
        plan.steps.push(with_inputs(linux, &plan, &inputs));
        let done = world.perform(&plan, &["linux"]);
        assert_eq!(done.read("linux", "x"), "gcc\ngmp\nCONFIG_A=y\n");
        assert_eq!(done.started(), ["gmp", "gcc", "linux"]);
        assert_eq!(done.ready.len(), 1);
    });
}

#[test]
fn second_run_makes_nothing() {
    let world = World::new();
    let plan = plan_of(&[("gmp", &[]), ("gcc", &["gmp"])]);
    world.perform(&plan, &["gcc"]);
    let again = world.perform(&plan, &["gcc"]);
    assert_eq!(again.read("gcc", "gcc"), "gcc\n");
    assert!(again.events.is_empty(), "{:?}", again.events);
}

/// A script line that waits for a file from another process. The time limit of the script is its
/// deadline.
fn wait_for(sign: &Utf8Path) -> String {
    format!("while ! test -e {sign}; do sleep 0.01; done\n")
}

#[test]
fn independent_steps_run_at_once() {
    let world = World::meeting();
    let signs = ["one", "other"].map(|name| world.root.join(name));
    let script = |own: usize| format!("touch {}\n{}", signs[own], wait_for(&signs[1 - own]));
    let plan = Plan {
        steps: vec![step("one", &script(0)), step("other", &script(1))],
    };
    let done = world.perform(&plan, &["one", "other"]);
    assert_eq!(done.ready.len(), 2, "{:?}", done.result);
}

#[test]
fn failure_keeps_log_and_shows_tail() {
    both_ways(|world| {
        let text = "i=0\nwhile [ $i -lt 30 ]; do i=$((i + 1)); echo \"line $i\"; done\n\
            echo last words >&2\nfalse\necho not reached\n";
        let plan = Plan {
            steps: vec![step("gcc", text)],
        };
        let done = world.perform(&plan, &["gcc"]);
        let StepError::Script {
            status,
            log,
            tail,
            kept,
        } = &done.error().failures()[0].error
        else {
            panic!("{}", done.error());
        };
        assert_eq!(status.code(), Some(1));
        assert_eq!(tail.len(), 20);
        assert_eq!(
            (tail[0].as_str(), tail[19].as_str()),
            ("line 12", "last words")
        );
        assert_eq!(*kept, None);
        let log = fs_err::read_to_string(log).unwrap();
        assert!(
            log.starts_with("line 1\nline 2\n") && log.ends_with("last words\n"),
            "{log}"
        );
        assert_no_remains(&world.root);
    });
}

/// Checks that no work area is left.
fn assert_no_remains(root: &Utf8Path) {
    let names = root.join("store/v1/tmp").read_dir_utf8().unwrap();
    let names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn failed_work_directory_is_kept_on_request() {
    let mut world = World::new();
    world.options.keep_failed = true;
    let plan = Plan {
        steps: vec![step("gcc", "echo 1 >here\necho 2 >\"$OUT/there\"\nfalse\n")],
    };
    let done = world.perform(&plan, &["gcc"]);
    let hint = done.error().hint().unwrap();
    let kept = Utf8Path::new(hint.strip_prefix("cd ").unwrap());
    assert_eq!(
        fs_err::read_to_string(kept.join("scratch/build/here")).unwrap(),
        "1\n"
    );
    assert_eq!(
        fs_err::read_to_string(kept.join("out/there")).unwrap(),
        "2\n"
    );
    assert!(kept.join("scratch/build.sh").is_file());
    assert_no_remains(&world.root);
}

#[test]
fn running_steps_finish_after_a_failure() {
    let world = World::meeting();
    let (begun, failed) = (world.root.join("begun"), world.root.join("failed-now"));
    let mut plan = plan_of(&[]);
    plan.steps.push(step(
        "bad",
        &format!("{}touch {failed}\nfalse\n", wait_for(&begun)),
    ));
    let slow = format!(
        "touch {begun}\n{}sleep 0.5\ntouch \"$OUT/x\"\n",
        wait_for(&failed)
    );
    plan.steps.push(step("slow", &slow));
    plan.steps.push(with_inputs(
        step("later", "true\n"),
        &plan,
        &[("slow", Mount::In)],
    ));
    let done = world.perform(&plan, &["bad", "later"]);
    let failures: Vec<_> = done
        .error()
        .failures()
        .iter()
        .map(|f| f.step.as_str())
        .collect();
    assert_eq!(failures, ["bad"]);
    assert!(
        world
            .store()
            .has_entry(&EntryName::image(plan.step(id(&plan, "slow")).key))
    );
    assert!(!done.started().contains(&"later"));
}

#[test]
fn next_run_resumes_after_last_finished_step() {
    let world = World::new();
    let mut plan = plan_of(&[("gmp", &[])]);
    plan.steps.push(with_inputs(
        step("gcc", "false\n"),
        &plan,
        &[("gmp", Mount::In)],
    ));
    assert_eq!(world.perform(&plan, &["gcc"]).started(), ["gmp", "gcc"]);
    // The recipe was fixed.
    plan.steps.truncate(1);
    let mended = step("gcc", "cat \"$IN/gmp/gmp\" >\"$OUT/x\"\n");
    plan.steps
        .push(with_inputs(mended, &plan, &[("gmp", Mount::In)]));
    let done = world.perform(&plan, &["gcc"]);
    assert_eq!(done.read("gcc", "x"), "gmp\n");
    assert_eq!(done.started(), ["gcc"]);
}

#[test]
fn concurrent_runs_build_a_step_once() {
    let world = World::meeting();
    let sign = world.root.join("somebody-waits");
    let plan = Plan {
        steps: vec![step("gcc", &wait_for(&sign))],
    };
    let (store, wanted) = (world.store(), [id(&plan, "gcc")]);
    let (events, received) = mpsc::channel();
    let seen = std::thread::scope(|scope| {
        for events in [events.clone(), events] {
            let (store, plan, options) = (&store, &plan, &world.options);
            scope.spawn(move || perform(store, plan, &wanted, options, &events).unwrap());
        }
        let mut seen = Vec::new();
        // The loop ends when both runs have dropped their senders.
        for event in received {
            if matches!(event, Event::Waiting { .. }) {
                fs_err::write(&sign, "").unwrap();
            }
            seen.push(event);
        }
        seen
    });
    let started = seen
        .iter()
        .filter(|event| matches!(event, Event::StepStarted { .. }));
    assert_eq!(started.count(), 1);
    let waiting = Event::Waiting {
        on: "`gcc`, which another process is building".to_owned(),
    };
    assert_eq!(seen.iter().filter(|event| **event == waiting).count(), 1);
}

#[test]
fn toolchains_are_per_host_and_images_are_not() {
    let mut world = World::new();
    let mut plan = plan_of(&[("gmp", &[]), ("image", &[])]);
    plan.steps[0].product = Product::Toolchain;
    let made = |world: &World| {
        let done = world.perform(&plan, &["gmp", "image"]);
        let mut started = done.started();
        started.sort_unstable();
        started.join(" ")
    };
    assert_eq!(made(&world), "gmp image");
    world.options.host_id = Some("another-host".to_owned());
    assert_eq!(made(&world), "gmp");
    assert_eq!(made(&world), "");
}

#[test]
fn initramfs_and_image_are_assembled_from_inputs() {
    let world = World::new();
    let mut plan = plan_of(&[("busybox", &[])]);
    let file = |recipe: &str, path: &str| InputFile {
        recipe: recipe.into(),
        path: path.into(),
    };
    let mut initramfs = step("initramfs", "");
    initramfs.action = Action::Initramfs(vec![InitramfsEntry {
        path: "init".to_owned(),
        mode: 0o755,
        kind: InitramfsKind::File(file("busybox", "busybox")),
    }]);
    plan.steps
        .push(with_inputs(initramfs, &plan, &[("busybox", Mount::In)]));
    let mut image = step("image", "gather");
    let name = "initramfs.cpio".to_owned();
    image.action = Action::Gather([(name, file("initramfs", "initramfs.cpio"))].into());
    plan.steps
        .push(with_inputs(image, &plan, &[("initramfs", Mount::In)]));
    let archive = world
        .perform(&plan, &["image"])
        .read("image", "initramfs.cpio");
    // The time in it is the scripts' `SOURCE_DATE_EPOCH`, 1000.
    let entry = plan::cpio::Entry {
        path: "init".to_owned(),
        mode: 0o755,
        node: plan::cpio::Node::File(b"busybox\n".to_vec()),
    };
    let expect = plan::cpio::archive(&[entry], 1000).unwrap();
    assert_eq!(
        inspect::compare::first_difference_in(archive.as_bytes(), &expect),
        None
    );
}

#[test]
fn status_predicts_a_run_without_effects() {
    let world = World::new();
    let mut plan = plan_of(&[
        ("gmp", &[]),
        ("gcc", &["gmp"]),
        ("linux", &["gcc"]),
        ("other", &[]),
    ]);
    plan.steps[0].product = Product::Toolchain;
    plan.steps[2].sources.push(plan::source::Source {
        name: "linux".to_owned(),
        pin: SourcePin {
            file: "linux.tar.xz".to_owned(),
            size: 1,
            sha256: plan::digest::Digest::of(b"no such file"),
            locations: Vec::new(),
        },
        inner: None,
        strip: 1,
        patches: Vec::new(),
    });
    let show = || {
        let wanted = [id(&plan, "linux")];
        let status = status(
            &world.store(),
            &plan,
            &wanted,
            world.options.host_id.as_deref(),
        );
        let mut words: Vec<_> = status
            .steps
            .iter()
            .map(|(id, state)| format!("{} {state:?}", plan.step(*id)))
            .collect();
        words.extend(status.fetch.iter().map(|pin| pin.file.clone()));
        words.join(", ")
    };
    assert_eq!(
        show(),
        "gmp Missing, gcc Missing, linux Missing, other Unneeded, linux.tar.xz"
    );
    world.perform(&plan, &["gcc"]).read("gcc", "gcc");
    assert_eq!(
        show(),
        "gmp Ready, gcc Ready, linux Missing, other Unneeded, linux.tar.xz"
    );
    let error = world.perform(&plan, &["linux"]);
    assert!(
        matches!(error.error(), BuildError::Offline(_)),
        "{}",
        error.error()
    );
    assert!(
        error.error().to_string().contains("linux.tar.xz"),
        "{}",
        error.error()
    );
}
