//! Tests the crate with the installed QEMU binaries and guests of a few dozen bytes.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use harness::{skip, unsuited};
use host::scratch::Scratch;
use plan::arch::{Machine, Ordinary, OrdinaryKernel, QemuProfile};
use qemu::history::{ExitCause, History};
use qemu::vm::ProcessSpec;
use qemu::{
    Accel, BootFiles, Control, Emulator, Exit, Facts, LaunchRequest, Start, Version, Vm, VmEvent,
    accel, probe,
};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(60);

/// Name of the binary, machine, guest.
type Case = (&'static str, &'static str, fn() -> Vec<u8>);

/// Every QEMU of Kiln's own architectures, with a machine and a guest that prints `hi`.
const INSTALLED: &[Case] = &[
    ("qemu-system-x86_64", "q35", x86_guest),
    ("qemu-system-aarch64", "virt", arm_guest),
    ("qemu-system-ppc64", "pseries", power_guest),
];

/// A multiboot image (a.out kludge, loaded at 1 MiB) that writes `hi`, then causes a triple fault.
fn x86_guest() -> Vec<u8> {
    let code: &[u8] = &[
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xb0, b'h', 0xee, // mov al, 'h'; out dx, al
        0xb0, b'i', 0xee, //
        0xb0, b'\n', 0xee, //
        0x0f, 0x01, 0x1d, 0x38, 0, 0x10, 0,    // lidt [0x100038]: six zero bytes
        0xcc, // int3 without any table
    ];
    multiboot(code)
}

/// A multiboot image that echoes each byte that it reads.
fn x86_echo() -> Vec<u8> {
    let code: &[u8] = &[
        0x66, 0xba, 0xfd, 0x03, // mov dx, 0x3fd
        0xec, // in al, dx
        0xa8, 0x01, // test al, 1: data ready
        0x74, 0xfb, // jz: back to `in`
        0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xec, // in al, dx
        0xee, // out dx, al
        0xeb, 0xef, // jmp: back to the start
    ];
    multiboot(code)
}

/// A firmware of 64 KiB that enters protected mode at an address without memory, which no KVM
/// executes.
fn firmware_into_nowhere() -> Vec<u8> {
    let mut image = vec![0; 0x1_0000];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0xfff0, &[0xe9, 0x0b, 0xff]); // jmp 0xfefe
    put(0xfefe, &[0xd9, 0xeb]); // fldpi: fails already where real mode is emulated
    put(0xff00, &[0x2e, 0x66, 0x0f, 0x01, 0x16, 0x40, 0xff]); // lgdt cs:[0xff40]
    put(0xff07, &[0x0f, 0x20, 0xc0]); // mov eax, cr0
    put(0xff0a, &[0x66, 0x83, 0xc8, 0x01]); // or eax, 1
    put(0xff0e, &[0x0f, 0x22, 0xc0]); // mov cr0, eax
    put(0xff11, &[0x66, 0xea, 0, 0, 0, 0xd0, 0x08, 0]); // jmp 8:0xd0000000
    put(0xff40, &[0x0f, 0, 0x50, 0xff, 0xff, 0xff]); // two descriptors, at 0xffffff50
    put(0xff58, &[0xff, 0xff, 0, 0, 0, 0x9a, 0xcf, 0]); // code, 4 GiB
    image
}

fn multiboot(code: &[u8]) -> Vec<u8> {
    let (magic, flags, base, entry) = (0x1bad_b002_u32, 0x1_0000_u32, 0x10_0000_u32, 0x10_0040);
    let checksum = 0_u32.wrapping_sub(magic).wrapping_sub(flags);
    let end = base + 0x1000;
    let mut image: Vec<u8> = [magic, flags, checksum, base, base, end, end, entry]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    image.resize(0x40, 0);
    image.extend_from_slice(code);
    image.resize(0x1000, 0);
    image
}

/// Raw code that writes `hi` to the PL011 of `virt`, then calls PSCI `SYSTEM_OFF`.
fn arm_guest() -> Vec<u8> {
    let code = [
        0xd2a1_2001_u32, // mov x1, #0x09000000
        0x5280_0d02,     // mov w2, 'h'
        0xb900_0022,     // str w2, [x1]
        0x5280_0d22,     // mov w2, 'i'
        0xb900_0022,     //
        0x5280_0142,     // mov w2, '\n'
        0xb900_0022,     //
        0x5280_0100,     // mov w0, #8
        0x72b0_8000,     // movk w0, #0x8400, lsl 16
        0xd400_0002,     // hvc #0
    ];
    code.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A big-endian ELF file that writes `hi` by `H_PUT_TERM_CHAR`, then spins.
fn power_guest() -> Vec<u8> {
    let code = [
        0x3860_0058_u32, // li r3, H_PUT_TERM_CHAR
        0x3880_0000,     // li r4, 0
        0x38a0_0003,     // li r5, 3
        0x3cc0_6869,     // lis r6, "hi"
        0x60c6_0a00,     // ori r6, r6, "\n"
        0x78c6_07c6,     // sldi r6, r6, 32
        0x4400_0022,     // sc 1
        0x4800_0000,     // b .
    ];
    let mut file = b"\x7fELF\x02\x02\x01".to_vec();
    file.resize(16, 0);
    let halves = |file: &mut Vec<u8>, values: &[u16]| {
        file.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    };
    let words = |file: &mut Vec<u8>, values: &[u32]| {
        file.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    };
    let longs = |file: &mut Vec<u8>, values: &[u64]| {
        file.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    };
    halves(&mut file, &[2, 21]); // executable, PowerPC64
    words(&mut file, &[1]);
    longs(&mut file, &[0x1000, 64, 0]);
    words(&mut file, &[2]); // ELFv2
    halves(&mut file, &[64, 56, 1, 64, 0, 0]);
    words(&mut file, &[1, 7]); // a loadable segment, readable, writable, executable
    longs(&mut file, &[0x1000, 0x1000, 0x1000, 0x20, 0x20, 0x1000]);
    file.resize(0x1000, 0);
    words(&mut file, &code);
    file
}

struct Installed {
    binary: Utf8PathBuf,
    facts: Facts,
    scratch: Scratch,
    profile: QemuProfile,
}

fn find(binary: &str, machine: &str, guest: &[u8]) -> Option<Installed> {
    let Some(found) = host::tools::find(binary) else {
        skip(&format!("`{binary}` is not installed"));
        return None;
    };
    let scratch = Scratch::new_in(Utf8Path::new("/tmp"), "real").unwrap();
    fs_err::write(scratch.path().join("guest"), guest).unwrap();
    let facts = probe::ask(&found, &[machine], scratch.path(), WAIT).unwrap();
    let machines = BTreeMap::from([(
        machine.to_owned(),
        Machine {
            name: machine.into(),
            options: vec!["x-vof=on".into(), "no-such-property=1".into()],
            tcg_options: Vec::new(),
            // The default of `virt` has 32 bits.
            cpu: Some("cortex-a57".to_owned()).filter(|_| machine == "virt"),
            kvm_cpu: None,
            append: String::new(),
            args: Vec::new(),
            control: Some("virtio-serial-pci".into()),
            root_disk: None,
            virtio: Some("pci".into()),
            memory_max: None,
            migration: true,
            unusable: Vec::new(),
            power_off: true,
            reset: true,
            boot_timeout: None,
            hotplug: None,
            connectors: None,
            advice: std::collections::BTreeMap::new(),
        },
    )]);
    let profile = QemuProfile {
        binary: binary.into(),
        native: Vec::new(),
        machine: machine.into(),
        qemu_test_machine: None,
        memory: "256M".into(),
        boot_timeout: WAIT,
        kvm_timeout_permille: 500,
        append: "console=none".into(),
        without_driver: BTreeSet::new(),
        machines,
        ordinary: Ordinary {
            kernel: OrdinaryKernel::Plain,
            args: Vec::new(),
            append: String::new(),
        },
    };
    Some(Installed {
        binary: found,
        facts,
        scratch,
        profile,
    })
}

impl Installed {
    fn request(&self) -> LaunchRequest<'_> {
        let emulator = Emulator {
            binary: &self.binary,
            profile: &self.profile,
            facts: &self.facts,
            accel: Accel::Tcg,
        };
        let boot = BootFiles {
            kernel: self.scratch.path().join("guest"),
            initrd: None,
            device_tree: None,
        };
        LaunchRequest::new(
            emulator,
            &self.profile.machines[&self.profile.machine],
            boot,
        )
    }

    fn start(&self, request: &LaunchRequest<'_>) -> Vm {
        let launch = request.resolve().unwrap();
        let vm = Vm::spawn(&launch, self.scratch.path(), self.scratch.path()).unwrap();
        if launch.start == Start::Boot {
            vm.release();
        }
        vm
    }
}

/// Records everything until `done`, the exit, or the deadline. Returns the console's bytes.
fn watch(vm: &mut Vm, history: &mut History, done: impl Fn(&History, &[u8]) -> bool) -> Vec<u8> {
    let deadline = Instant::now() + WAIT;
    let mut console = Vec::new();
    while !done(history, &console) {
        let Some(event) = vm.next(deadline) else {
            break;
        };
        history.note(&event);
        if let VmEvent::Console(bytes) = event {
            console.extend(bytes);
        }
    }
    console
}

#[test]
fn every_binary_reports_its_capabilities() {
    for (binary, machine, guest) in INSTALLED {
        let Some(installed) = find(binary, machine, &guest()) else {
            continue;
        };
        let facts = &installed.facts;
        assert!(
            facts.at_least(Version::new(7, 2, 0)),
            "{binary} {}",
            facts.version
        );
        assert!(facts.has_device("virtio-serial-pci"), "{binary}");
        assert!(facts.has_device("virtio-blk"), "{binary}: an alias");
        assert!(!facts.has_device("no-such-device"));
        assert!(facts.has_machine(machine) && facts.has_machine("none"));
        assert!(facts.has_netdev("socket") && facts.has_accel("tcg"));
        assert_ne!(
            &facts.machines[*machine].name, machine,
            "{machine} is an alias"
        );
        assert!(facts.machines[*machine].ram.is_some());
        assert_eq!(facts.machine_has(machine, "memory-backend"), Some(true));
        assert_eq!(facts.machine_has(machine, "no-such-property"), Some(false));
        assert_eq!(
            facts.machine_has("none", "memory-backend"),
            None,
            "was not asked for"
        );
        let text = serde_json::to_string(facts).unwrap();
        assert_eq!(&serde_json::from_str::<Facts>(&text).unwrap(), facts);
    }
}

#[test]
fn guest_output_arrives_from_the_console() {
    for (binary, machine, guest) in INSTALLED {
        let Some(installed) = find(binary, machine, &guest()) else {
            continue;
        };
        let launch = installed.request();
        let mut vm = installed.start(&launch);
        let mut history = History::default();
        let console = watch(&mut vm, &mut history, |_, text| text.ends_with(b"hi\n"));
        assert!(
            console.ends_with(b"hi\n"),
            "{binary}: {history:?} {}",
            console.escape_ascii()
        );
        vm.kill();
    }
}

#[test]
fn control_bytes_reach_the_guest_over_its_console() {
    let (binary, machine, _) = INSTALLED[0];
    let Some(installed) = find(binary, machine, &x86_echo()) else {
        return;
    };
    let launch = LaunchRequest {
        control: Control::Console,
        ..installed.request()
    };
    let mut vm = installed.start(&launch);
    vm.send_control(b"@kiln\n", WAIT).unwrap();
    let mut history = History::default();
    let console = watch(&mut vm, &mut history, |_, text| text.ends_with(b"@kiln\n"));
    assert!(console.ends_with(b"@kiln\n"), "{history:?}");
    vm.kill();
}

#[test]
fn shutdown_and_reboot_carry_their_reason() {
    let check = |(binary, machine, guest): Case, reason: &str| {
        let Some(installed) = find(binary, machine, &guest()) else {
            return;
        };
        let mut vm = installed.start(&installed.request());
        let mut history = History::default();
        watch(&mut vm, &mut history, |_, _| false);
        let Some(ExitCause::Shutdown(shutdown)) = history.exit_cause() else {
            panic!("{history:?}")
        };
        assert_eq!((shutdown.guest, shutdown.reason.as_str()), (true, reason));
        assert_eq!(vm.exit(), Some(Exit::Code(0)));
    };
    check(INSTALLED[0], "guest-reset");
    check(INSTALLED[1], "guest-shutdown");
}

#[test]
fn allowed_reboot_is_an_event() {
    let (binary, machine, guest) = INSTALLED[0];
    let Some(installed) = find(binary, machine, &guest()) else {
        return;
    };
    let mut vm = installed.start(&LaunchRequest {
        reboot_allowed: true,
        ..installed.request()
    });
    let mut history = History::default();
    watch(&mut vm, &mut history, |history, _| history.resets >= 2);
    assert!(history.resets >= 2 && history.exit.is_none(), "{history:?}");
}

#[test]
fn qmp_answers_refuses_and_quits() {
    let (binary, machine, guest) = INSTALLED[1];
    let Some(installed) = find(binary, machine, &guest()) else {
        return;
    };
    let mut vm = installed.start(&LaunchRequest {
        options: vec!["-S".into()],
        ..installed.request()
    });
    assert_eq!(vm.status(WAIT).unwrap(), "prelaunch");
    let version = vm.qmp().greeting().unwrap()["version"]["qemu"]["major"].clone();
    assert_eq!(version, json!(installed.facts.version.major));
    let error = vm
        .execute("no-such-command", Value::Null, WAIT)
        .unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.starts_with("CommandNotFound: "), "{source}");
    assert_eq!(vm.quit(WAIT), Exit::Code(0));
    assert!(!vm.was_killed());
    let mut history = History::default();
    watch(&mut vm, &mut history, |_, _| false);
    let Some(ExitCause::Shutdown(shutdown)) = history.exit_cause() else {
        panic!("{history:?}")
    };
    assert_eq!(
        (shutdown.guest, shutdown.reason.as_str()),
        (false, "host-qmp-quit")
    );
}

#[test]
fn many_threads_may_query_concurrently() {
    let (binary, machine, guest) = INSTALLED[1];
    let Some(installed) = find(binary, machine, &guest()) else {
        return;
    };
    let vm = installed.start(&LaunchRequest {
        options: vec!["-S".into()],
        ..installed.request()
    });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let qmp = vm.qmp().clone();
            scope.spawn(move || {
                for _ in 0..50 {
                    let name = qmp.execute("query-name", Value::Null, WAIT).unwrap();
                    assert_eq!(name, json!({}));
                    let status = qmp.execute("query-status", Value::Null, WAIT).unwrap();
                    assert_eq!(status["status"], "prelaunch");
                }
            });
        }
    });
}

#[test]
fn refused_option_ends_with_qemu_output() {
    let (binary, machine, guest) = INSTALLED[2];
    let Some(installed) = find(binary, machine, &guest()) else {
        return;
    };
    let options = vec!["-device".into(), "no-such-device".into()];
    let mut vm = installed.start(&LaunchRequest {
        options,
        ..installed.request()
    });
    let mut history = History::default();
    watch(&mut vm, &mut history, |_, _| false);
    assert_eq!(history.exit_cause(), Some(ExitCause::Failed { code: 1 }));
    assert!(
        history.message_tail().contains("no-such-device"),
        "{history:?}"
    );
}

#[test]
fn sandbox_is_on_where_compiled_in() {
    for (binary, machine, guest) in INSTALLED {
        let Some(installed) = find(binary, machine, &guest()) else {
            continue;
        };
        if !installed.facts.seccomp {
            skip(&format!("`{binary}` has no seccomp"));
            continue;
        }
        let vm = installed.start(&LaunchRequest {
            options: vec!["-S".into()],
            ..installed.request()
        });
        vm.status(WAIT).unwrap();
        let status = fs_err::read_to_string(format!("/proc/{}/status", vm.pid())).unwrap();
        assert!(status.contains("\nSeccomp:\t2\n"), "{binary}: {status}");
    }
}

/// A KVM that starts and then cannot continue: QEMU stays stopped forever.
#[test]
fn a_broken_kvm_is_recognised() {
    let Some(installed) = find("qemu-system-x86_64", "q35", &x86_guest()) else {
        return;
    };
    if accel::device() != accel::Device::Opens || !installed.facts.has_accel("kvm") {
        unsuited("KVM is not available");
        return;
    }
    fs_err::write(
        installed.scratch.path().join("firmware"),
        firmware_into_nowhere(),
    )
    .unwrap();
    let options = vec!["-bios".into(), "firmware".into()];
    let mut vm = installed.start(&LaunchRequest {
        options,
        emulator: Emulator {
            accel: Accel::Kvm,
            ..installed.request().emulator
        },
        ..installed.request()
    });
    let mut history = History::default();
    let mut verdict = None;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !(history.stopped && verdict.is_some()) {
        let Some(event) = vm.next(deadline) else {
            unsuited("its KVM runs what a broken one does not");
            return;
        };
        history.note(&event);
        verdict = verdict.or(qemu::history::broken_kvm(&event));
        if let Some(exit) = history.exit {
            unsuited(&format!(
                "KVM does not start ({exit}): {}",
                history.message_tail()
            ));
            return;
        }
    }
    assert_eq!(vm.status(WAIT).unwrap(), accel::INTERNAL_ERROR);
    let Some(accel::Verdict::Fails { why }) = verdict else {
        panic!("{history:?}")
    };
    assert!(why.contains("KVM internal error"), "{why}");
}

#[test]
fn missing_accelerator_is_recognised() {
    let Some(installed) = find("qemu-system-aarch64", "virt", &arm_guest()) else {
        return;
    };
    if installed.facts.has_accel("kvm") {
        unsuited("this binary has KVM");
        return;
    }
    let mut vm = installed.start(&LaunchRequest {
        emulator: Emulator {
            accel: Accel::Kvm,
            ..installed.request().emulator
        },
        ..installed.request()
    });
    let deadline = Instant::now() + WAIT;
    let verdict = std::iter::from_fn(|| vm.next(deadline))
        .find_map(|event| qemu::history::broken_kvm(&event));
    assert!(
        matches!(verdict, Some(accel::Verdict::Fails { .. })),
        "{verdict:?}"
    );
}

/// The location of QEMU does not matter: relative paths start in the given directory.
#[test]
fn relative_paths_start_in_the_given_directory() {
    let (binary, machine, guest) = INSTALLED[1];
    let Some(installed) = find(binary, machine, &guest()) else {
        return;
    };
    let boot = BootFiles {
        kernel: "guest".into(),
        initrd: None,
        device_tree: None,
    };
    let mut vm = installed.start(&LaunchRequest {
        boot,
        ..installed.request()
    });
    let mut history = History::default();
    watch(&mut vm, &mut history, |_, _| false);
    assert!(
        matches!(history.exit_cause(), Some(ExitCause::Shutdown(_))),
        "{history:?}"
    );
    let spec = ProcessSpec {
        binary: &installed.binary,
        run_dir: installed.scratch.path(),
        directory: Utf8Path::new("/nowhere"),
    };
    assert!(Vm::spawn_with(spec, false, |_| Vec::new()).is_err());
}
