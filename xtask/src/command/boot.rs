//! `cargo xtask boot --arch A [-- QEMU ARGS]`: a shell in a guest, on this terminal. Leaving the shell
//! powers the guest off, and so does `poweroff`; a kernel panic fails the command.

use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use guest::debug::{Debug, Spot};
use host::process::{Command, Stdio};
use host::scratch::Scratch;
use plan::arch::{Machine, QemuProfile};
use plan::cpio::{Entry, Node, archive};
use qemu::console::{Console, Kind};
use qemu::{Control, Launch};
use verdict::runs::place::temp_dir;

use crate::cli::BootArgs;
use crate::command::test::closer;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome, hinted};
use crate::guests;
use crate::output::{self, Color};
use crate::supply::Supply;

pub(crate) fn run(context: &Context, args: &BootArgs) -> Outcome {
    if args.source.arch.len() != 1 {
        let project = context.project()?;
        let first = project.arches.keys().next().cloned().unwrap_or_default();
        let error = anyhow::anyhow!("`boot` needs one architecture");
        let hint = format!("cargo xtask boot --arch {first}");
        return Err(Failure::new(Exit::Usage, error).hint(Some(hint)));
    }
    let supply = Supply::open(context, &args.source)?;
    // Before anything is built: a wrong name must not cost a kernel.
    let (profile, machine) = machine(&supply, args.machine.as_deref())?;
    let Some(guest_run) = guests::prepare(&supply, &args.guest)?.pop() else {
        return Ok(Exit::SetupMissing);
    };
    let size = host::terminal::size().map_or_else(String::new, |(columns, rows)| {
        // The guest cannot ask a serial line how large the window is.
        format!("kiln.size={columns}x{rows}")
    });
    let sockets = Scratch::new_in(&temp_dir(&context.env), "kiln-boot-")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let spot = Spot {
        run_dir: sockets.path(),
        logs: sockets.path(),
        suffix: "",
    };
    let debug = Debug {
        gdb: args.gdb.then(|| closer::gdb(&supply)).transpose()?,
        ..Debug::default()
    };
    let mut boot = guest_run.boot.clone();
    if let Some(initrd) = &mut boot.initrd {
        *initrd = initramfs(initrd, sockets.path())?;
    }
    let extra = args.args.iter().cloned().chain(debug.options(spot));
    let launch = Launch {
        binary: &guest_run.binary,
        profile,
        machine,
        facts: &guest_run.facts,
        accel: guest_run.accel,
        memory: None,
        smp: 1,
        boot,
        // After a panic the kernel stays, so that it is told from a reboot.
        append: format!("panic=0 {size}").trim_end().to_owned(),
        extra: extra.collect(),
        control: Control::VirtioSerial,
        slots: 0,
        reboot_allowed: true,
    };
    let line = launch.standalone().map_err(guests::qemu_failure)?;
    let command = Command::from_argv(&line)
        .stdin(Stdio::Inherit)
        .stdout(Stdio::Pipe)
        .stderr(Stdio::Inherit)
        .same_group();
    if context.global.verbose > 0 {
        output::note(command.shell_line());
    }
    if !context.global.quiet {
        let keys = context.style.paint(Color::Bold, "Ctrl-A X");
        output::note(format!(
            "{}: `exit` powers the guest off, {keys} ends QEMU",
            guests::describe(&guest_run)
        ));
    }
    for line in debug.lines(&guest_run.arch, spot) {
        output::note(line);
    }
    finish(command)
}

/// Runs QEMU to its end and passes on what its guest prints: a kernel panic fails the command.
fn finish(command: Command) -> Outcome {
    let mut running = command.spawn().map_err(hinted!(Exit::SetupMissing))?;
    let stdout = running.stdout.take();
    let waiter = running.waiter();
    let copy = std::thread::spawn(move || {
        let mut watch = PanicWatch::default();
        let (mut stdout, mut bytes) = (stdout?, [0; 4096]);
        while let Ok(length @ 1..) = stdout.read(&mut bytes) {
            output::raw(&bytes[..length]);
            if watch.is_over(&bytes[..length]) {
                waiter.signal(TERMINATE);
            }
        }
        watch.panic
    });
    let status = running.waiter().block();
    host::interrupt::check().map_err(|error| Failure::new(Exit::Interrupted, error))?;
    let panic = copy.join().unwrap_or_default();
    if let Some(message) = panic {
        let error = anyhow::anyhow!("the guest panicked: {message}");
        return Err(Failure::new(Exit::Failed, error));
    }
    Ok(if status.success() {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// SIGTERM, at which QEMU ends in order.
const TERMINATE: i32 = 15;

/// Looks for a kernel panic in a console.
#[derive(Debug, Default)]
struct PanicWatch {
    console: Console,
    /// What the kernel said.
    panic: Option<String>,
    /// The end of what was read before.
    rest: Vec<u8>,
}

impl PanicWatch {
    /// Takes bytes as they came; whether the kernel has said all that it had to say.
    fn is_over(&mut self, bytes: &[u8]) -> bool {
        for (kind, text) in self.console.feed(bytes) {
            if kind == Kind::Panic {
                self.panic.get_or_insert(text);
            }
        }
        self.rest.extend_from_slice(bytes);
        let is_over =
            self.panic.is_some() && self.rest.windows(LAST.len()).any(|window| window == LAST);
        let keep = self.rest.len().saturating_sub(LAST.len());
        self.rest.drain(..keep);
        is_over
    }
}

/// The last line of a kernel that stays after its panic: kernel/panic.c.
const LAST: &[u8] = b"end Kernel panic - not syncing";

/// Commands that end the guest, which its shell would otherwise ask of an init that knows none. A login
/// shell reads the file.
const PROFILE: &str = "poweroff() { sync; command poweroff -f; }\n\
                       halt() { poweroff; }\n\
                       shutdown() { poweroff; }\n\
                       reboot() { sync; command reboot -f; }\n";

/// The image's initramfs with what only a shell needs.
fn initramfs(image: &Utf8Path, folder: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let entry = |path: &str, mode, node| Entry {
        path: path.to_owned(),
        mode,
        node,
    };
    let overlay = [
        entry("etc", 0o755, Node::Directory),
        entry(
            "etc/profile",
            0o644,
            Node::File(PROFILE.as_bytes().to_owned()),
        ),
    ];
    let overlay = archive(&overlay, 0).map_err(|error| Failure::new(Exit::Failed, error))?;
    let path = folder.join("initramfs.cpio");
    host::files::read(image)
        .and_then(|image| host::files::write(&path, &[image, overlay].concat()))
        .map_err(|error| Failure::new(Exit::SetupMissing, error))?;
    Ok(path)
}

/// The machine that was asked for, or the architecture's own.
fn machine<'a>(
    supply: &'a Supply<'_>,
    asked: Option<&str>,
) -> Result<(&'a QemuProfile, &'a Machine), Failure> {
    let arch = supply
        .arches
        .first()
        .and_then(|name| supply.project.arches.get(name));
    let arch = arch.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            anyhow::anyhow!("`boot` needs one architecture"),
        )
    })?;
    let profile = &arch.qemu;
    let name = asked.unwrap_or(&profile.machine);
    let machine = profile.machines.get(name).ok_or_else(|| {
        let known: Vec<&str> = profile.machines.keys().map(String::as_str).collect();
        let error = anyhow::anyhow!("`{}` has no machine `{name}`", arch.name);
        Failure::new(Exit::Usage, error).hint(Some(format!("there are {}", known.join(", "))))
    })?;
    Ok((profile, machine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_is_found_whatever_the_chunks_are() {
        let text = "\r\n[    1.000000] Kernel panic - not syncing: sysrq\r\n[    1.100000] CPU: 0\r\n\
                    [    1.200000] ---[ end Kernel panic - not syncing: sysrq ]---\r\n";
        for at in 0..text.len() {
            let (first, rest) = text.as_bytes().split_at(at);
            let mut watch = PanicWatch::default();
            let over = [watch.is_over(first), watch.is_over(rest)];
            assert!(over.contains(&true), "{at}");
            assert_eq!(
                watch.panic.as_deref(),
                Some("Kernel panic - not syncing: sysrq")
            );
        }
        let mut watch = PanicWatch::default();
        assert!(!watch.is_over(b"echo end Kernel panic - not syncing\r\n"));
        assert_eq!(watch.panic, None);
    }
}
