//! Tests with scripts that act as QEMU: crashes, refusals, floods and ignored signals.

use std::os::unix::fs::PermissionsExt as _;

use host::scratch::Scratch;

use super::*;
use crate::history::{ExitCause, History};

const WAIT: Duration = Duration::from_secs(30);

struct Fake {
    scratch: Scratch,
}

impl Fake {
    fn new(script: &str) -> Self {
        let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "fake").unwrap();
        let path = scratch.path().join("qemu");
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { scratch }
    }

    fn start(&self) -> Vm {
        let run_dir = self.scratch.path();
        let binary = run_dir.join("qemu");
        let spec = ProcessSpec {
            binary: &binary,
            run_dir,
            directory: run_dir,
        };
        // A child that another test's thread is starting may still have the file open for writing
        // ("text file busy"), so the start is retried.
        for _ in 0..50 {
            match Vm::spawn_with(spec, true, |_| vec!["argument".into()]) {
                Err(QemuError::Spawn { why, .. }) if why.contains("busy") => {
                    host::clock::pause(Duration::from_millis(20)).unwrap();
                }
                vm => return vm.unwrap(),
            }
        }
        panic!("the fake stays busy");
    }
}

/// All events until the exit.
fn life(vm: &mut Vm) -> (History, Vec<VmEvent>) {
    let (mut history, mut events) = (History::default(), Vec::new());
    let deadline = Instant::now() + WAIT;
    while let Some(event) = vm.next(deadline) {
        history.note(&event);
        if !matches!(event, VmEvent::Ended(_)) {
            events.push(event);
        }
    }
    (history, events)
}

#[test]
fn crash_refusal_and_exit_are_distinguished() {
    let check = |script: &str, cause: ExitCause, message: &str| {
        let fake = Fake::new(script);
        let (history, _) = life(&mut fake.start());
        assert_eq!(history.exit_cause(), Some(cause), "{script}");
        assert_eq!(history.message_tail(), message);
    };
    check(
        "echo 'could not load kernel' >&2; exit 1",
        ExitCause::Failed { code: 1 },
        "could not load kernel",
    );
    check(
        "echo assertion >&2; kill -ABRT $$",
        ExitCause::Crashed { signal: 6 },
        "assertion",
    );
    check("kill -SEGV $$", ExitCause::Crashed { signal: 11 }, "");
    check("kill -SYS $$", ExitCause::Crashed { signal: 31 }, "");
    check("echo help", ExitCause::Silent, "help");
}

#[test]
fn exit_comes_after_all_messages() {
    let fake = Fake::new("i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; exit 3");
    let (_, events) = life(&mut fake.start());
    assert_eq!(events.len(), 501);
    assert_eq!(events[499], VmEvent::Stderr("line 499".into()));
    assert_eq!(events[500], VmEvent::Exited(Exit::Code(3)));
    let log = fs_err::read_to_string(fake.scratch.path().join(LOG)).unwrap();
    assert_eq!(log.lines().count(), 500);
}

#[test]
fn own_kill_ends_the_whole_group() {
    let fake = Fake::new("sleep 1000 & echo $! > child; echo up; wait");
    let mut vm = fake.start();
    assert_eq!(
        vm.next(Instant::now() + WAIT),
        Some(VmEvent::Stderr("up".into()))
    );
    vm.kill();
    let (history, _) = life(&mut vm);
    assert!(vm.was_killed());
    assert_eq!(history.exit, Some(Exit::Signal(9)));
    let child = fs_err::read_to_string(fake.scratch.path().join("child")).unwrap();
    // A signal takes effect with a delay. Then the child is gone, or an unreaped zombie.
    let deadline = Instant::now() + WAIT;
    let status = Utf8PathBuf::from(format!("/proc/{}/status", child.trim()));
    while fs_err::read_to_string(&status).is_ok_and(|text| !text.contains("State:\tZ")) {
        assert!(
            Instant::now() < deadline,
            "the group's other process lives on"
        );
        host::clock::pause(Duration::from_millis(5)).unwrap();
    }
}

#[test]
fn dropping_a_vm_ends_qemu() {
    let fake = Fake::new("sleep 1000");
    let vm = fake.start();
    let pid = vm.pid();
    drop(vm);
    assert!(!Utf8Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn qemu_ignoring_quit_and_sigterm_is_killed() {
    let fake = Fake::new("trap '' TERM; echo up; while :; do sleep 1; done");
    let mut vm = fake.start();
    assert_eq!(
        vm.next(Instant::now() + WAIT),
        Some(VmEvent::Stderr("up".into()))
    );
    assert_eq!(vm.quit(Duration::from_millis(200)), Exit::Signal(9));
    assert!(vm.was_killed());
}

#[test]
fn command_after_exit_fails_immediately() {
    let fake = Fake::new("exit 0");
    let mut vm = fake.start();
    life(&mut vm);
    let error = vm.status(WAIT).unwrap_err();
    let QemuError::Qmp { source, .. } = error else {
        panic!("{error}")
    };
    assert!(source.is_closed());
}

#[test]
fn unresponsive_qemu_costs_only_the_deadline() {
    let fake = Fake::new("sleep 1000");
    let vm = fake.start();
    let error = vm.status(Duration::from_millis(50)).unwrap_err();
    let QemuError::Qmp { command, source } = error else {
        panic!("{error}")
    };
    assert_eq!(command, "query-status");
    // On a busy host it waits longer.
    let message = source.to_string();
    let start = "Deadline: no answer to `query-status` within ";
    assert!(message.starts_with(start), "{message}");
}

#[test]
fn deadline_ends_write_to_unread_guest() {
    let fake = Fake::new("sleep 1000");
    let vm = fake.start();
    let error = vm
        .send_control(&vec![0; 8 << 20], Duration::from_millis(100))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the guest read nothing from its control channel within 100 ms"
    );
}

#[test]
fn file_that_is_not_executable_cannot_be_started() {
    let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "fake").unwrap();
    let binary = scratch.path().join("qemu");
    let spec = ProcessSpec {
        binary: &binary,
        run_dir: scratch.path(),
        directory: scratch.path(),
    };
    let error = Vm::spawn_with(spec, false, |_| Vec::new()).err().unwrap();
    assert!(
        error
            .to_string()
            .starts_with(&format!("failed to start `{binary}`: ")),
        "{error}"
    );
}

#[test]
fn probe_of_other_program_reports_its_output() {
    let check = |script: &str, expect: &str| {
        let fake = Fake::new(script);
        // The first start waits until the file is no longer busy, as above.
        drop(fake.start());
        let binary = fake.scratch.path().join("qemu");
        let error = crate::probe::ask(
            &binary,
            &[],
            fake.scratch.path(),
            Duration::from_millis(300),
        );
        let text = error.unwrap_err().to_string();
        assert_eq!(text.replace(binary.as_str(), "QEMU"), expect);
    };
    check(
        "echo 'unknown option' >&2; exit 127",
        "`QEMU` is not a QEMU system emulator: `--version` ended with exit status 127: unknown option",
    );
    check(
        &format!("{VERSION}echo 'libx.so: cannot open shared object file' >&2; exit 127"),
        "failed to query the capabilities of `QEMU`: it ended with exit status 127\n\
         libx.so: cannot open shared object file",
    );
    check(
        &format!("{VERSION}sleep 1000"),
        "failed to query the capabilities of `QEMU`: not within 300 ms",
    );
}

/// The start of a script that answers `--version` like QEMU.
const VERSION: &str = r#"case $1 in --version) echo "QEMU emulator version 7.2.22"; exit ;; esac
"#;

/// A QMP server that aborts on one query. Argument 1 is a pattern of the request.
const DIES_OVER: &str = r#"exec bash -c '
for arg; do case $arg in socket,id=kiln-qmp,fd=*) fd=${arg##*fd=} ;; esac; done
answer() { printf "{\"return\": %s, \"id\": %s}\n" "$1" "$id" >&"$fd"; }
printf "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n" >&"$fd"
while read -r line <&"$fd"; do
    case $line in *FATAL*) echo "qemu: Assertion FATAL failed." >&2; kill -ABRT $$ ;; esac
    [[ $line =~ \"id\":\ ?([0-9]+) ]]; id=${BASH_REMATCH[1]}
    case $line in
        *query-version*) answer "{\"qemu\": {\"major\": 7, \"minor\": 2, \"micro\": 22}}" ;;
        *query-machines*) answer "[{\"name\": \"m-1\", \"alias\": \"m\"}, {\"name\": \"other\"}]" ;;
        *"device_add help"*) answer "\"name \\\"edu\\\", bus PCI\"" ;;
        *implements*'"'"'"pci-device"'"'"'*) answer "[{\"name\": \"typed\"}]" ;;
        *netdev_add*) answer "\"Available netdev backend types:\\nuser\"" ;;
        *implements*'"'"'"accel"'"'"'*) answer "[{\"name\": \"tcg-accel\"}]" ;;
        *) answer "[]" ;;
    esac
done' qemu "$@""#;

#[test]
fn query_that_kills_qemu_spares_the_others() {
    let check = |fatal: &str, subjects: &[&str], lacks: &[&str]| {
        let fake = Fake::new(&format!("{VERSION}{}", DIES_OVER.replace("FATAL", fatal)));
        drop(fake.start());
        let binary = fake.scratch.path().join("qemu");
        let machines = ["m", "other", "unknown"];
        let wait = Duration::from_secs(60);
        let facts = crate::probe::ask(&binary, &machines, fake.scratch.path(), wait).unwrap();
        assert_eq!(facts.version.to_string(), "7.2.22", "{fatal}");
        let found: Vec<&str> = facts.unanswered.keys().map(String::as_str).collect();
        assert_eq!(found, subjects, "{fatal}");
        for why in facts.unanswered.values() {
            assert!(
                why.contains("(SIGABRT): ") && why.contains("Assertion"),
                "{why}"
            );
        }
        let known = [
            ("m", facts.has_machine("m")),
            ("m-1", facts.has_machine("m-1")),
            ("other", facts.has_machine("other")),
            ("edu", facts.has_device("edu")),
            ("typed", facts.has_device("typed")),
            ("user", facts.has_netdev("user")),
            ("tcg", facts.has_accel("tcg")),
        ];
        let absent: Vec<&str> = known
            .iter()
            .filter(|(_, has)| !has)
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(absent, lacks, "{fatal}");
    };
    check("nothing", &[], &["typed"]);
    check("m-1-machine", &["the machine `m`"], &["m", "m-1", "typed"]);
    check(
        "other-machine",
        &["the machine `other`"],
        &["other", "typed"],
    );
    check("device_add", &["its devices"], &["edu"]);
    check("netdev_add", &["its network backends"], &["typed", "user"]);
    check("query-cpu", &["its CPU models"], &["typed"]);
    check(
        "query-command-line",
        &["its command-line options"],
        &["typed"],
    );
    // Both ways to list the devices, and a machine.
    check(
        "qom-list",
        &["its accelerators", "the machine `m`", "the machine `other`"],
        &["m", "m-1", "other", "typed", "tcg"],
    );
}
