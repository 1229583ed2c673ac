//! What a script sees with and without the sandbox.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn sandboxed(options: &Options) -> bool {
    let root = sandbox::HostRoot::probe(None);
    let found = sandbox::probe(options.sandbox, &root, &options.path);
    matches!(found, sandbox::Sandboxing::Bubblewrap { .. })
}

#[test]
fn script_has_no_network() {
    let world = World::new();
    if sandboxed(&world.options) {
        let devices = world.run("cat /proc/net/dev >\"$OUT/x\"\n");
        let names: Vec<_> = devices
            .lines()
            .skip(2)
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(
            names.iter().map(|name| name.trim()).collect::<Vec<_>>(),
            ["lo"]
        );
    }
}

#[test]
fn only_declared_tools_are_on_the_path() {
    both_ways(|world| {
        let found =
            "for tool in cat ls cc; do command -v $tool || echo no $tool; done >\"$OUT/x\"\n";
        let mut step = step("one", found);
        if let Action::Script(script) = &mut step.action {
            script.env.remove("HOME");
        }
        let found = world
            .perform(&Plan { steps: vec![step] }, &["one"])
            .read("one", "x");
        let lines: Vec<_> = found.lines().collect();
        assert!(lines[0].ends_with("/tools/cat"), "{found}");
        assert_eq!(lines[1..], ["no ls", "no cc"]);
    });
}

#[test]
fn step_environment_is_exactly_its_own() {
    both_ways(|world| {
        let listing = "cat /proc/self/environ >\"$OUT/x\"\n";
        let found = world.run(listing);
        let mut names: Vec<_> = found
            .split_terminator('\0')
            .filter_map(|line| line.split('=').next())
            .collect();
        names.sort_unstable();
        let expect = [
            "BUILD",
            "FILES",
            "HOME",
            "IN",
            "LC_ALL",
            "MAKEFLAGS",
            "OUT",
            "PATH",
            "PWD",
            "SOURCE_DATE_EPOCH",
            "SRC",
            "TC",
        ];
        // Some shells export the working directory and some do not.
        names.retain(|name| *name != "OLDPWD" && *name != "_" && *name != "SHLVL");
        if !names.contains(&"PWD") {
            names.push("PWD");
            names.sort_unstable();
        }
        assert_eq!(names, expect);
    });
}

#[test]
fn sandboxed_script_cannot_write_inputs_or_host() {
    let world = World::new();
    if !sandboxed(&world.options) {
        return;
    }
    let mut plan = plan_of(&[("gmp", &[])]);
    let text = "for place in \"$IN/gmp\" \"$TC\" \"$SRC\" \"$FILES\" /tools /usr /; do\n\
        touch \"$place/new\" 2>/dev/null && echo \"$place\" || true\ndone >\"$OUT/x\"\n\
        touch /tmp/new \"$BUILD/new\" \"$OUT/new\"\n";
    let inputs = [("gmp", Mount::In)];
    plan.steps
        .push(with_inputs(step("gcc", text), &plan, &inputs));
    assert_eq!(world.perform(&plan, &["gcc"]).read("gcc", "x"), "");
}

#[test]
fn mode_bits_do_not_follow_the_caller() {
    both_ways(|world| {
        let plan = Plan {
            steps: vec![step("one", "umask >\"$OUT/x\"\nmkdir \"$OUT/d\"\n")],
        };
        let done = world.perform(&plan, &["one"]);
        assert_eq!(done.read("one", "x").trim_start_matches('0'), "22\n");
        let mode = |path: &str| {
            let path = done.ready["one"].path().join(path);
            fs_err::metadata(path).unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("x"), mode("d")), (0o644, 0o755));
    });
}

#[test]
fn run_without_the_sandbox_gives_the_same_bytes() {
    let mut trees = Vec::new();
    let worlds = [SandboxChoice::Auto, SandboxChoice::Off].map(|sandbox| {
        let mut world = World::new();
        world.options.sandbox = sandbox;
        world
    });
    for world in &worlds {
        let mut plan = plan_of(&[("gmp", &[])]);
        let text = "cat \"$IN/gmp/gmp\" >copy\nmkdir \"$OUT/sub\"\ncat copy >\"$OUT/sub/x\"\n\
            echo \"$LC_ALL $SOURCE_DATE_EPOCH\" >>\"$OUT/sub/x\"\n";
        plan.steps
            .push(with_inputs(step("gcc", text), &plan, &[("gmp", Mount::In)]));
        let done = world.perform(&plan, &["gcc"]);
        assert_eq!(done.read("gcc", "sub/x"), "gmp\nC 1000\n");
        trees.push(done.ready["gcc"].path());
    }
    assert_eq!(
        inspect::compare::first_difference(&trees[0], &trees[1]).unwrap(),
        None
    );
}

#[test]
fn missing_sandbox_is_reported_once() {
    let notes = |sandbox: SandboxChoice, path: &[&str]| {
        let mut world = World::new();
        world.options.sandbox = sandbox;
        world.options.path = path.iter().map(Utf8PathBuf::from).collect();
        let plan = plan_of(&[("gmp", &[]), ("gcc", &["gmp"])]);
        let done = world.perform(&plan, &["gcc"]);
        assert_eq!(done.read("gcc", "gcc"), "gcc\n");
        let is_note = |event: &&Event| matches!(event, Event::Note { .. });
        done.events.iter().filter(is_note).count()
    };
    // A directory with only the tools of the scripts has no bubblewrap.
    let tools = tempfile::tempdir().unwrap();
    for name in ["cat", "mkdir", "rmdir", "sh", "sleep", "touch"] {
        let link = tools.path().join(name);
        fs_err::os::unix::fs::symlink(format!("/bin/{name}"), link).unwrap();
    }
    let tools = tools.path().to_str().unwrap();
    assert_eq!(notes(SandboxChoice::Auto, &[tools]), 1);
    assert_eq!(notes(SandboxChoice::Off, &[tools]), 0);
}

#[test]
fn all_missing_tools_are_listed_first() {
    let world = World::new();
    let mut plan = plan_of(&[("gmp", &[])]);
    let mut gcc = step("gcc", "true\n");
    if let Action::Script(script) = &mut gcc.action {
        script
            .tools
            .extend(["no-such-bison".to_owned(), "no-such-flex".to_owned()]);
    }
    plan.steps
        .push(with_inputs(gcc, &plan, &[("gmp", Mount::In)]));
    let done = world.perform(&plan, &["gcc"]);
    assert_eq!(
        done.error().to_string(),
        "this host lacks tools that the build needs: `no-such-bison`, `no-such-flex`"
    );
    assert_eq!(
        done.error().hint().as_deref(),
        Some("cargo xtask setup --for build")
    );
    assert!(done.events.is_empty());
}
