//! `--list --skips`: which tests would be skipped, as far as this is known without a boot.

use qemu::Accel;
use suite::requirement::{self, Offer};
use suite::{Body, Selected};

use crate::platforms::Known;
use crate::supply::Supply;

/// Why a test would be skipped. `known` is the QEMU of its architecture.
pub(super) fn reason(
    supply: &Supply<'_>,
    known: Option<&Known>,
    test: &Selected<'_>,
    has_debian: bool,
) -> Option<String> {
    let Some(known) = known else {
        return Some(format!("this QEMU has no binary for {}", test.arch));
    };
    let header = &test.test.header;
    match header.body {
        Body::Device(device, machine) => {
            return suite::device::unmet(device, machine, &known.facts);
        }
        Body::Guest(_) | Body::Host | Body::Bare(_) | Body::Suite(_) | Body::Ktest(_) => {}
    }
    let arch = supply.project.arches.get(test.arch)?;
    let profile = &arch.qemu;
    // A wrong machine is an error of the test, reported when it runs.
    let (_, machine) = requirement::machine(header, test.arch, profile).ok()?;
    // The working accelerator is known only after a boot.
    let accel = match header.requires.accel.as_deref() {
        Some("kvm") => Accel::Kvm,
        _ => Accel::Tcg,
    };
    let offer = Offer {
        arch: test.arch,
        profile,
        facts: &known.facts,
        without_driver: &profile.without_driver,
        accel,
        has_debian,
    };
    let path = &supply.context.env.path;
    let tools = requirement::Tools {
        on_path: &|tool| host::tools::find_in(tool, path).is_some(),
        of_qemu: &|tool| known.tools.find(tool).is_some(),
        native: guest::accel::is_native(arch),
    };
    requirement::unmet(header, machine, &offer, tools)
}
