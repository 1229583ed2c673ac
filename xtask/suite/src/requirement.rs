//! Whether a test can be run at all: its header against what QEMU and the host say of themselves.
//!
//! Pure: nothing is asked here. A test whose requirements are not met is skipped with the reason.

use plan::arch::{Machine, QemuProfile};
use qemu::{Accel, Facts};

use crate::header::Header;

/// What a requirement is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The architecture's name.
    pub arch: &'a str,
    /// How QEMU runs the architecture.
    pub profile: &'a QemuProfile,
    /// What the binary can do.
    pub facts: &'a Facts,
    /// The accelerator of the run.
    pub accel: Accel,
}

/// The machine for a test, or why the header is wrong about it.
pub fn machine<'a>(
    header: &Header,
    arch: &str,
    profile: &'a QemuProfile,
) -> Result<(&'a str, &'a Machine), String> {
    let qemu_test = profile.qemu_test_machine.as_deref();
    let name = header
        .machine
        .name(arch)
        .or(qemu_test.filter(|_| header.calls_itself))
        .unwrap_or(&profile.machine);
    profile
        .machines
        .get_key_value(name)
        .map(|(name, machine)| (name.as_str(), machine))
        .ok_or_else(|| {
            let known: Vec<_> = profile.machines.keys().map(String::as_str).collect();
            format!(
                "`{name}` is not a machine of `images/{arch}.toml`: {}",
                known.join(", ")
            )
        })
}

/// Why the test is skipped, if it is; the first reason only.
///
/// `has_tool` answers whether a program is on the host's PATH.
#[must_use]
pub fn unmet(
    header: &Header,
    machine: &Machine,
    offer: &Offer<'_>,
    has_tool: impl Fn(&str) -> bool,
) -> Option<String> {
    let requires = &header.requires;
    let facts = offer.facts;
    let lacks = |kind: &str, name: &str| format!("QEMU lacks the {kind} `{name}`");
    let lacks_device = |name: &str| match facts.devices_failure() {
        Some(why) => format!("failed to query the devices of QEMU: {why}"),
        None => lacks("device", name),
    };
    if let Some(oldest) = requires.qemu
        && !facts.at_least(oldest)
    {
        let found = facts.version;
        return Some(format!("needs QEMU {oldest}, this is {found}"));
    }
    if let Some(accel) = &requires.accel
        && accel != offer.accel.as_str()
    {
        return Some(format!("needs the accelerator `{accel}`"));
    }
    let machines = requires
        .machines
        .iter()
        .map(String::as_str)
        .chain([machine.name.as_str()]);
    if let Some(name) = machines.into_iter().find(|name| !facts.has_machine(name)) {
        return Some(match facts.machine_failure(name) {
            Some(why) => format!("failed to query the machine `{name}` of QEMU: {why}"),
            None => lacks("machine", name),
        });
    }
    if let Some(cpus) = facts
        .machines
        .get(&machine.name)
        .map(|machine| machine.cpus)
        && header.smp > cpus
        && cpus > 0
    {
        return Some(format!(
            "the machine `{}` supports at most {cpus} processors",
            machine.name
        ));
    }
    if header.slots > 0 {
        let Some(hotplug) = &machine.hotplug else {
            return Some(format!(
                "the machine `{}` has no hotplug slots",
                machine.name
            ));
        };
        let port = hotplug.device.as_deref().unwrap_or_default();
        let port = port.split(',').next().unwrap_or_default();
        if !port.is_empty() && !facts.has_device(port) {
            return Some(lacks_device(port));
        }
    }
    if let Some(name) = requires.devices.iter().find(|name| !facts.has_device(name)) {
        return Some(lacks_device(name));
    }
    if let Some(name) = requires.netdevs.iter().find(|name| !facts.has_netdev(name)) {
        return Some(lacks("network backend", name));
    }
    if let Some(reason) = crate::choice::offer::nothing(&header.choices, offer.arch, facts) {
        return Some(reason);
    }
    let tool = requires.tools.iter().find(|name| !has_tool(name))?;
    Some(format!("`{tool}` is not installed on the host"))
}
