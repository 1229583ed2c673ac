//! The number of a run's processes, their time limits, and their end.

use super::*;

#[test]
fn script_is_killed_at_its_time_limit() {
    both_ways(|ways| {
        let mut world = World::new();
        world.options.sandbox = ways.options.sandbox;
        world.options.script_limit = Duration::from_millis(300);
        let mark = format!("2000.{}", std::process::id());
        let plan = Plan {
            steps: vec![step("slow", &format!("sleep {mark}\n"))],
        };
        let done = world.perform(&plan, &["slow"]);
        let error = &done.error().failures()[0].error;
        assert!(matches!(error, StepError::TimedOut { .. }), "{error}");
        assert_eq!(processes_with(&mark), 0);
        assert_no_remains(&world.root);
    });
}

/// Jobs record when they begin and end. The maximum overlap is the number of concurrent jobs.
#[test]
fn parallel_makes_share_the_job_limit() {
    if host::tools::find("make").is_none() {
        return;
    }
    let mut world = World::new();
    // Each step has its own slot. The job server has one more for a make.
    world.options.jobs = 3;
    let makefile = "all: a b c d e f\na b c d e f:\n\
        \t@read up rest </proc/uptime; echo \"start $$up\"; sleep 0.2; \
        read up rest </proc/uptime; echo \"end $$up\"\n";
    let mut plan = Plan { steps: Vec::new() };
    for name in ["one", "other"] {
        let mut step = step(name, "make -s -f \"$FILES/Makefile\" >\"$OUT/x\"\n");
        step.files.insert("Makefile".to_owned(), makefile.into());
        if let Action::Script(script) = &mut step.action {
            script.tools.push("make".to_owned());
        }
        plan.steps.push(step);
    }
    let done = world.perform(&plan, &["one", "other"]);
    let both = done.read("one", "x") + &done.read("other", "x");
    // Ends before starts if both have the same hundredth of a second.
    let mut changes: Vec<(f64, i32)> = both
        .lines()
        .map(|line| match line.split_once(' ').unwrap() {
            ("start", at) => (at.parse().unwrap(), 1),
            (_, at) => (at.parse().unwrap(), -1),
        })
        .collect();
    changes.sort_by(|one, other| one.partial_cmp(other).unwrap());
    assert_eq!(changes.len(), 24);
    let most = changes.iter().scan(0, |now, (_, change)| {
        *now += change;
        Some(*now)
    });
    assert_eq!(most.max(), Some(3));
    let log = world.store().log_dir();
    for entry in log.read_dir_utf8().unwrap() {
        let text = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        assert_eq!(text, "", "a make that lost the job server says so");
    }
}

const INTERRUPTED: &str = "build::tests::processes::helper_process_to_interrupt";

#[test]
#[ignore = "a process of its own, for `interruption_leaves_nothing_behind`"]
fn helper_process_to_interrupt() {
    host::interrupt::install().unwrap();
    let mut world = World::new();
    world.root = Utf8Path::new(".").canonicalize_utf8().unwrap();
    if world.root.join("off").exists() {
        world.options.sandbox = SandboxChoice::Off;
    }
    let script = fs_err::read_to_string("script").unwrap();
    let done = world.perform(
        &Plan {
            steps: vec![step("slow", &script)],
        },
        &["slow"],
    );
    assert!(
        matches!(done.error(), BuildError::Interrupted(_)),
        "{}",
        done.error()
    );
}

/// The number of processes with this text among their arguments.
fn processes_with(text: &str) -> usize {
    let processes = Utf8Path::new("/proc").read_dir_utf8().unwrap().flatten();
    let arguments = processes.filter_map(|entry| fs_err::read(entry.path().join("cmdline")).ok());
    arguments
        .filter(|line| String::from_utf8_lossy(line).contains(text))
        .count()
}

#[test]
fn interruption_leaves_nothing_behind() {
    both_ways(|world| {
        let (limit, look) = (Duration::from_secs(60), Duration::from_millis(20));
        let off = world.options.sandbox == SandboxChoice::Off;
        let mark = format!("1000.{}{}", std::process::id(), u8::from(off));
        let script = format!("echo begun\nsleep {mark} &\nsleep {mark}\n");
        fs_err::write(world.root.join("script"), &script).unwrap();
        if off {
            fs_err::write(world.root.join("off"), "").unwrap();
        }
        let this = fs_err::read_link("/proc/self/exe").unwrap();
        let child = host::process::Command::new(this)
            .args(["--exact", INTERRUPTED, "--ignored", "--nocapture"])
            .current_dir(&world.root)
            .stdout(host::process::Stdio::Null)
            .spawn()
            .unwrap();
        let start = host::clock::monotonic();
        while processes_with(&format!("sleep\0{mark}")) < 2 {
            assert!(start.elapsed() < limit && child.try_wait().is_none());
            host::clock::pause(look).unwrap();
        }
        child.waiter().signal(15);
        assert!(child.wait(limit).unwrap().success());
        assert_eq!(processes_with(&mark), 0);
        assert_no_remains(&world.root);
        let plan = Plan {
            steps: vec![step("slow", &script)],
        };
        assert!(
            !world
                .store()
                .has_entry(&EntryName::image(plan.steps[0].key))
        );
    });
}
