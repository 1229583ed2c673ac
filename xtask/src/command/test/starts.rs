//! `--list --starts`: how the guest of each test would start, as far as this is known without a
//! run.

use camino::Utf8PathBuf;
use guest::start::{StartFacts, StartPolicy, obstacle};
use qemu::{Accel, BootFiles, Control, Emulator, LaunchRequest};
use suite::header::Channel;
use suite::requirement;
use suite::{Body, Scripts, Selected};

use crate::platforms::Known;
use crate::supply::Supply;

/// How the guest of a test would start.
pub(super) fn start(
    supply: &Supply<'_>,
    known: &Known,
    policy: StartPolicy,
    test: &Selected<'_>,
) -> Option<String> {
    let header = &test.test.header;
    let Body::Guest(scripts) = header.body else {
        return Some("no guest".to_owned());
    };
    let profile = &supply.project.arches.get(test.arch)?.qemu;
    // A wrong machine is an error of the test, reported when it runs.
    let (_, machine) = requirement::machine(header, test.arch, profile).ok()?;
    let emulator = Emulator {
        binary: "qemu".into(),
        profile,
        facts: &known.facts,
        accel: Accel::Tcg,
    };
    let boot = BootFiles {
        kernel: Utf8PathBuf::from("kernel"),
        initrd: None,
    };
    let launch = LaunchRequest {
        memory: header.memory.clone(),
        smp: header.smp,
        append: header.append.clone(),
        slots: header.slots,
        control: match header.channel {
            Channel::Virtio => Control::VirtioSerial,
            Channel::Console => Control::Console,
        },
        ..LaunchRequest::new(emulator, machine, boot)
    };
    let launch = launch.resolve().ok()?;
    let found = obstacle(&StartFacts {
        policy,
        asks_for_cold: header.cold,
        refused: false,
        wrapped: false,
        accel: Accel::Tcg,
        launch: &launch,
        has_pci: machine.virtio == "pci",
        facts: &known.facts,
        unmovable: &[],
        image_resumes: true,
        has_template: true,
        earlier: 1,
    });
    Some(match found {
        Some(reason) => format!("cold: {reason}"),
        None if scripts != Scripts::Guest => {
            "warm, unless the host script gives QEMU options that prevent it".to_owned()
        }
        None => "warm".to_owned(),
    })
}
