//! The part of `cargo xtask ci` that runs some guest tests with an older QEMU, if the host's
//! package manager offers one.

use host::packages::{self, Unpacked};

use crate::context::Context;
use crate::exit::CommandResult;
use crate::output;

/// Packages that QEMU needs to run, in addition to those of its binaries.
const COMPANIONS: [&str; 4] = [
    "qemu-system-common",
    "qemu-system-data",
    "seabios",
    "ipxe-qemu",
];

/// Tests of features that differ most between releases. They take less than a minute.
const TESTS: [&str; 4] = ["boot::", "fingerprint::", "firmware::", "pci::"];

/// Downloads and unpacks the older QEMU. Prints the reason if there is none.
pub(super) fn unpack(context: &Context) -> Option<Unpacked> {
    let project = context.project().ok()?;
    let arches = project.arches.into_values().filter(|arch| arch.default);
    let binaries = arches.map(|arch| arch.qemu.binary);
    let installed: Vec<String> = binaries
        .filter(|binary| host::tools::find(binary).is_some())
        .collect();
    let into = context.root.join("target/kiln/older-qemu");
    match packages::unpack_older(&installed, &COMPANIONS, &into) {
        Ok(unpacked) => Some(unpacked),
        Err(error) => {
            output::note(format!("skipped: guest tests with an older QEMU ({error})"));
            None
        }
    }
}

/// Runs the tests.
pub(super) fn run(context: &Context, qemu: &Unpacked) -> CommandResult {
    output::note(format!("QEMU {} in `{}`", qemu.version, qemu.programs));
    let arguments = ["--qemu", qemu.programs.as_str()].into_iter().chain(TESTS);
    super::guest_tests(context, &arguments.collect::<Vec<_>>())
}
