//! How the guests of a run start: the policy, and `--list --starts`, which prints how the guest of each
//! test would start, as far as that is known without a run.

use camino::Utf8PathBuf;
use qemu::{Accel, BootFiles, Control, Emulator, LaunchRequest};
use start::decision::{StartFacts, StartPolicy, obstacle};
use suite::header::Channel;
use suite::requirement;
use suite::{Body, Scripts, Selected};

use crate::cli::TestArgs;
use crate::cli::start::StartChoice;
use crate::platforms::Known;
use crate::supply::Supply;

/// The policy of a run.
pub(super) fn policy(start: StartChoice, boots_all: Option<&'static str>) -> StartPolicy {
    match start {
        StartChoice::Auto => boots_all.map_or(StartPolicy::Auto, StartPolicy::Cold),
        StartChoice::Cold => StartPolicy::COLD,
        StartChoice::Warm => StartPolicy::Warm,
    }
}

/// The option with which `--start auto` boots all guests: sides that are compared must start alike, what
/// is recorded or bisected must not depend on earlier runs, and a person debugs one guest, not two.
pub(super) fn boots_all(args: &TestArgs) -> Option<&'static str> {
    let debug = &args.debug;
    let options = [
        (debug.compare_qemu.is_some(), "`--compare-qemu`"),
        (args.kernel.len() > 1, "more than one `--kernel`"),
        (debug.bisect, "`--bisect`"),
        (args.reports.bless, "`--bless`"),
        (debug.standalone.is_some(), "`--standalone`"),
        (debug.gdb, "`--gdb`"),
        (debug.monitor.is_some(), "`--monitor`"),
        (!debug.trace.is_empty(), "`--trace`"),
        (debug.strace_qemu, "`--strace-qemu`"),
        (debug.shell_on_fail, "`--shell-on-fail`"),
        (debug.shell, "`--shell`"),
    ];
    let set = options.into_iter().find(|(is_set, _)| *is_set);
    set.map(|(_, option)| option)
}

/// How the guest of a test would start.
pub(super) fn start(
    supply: &Supply<'_>,
    known: &Known,
    policy: StartPolicy,
    test: &Selected<'_>,
) -> Option<String> {
    let header = &test.test.header;
    let scripts = match header.body {
        Body::Guest(scripts) => scripts,
        Body::Ktest(_) => Scripts::Both,
        Body::Bare(_) | Body::Suite(_) => return Some("cold: no operating system".to_owned()),
        Body::Host | Body::Device(..) => return Some("no guest".to_owned()),
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
        device_tree: None,
    };
    let launch = LaunchRequest {
        memory: header.memory.clone(),
        smp: header.smp,
        append: header.append.clone(),
        slots: header.slots,
        control: match header.channel.on(machine) {
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
        migrates: machine.migration,
        has_pci: machine.virtio.as_deref() == Some("pci"),
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn options_that_compare_or_debug_boot_all_guests() {
        let check = |words: &[&str], expect: StartPolicy| {
            let line = ["xtask", "test", "name"].iter().chain(words);
            let Command::Test(args) = Cli::try_parse_from(line).unwrap().command else {
                panic!("another command");
            };
            let found = policy(args.start.start, boots_all(&args));
            assert_eq!(found, expect, "{words:?}");
        };
        check(&[], StartPolicy::Auto);
        check(&["--repeat=9", "--retries=1"], StartPolicy::Auto);
        check(&["--kernel=/linux", "--qemu=/build"], StartPolicy::Auto);
        check(&["--start=cold"], StartPolicy::COLD);
        check(&["--start=cold", "--gdb"], StartPolicy::COLD);
        check(&["--start=warm", "--trace=x"], StartPolicy::Warm);
        let check = |words: &[&str], reason| check(words, StartPolicy::Cold(reason));
        check(&["--compare-qemu", "/a", "/b"], "`--compare-qemu`");
        check(&["--kernel=/a", "--kernel=/b"], "more than one `--kernel`");
        check(&["--bisect", "--qemu=/build"], "`--bisect`");
        check(&["--bless"], "`--bless`");
        check(&["--standalone=file"], "`--standalone`");
        check(&["--gdb"], "`--gdb`");
        check(&["--monitor"], "`--monitor`");
        check(&["--trace=virtio_*"], "`--trace`");
        check(&["--strace-qemu"], "`--strace-qemu`");
        check(&["--shell-on-fail"], "`--shell-on-fail`");
    }
}
