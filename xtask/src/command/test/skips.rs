//! `--list --skips`: which tests would be skipped, as far as that is known without a boot.

use std::collections::BTreeMap;

use plan::Project;
use qemu::Accel;
use suite::requirement::{self, Offer};
use suite::{Body, Selected};

use crate::cli::TestArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::platforms::{self, Known};
use crate::supply::Supply;

/// The reason for each test that has one, by its whole name.
pub(super) fn reasons(
    context: &Context,
    project: &Project,
    args: &TestArgs,
    tests: &[Selected<'_>],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut source = args.source.clone();
    if source.arch.is_empty() {
        source.arch = context.arches(project, &[])?;
        platforms::keep_built(context, project, &args.guest, &mut source.arch);
    }
    let supply = Supply::open(context, &source)?;
    let known = BTreeMap::from_iter(platforms::known(&supply, &args.guest)?);
    let reason = |test: &Selected<'_>| {
        let reason = match known.get(test.arch) {
            Some(known) => reason(&supply, known, test)?,
            None => format!("this QEMU has no binary for {}", test.arch),
        };
        Some((test.name(), reason))
    };
    Ok(tests.iter().filter_map(reason).collect())
}

fn reason(supply: &Supply<'_>, known: &Known, test: &Selected<'_>) -> Option<String> {
    let header = &test.test.header;
    if let Body::Device(device, machine) = header.body {
        return suite::device::unmet(device, machine, &known.facts);
    }
    let profile = &supply.project.arches.get(test.arch)?.qemu;
    // A wrong machine is an error of the test, reported when it runs.
    let (_, machine) = requirement::machine(header, test.arch, profile).ok()?;
    // Which accelerator works is known after a boot.
    let accel = match header.requires.accel.as_deref() {
        Some("kvm") => Accel::Kvm,
        _ => Accel::Tcg,
    };
    let offer = Offer {
        arch: test.arch,
        profile,
        facts: &known.facts,
        accel,
    };
    let path = &supply.context.env.path;
    let tools = requirement::Tools {
        on_path: &|tool| host::tools::find_in(tool, path).is_some(),
        of_qemu: &|tool| known.tools.find(tool).is_some(),
    };
    requirement::unmet(header, machine, &offer, tools)
}
