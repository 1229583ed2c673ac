//! The launch of a test's guest: the machine, the policy of its session, and the handover.

use std::sync::Arc;

use plan::arch::Endian;
use qemu::{Control, Launch, LaunchRequest, Start as GuestStart};
use session::{Arrival, Handover, Policy, SCRATCH, Start};
use suite::header::Channel;

use super::{Case, disk};
use start::platform::Image;
use start::template::Resumed;

/// The path of the test's script in a guest.
const TEST: &str = "/kiln/test";
/// The path of the script that offers shells, as `lib/guest.sh` checks.
const SHELL: &str = "/kiln/shell";

impl Case<'_> {
    /// The request for a guest with these options of the test's `qemu` line.
    pub(super) fn request(&self, image: &Image, options: &[String]) -> LaunchRequest<'_> {
        let header = &self.setting.test.test.header;
        let mut boot = image.boot.clone();
        if let Some(files) = &self.host_files {
            boot.initrd = Some(files.path.clone());
        }
        let request = self.setting.arch.request(self.machine, boot);
        LaunchRequest {
            memory: header.memory.clone().or(request.memory),
            smp: header.smp,
            append: self.append(),
            slots: header.slots,
            control: match header.channel.on(self.machine) {
                Channel::Virtio => Control::VirtioSerial,
                Channel::Console => Control::Console,
            },
            reboot_allowed: header.reboots > 0,
            paused: self.setting.config.debug.is_held(),
            default_network: self.qemu_test.is_some(),
            devices: self.scratch_disks(),
            options: options.to_vec(),
            ..request
        }
    }

    fn scratch_disks(&self) -> Vec<String> {
        let disks = 0..self.setting.test.test.header.scratch.len();
        // A test with scratch disks is skipped on a machine without virtio.
        let virtio = self.machine.virtio.as_deref().unwrap_or_default();
        let disks = disks.flat_map(|index| {
            let file = disk(&self.setting.scratch, index)
                .as_str()
                .replace(',', ",,");
            let name = format!("scratch{index}");
            let device = format!("virtio-blk-{virtio},drive={name},serial={name}");
            let drive = format!("if=none,id={name},file={file},format=raw,cache=unsafe");
            ["-drive".to_owned(), drive, "-device".to_owned(), device]
        });
        disks.collect()
    }

    /// The test's own kernel parameters. The last `loglevel` applies.
    fn append(&self) -> String {
        let own = &self.setting.test.test.header.append;
        let log = if self.setting.config.kernel_log {
            "loglevel=7"
        } else {
            ""
        };
        let host = self.host_files.as_ref();
        let host = host.map_or("", |files| files.parameter);
        let words = [log, host, own].into_iter().flat_map(str::split_whitespace);
        words.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn policy(
        &self,
        launch: &Launch,
        start: Start,
        resumed: Option<&Resumed>,
    ) -> Policy {
        let header = &self.setting.test.test.header;
        Policy {
            ends: header.ends,
            reboots: header.reboots,
            channel: header.channel.on(self.machine),
            boot_limit: self.boot_limit(),
            test_limit: self.test_limit(),
            clock: self.clock.clone(),
            arrival: match (&launch.start, resumed) {
                (_, Some(resumed)) => Arrival::Restored(resumed.nonce.clone()),
                (GuestStart::Boot | GuestStart::Paused, None) => Arrival::Boot,
                (GuestStart::Incoming { .. }, None) => Arrival::Migration,
            },
            start,
            handoff: Arc::clone(&self.handoff),
        }
    }

    pub(super) fn handover(&self) -> Handover {
        let arch = &self.setting.arch.arch;
        let script = self.statements.marked.clone().into_bytes();
        let header = &self.setting.test.test.header;
        let endian = match arch.endian {
            Endian::Big => "big",
            Endian::Little => "little",
        };
        let variable = |name: &str, value: String| (name.to_owned(), value);
        let hotplug = self.machine.hotplug.as_ref();
        let connector = hotplug.and_then(|hotplug| hotplug.connector.clone());
        // The host's own path, so that a guest script can pass paths of host files to QEMU's
        // monitor.
        let scratch = self.setting.scratch.join("files");
        let scratch = SCRATCH.map(|name| variable(name, scratch.to_string()));
        // The shell prints this file name in its messages, together with lines of the test.
        let run = format!("/kiln/{}.sh", self.setting.test.test.test);
        let library = self.setting.library;
        let shell = self.setting.config.debug.offers_shell();
        let shell = shell.then(|| (SHELL.to_owned(), 0o755, library.shell.clone()));
        let files = [
            (TEST.to_owned(), 0o755, script),
            (run.clone(), 0o755, library.guest.clone()),
        ];
        Handover {
            files: files.into_iter().chain(shell).collect(),
            environment: vec![
                variable("KILN_ARCH", arch.name.clone()),
                variable("KILN_BITS", arch.bits.to_string()),
                variable("KILN_PAGE_SIZE", arch.page_size.to_string()),
                variable("KILN_ENDIAN", endian.to_owned()),
                variable("KILN_UNAME", arch.uname.clone()),
                variable("KILN_MACHINE", self.machine_name.to_owned()),
                variable("KILN_CALLS_ITSELF", self.calls_itself().to_owned()),
                variable("KILN_SEED", self.setting.job.seed.to_string()),
                variable("KILN_WAIT", self.wait_seconds()),
                variable("KILN_SHELL_ON_FAIL", self.shell_on_fail().to_owned()),
                variable(
                    "KILN_SLOT_ENTRY",
                    hotplug.map_or_else(String::new, |hotplug| hotplug.entry.clone()),
                ),
                variable("KILN_SLOT_CONNECTOR", connector.unwrap_or_default()),
                variable("KILN_STDIN", header.stdin.name().to_owned()),
                // Set because the scripts run with `set -u`.
                variable("QEMU_TEST", String::new()),
            ]
            .into_iter()
            .chain(scratch)
            .collect(),
            run,
        }
    }
}
