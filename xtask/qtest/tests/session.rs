//! Tests the client of the qtest protocol with every installed QEMU.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use harness::clock::Steps;
use harness::skip;
use host::scratch::Scratch;
use host::test_time::{Activity, TestClock};
use qemu::Facts;
use qtest::memory::Layout;
use qtest::session::{Session, Spec};
use qtest::{QtestError, Width};

const WAIT: Duration = Duration::from_secs(30);

struct Installed {
    binary: Utf8PathBuf,
    facts: Facts,
    scratch: Scratch,
}

impl Installed {
    /// `None`, with the reason printed, if the binary is missing.
    fn find(binary: &str) -> Option<Self> {
        let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "qtest").unwrap();
        let Some(binary) = host::tools::find(binary) else {
            skip(&format!("`{binary}` is not installed"));
            return None;
        };
        let facts = qemu::probe::ask(&binary, &[], scratch.path(), WAIT).unwrap();
        Some(Self {
            binary,
            facts,
            scratch,
        })
    }

    fn start(&self, arguments: &[&str], wait: Duration) -> Session {
        self.start_with(arguments, wait, None)
    }

    fn start_with(&self, arguments: &[&str], wait: Duration, memory: Option<&Layout>) -> Session {
        self.start_on(&TestClock::default(), arguments, wait, memory)
    }

    fn start_on(
        &self,
        clock: &TestClock,
        arguments: &[&str],
        wait: Duration,
        memory: Option<&Layout>,
    ) -> Session {
        let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
        Session::start(&Spec {
            binary: &self.binary,
            facts: &self.facts,
            run_dir: self.scratch.path(),
            arguments: &arguments,
            wait,
            clock,
            memory,
        })
        .unwrap()
    }
}

/// An interrupt of the serial port arrives at the I/O APIC.
#[test]
fn interrupts_are_intercepted() {
    let Some(installed) = Installed::find("qemu-system-x86_64") else {
        return;
    };
    let mut session = installed.start(&["-machine", "q35", "-serial", "null"], WAIT);
    session.irq_intercept_in("ioapic").unwrap();
    // 16550: out2 enables interrupts, then "transmitter empty" is requested, which is immediately
    // true.
    session.outb(0x3f8 + 4, 0x08).unwrap();
    session.outb(0x3f8 + 1, 0x02).unwrap();
    session.inb(0x3f8 + 5).unwrap();
    let irqs = session.take_irqs();
    assert!(
        irqs.iter().any(|irq| irq.line == 4 && irq.raised),
        "{irqs:?}"
    );
}

#[test]
fn memory_has_the_byte_order_of_the_guest() {
    let check = |binary: &str, machine: &str, ram: u64, big_endian: bool| {
        let Some(installed) = Installed::find(binary) else {
            return;
        };
        let mut session = installed.start(&["-machine", machine], WAIT);
        assert_eq!(session.big_endian().unwrap(), big_endian);
        let number = 0x0123_4567_89ab_cdef;
        session.write_width(Width::Q, ram, number).unwrap();
        assert_eq!(session.read_width(Width::Q, ram).unwrap(), number);
        let mut bytes = number.to_be_bytes();
        if !big_endian {
            bytes.reverse();
        }
        assert_eq!(session.read(ram, 8).unwrap(), bytes);
        session.write_le(Width::L, ram, 0x0102_0304).unwrap();
        assert_eq!(session.read(ram, 4).unwrap(), [4, 3, 2, 1]);
        assert_eq!(session.read_le(Width::L, ram).unwrap(), 0x0102_0304);
        session.memset(ram, 8, 0x5a).unwrap();
        let long: Vec<u8> = (0..40_000u32).map(|it| (it % 251) as u8).collect();
        session.write(ram, &long).unwrap();
        assert_eq!(session.read(ram, long.len()).unwrap(), long);
        assert_eq!(session.read(ram, 0).unwrap(), b"");
    };
    check("qemu-system-x86_64", "q35", 0x10_0000, false);
    check("qemu-system-aarch64", "virt", 0x4000_0000, false);
    check("qemu-system-ppc64", "pseries", 0x10_0000, true);
}

/// A block is the same through the file and through the protocol, which numbers always use.
#[test]
fn shared_memory_is_the_memory_of_the_machine() {
    let check = |binary: &str, machine: &str, start: u64, size: u64| {
        let Some(installed) = Installed::find(binary) else {
            return;
        };
        let layout = Layout {
            start,
            size,
            plain: start + 0x100_0000..start + size,
        };
        let memory = format!("{size}B");
        let arguments = ["-machine", machine, "-m", &memory];
        let mut session = installed.start_with(&arguments, WAIT, Some(&layout));
        session.readb(layout.plain.start).unwrap();
        let (first, last) = (layout.plain.start, layout.plain.end - 8);
        for address in [first, last] {
            session.write(address, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
            assert_eq!(session.read_le(Width::L, address + 4).unwrap(), 0x0807_0605);
            session.write_le(Width::W, address, 0x1200).unwrap();
            assert_eq!(session.read(address, 4).unwrap(), [0, 0x12, 3, 4]);
        }
        // The commands of the log are those that a session without the file sends.
        let text = session.transcript().text();
        for line in [
            format!("> write {first:#x} 0x8 0x0102030405060708\n< OK\n"),
            format!("> read {first:#x} 0x4\n< OK 0x00120304\n"),
        ] {
            assert!(text.contains(&line), "{text}");
        }
        let file = installed.scratch.path().join("memory");
        assert!(file.exists());
        drop(session);
        assert!(!file.exists());
    };
    check("qemu-system-x86_64", "q35", 0, 128 << 20);
    check("qemu-system-aarch64", "virt", 0x4000_0000, 128 << 20);
    check("qemu-system-ppc64", "pseries", 0, 512 << 20);
}

#[test]
fn refused_command_carries_the_message_of_qemu() {
    let Some(installed) = Installed::find("qemu-system-aarch64") else {
        return;
    };
    let mut session = installed.start(&["-machine", "virt"], WAIT);
    let error = session.command("nonsense").unwrap_err();
    assert!(matches!(&error, QtestError::Refused { reply, .. } if reply.contains("nonsense")));
    if !session.has_clock() {
        let error = session.clock_step(None).unwrap_err();
        let expect = "`clock_step` needs the `qtest` accelerator, which this QEMU lacks";
        assert_eq!(error.to_string(), expect);
        assert!(error.hint().unwrap().contains("--qemu"));
    }
}

#[test]
fn failed_start_is_explained_by_qemu_output() {
    let Some(installed) = Installed::find("qemu-system-aarch64") else {
        return;
    };
    let mut session = installed.start(&["-machine", "no-such-machine"], WAIT);
    let error = session.readl(0).unwrap_err().to_string();
    assert!(error.contains("QEMU ended with exit status 1"), "{error}");
    assert!(error.contains("unsupported machine type"), "{error}");
}

#[test]
fn stopped_qemu_ends_at_the_deadline() {
    let Some(installed) = Installed::find("qemu-system-aarch64") else {
        return;
    };
    let mut session = installed.start(&["-machine", "virt"], Duration::from_millis(300));
    signal("-STOP", session.pid());
    let error = session.readl(0x4000_0000).unwrap_err();
    let expect = "QEMU did not reply to `readl 0x40000000` within 300 ms: a signal has stopped it";
    assert_eq!(error.to_string(), expect);
}

fn signal(name: &str, pid: u32) {
    let sent = host::process::Command::new("kill")
        .args([name, &pid.to_string()])
        .output(WAIT);
    assert!(sent.unwrap().status.success());
}

/// QEMU is stopped, and continues after 25 samples, which are 100 s. The limit is 10 s. A clock that does
/// not know that QEMU waited for a processor ends the wait before that.
#[test]
fn only_starved_qemu_may_reply_late() {
    let check = |source: Steps, expect: Option<Activity>| {
        let Some(installed) = Installed::find("qemu-system-aarch64") else {
            return;
        };
        let pid = Arc::new(AtomicU32::new(0));
        let stopped = Arc::clone(&pid);
        let continues = move || signal("-CONT", stopped.load(Ordering::SeqCst));
        let clock = TestClock::from_source(source.until(25, continues), 1.0);
        let wait = Duration::from_secs(10);
        let mut session = installed.start_on(&clock, &["-machine", "virt"], wait, None);
        pid.store(session.pid(), Ordering::SeqCst);
        signal("-STOP", session.pid());
        match (session.readl(0x4000_0000), expect) {
            (Ok(_), None) => {}
            (Err(QtestError::Deadline { activity, .. }), Some(expect)) => {
                assert_eq!(activity, expect);
            }
            (found, expect) => panic!("expected {expect:?}, found {found:?}"),
        }
    };
    check(Steps::starved(), None);
    check(Steps::computing(), Some(Activity::Computing));
    check(Steps::idle(), Some(Activity::Idle));
}

/// Bytes that `b64write` writes are those that `read` and `b64read` return.
#[test]
fn base64_transfers_the_same_bytes() {
    let Some(installed) = Installed::find("qemu-system-x86_64") else {
        return;
    };
    let mut session = installed.start(&["-machine", "pc", "-m", "64M"], WAIT);
    for length in [1, 2, 3, 4, 1000] {
        let bytes: Vec<u8> = (0..=250).cycle().skip(9).take(length).collect();
        session.write_base64(0x20_0000, &bytes).unwrap();
        assert_eq!(session.read(0x20_0000, bytes.len()).unwrap(), bytes);
        let found = session.read_base64(0x20_0000, bytes.len()).unwrap();
        assert_eq!(found, bytes);
    }
    let behind = session.read(0x20_0000 + 1000, 1).unwrap();
    assert_eq!(behind, [0]);
}

/// A QEMU that replies to each command with what its argument requests.
const EVIL: &str = "#!/bin/bash\n\
    for argument; do case $argument in socket,id=qtest,fd=*) fd=${argument##*=} ;; esac; done\n\
    while read -r -u \"$fd\" command address; do\n\
        case $address in\n\
            0x1) echo 'Hello from the firmware' >&\"$fd\" ;;\n\
            0x2) echo 'OK forty-two' >&\"$fd\" ;;\n\
            0x3) kill -SEGV $$ ;;\n\
            0x4) while :; do :; done ;;\n\
            *) echo 'OK 0x2a' >&\"$fd\" ;;\n\
        esac\n\
    done\n";

impl Installed {
    /// A QEMU that does not follow the protocol.
    fn evil() -> Self {
        let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "qtest").unwrap();
        let binary = scratch.path().join("qemu");
        host::files::write_program(&binary, EVIL.as_bytes()).unwrap();
        Self {
            binary,
            facts: Facts::default(),
            scratch,
        }
    }
}

#[test]
fn computing_qemu_ends_at_the_deadline() {
    let evil = Installed::evil();
    let mut session = evil.start(&[], Duration::from_secs(1));
    let error = session.readb(4).unwrap_err();
    // A busy host gives it little CPU time.
    let QtestError::Deadline {
        activity: Activity::Computing | Activity::Starved,
        ..
    } = error
    else {
        panic!("{error}")
    };
}

#[test]
fn bad_reply_and_death_have_their_errors() {
    let evil = Installed::evil();
    let mut session = evil.start(&[], WAIT);
    assert_eq!(session.readb(0).unwrap(), 42);
    let error = session.readb(1).unwrap_err();
    assert!(
        matches!(&error, QtestError::Reply { reply, .. } if reply == "Hello from the firmware"),
        "{error}"
    );
    let error = session.readb(2).unwrap_err();
    assert!(
        matches!(&error, QtestError::Reply { reply, .. } if reply == "forty-two"),
        "{error}"
    );
    let error = session.readb(3).unwrap_err();
    assert!(
        matches!(
            &error,
            QtestError::Ended {
                exit: qemu::Exit::Signal(11),
                ..
            }
        ),
        "{error}"
    );
}
