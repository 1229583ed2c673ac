//! `cargo xtask boot --arch A [-- QEMU ARGS]`: opens a shell in a guest on this terminal. Leaving
//! the shell, or `poweroff`, powers the guest off. A kernel panic fails the command.

use std::io::Read as _;

use guest::debug::{Debug, DebugPaths};
use host::process::{Command, Stdio};
use plan::arch::Machine;
use qemu::LaunchRequest;
use qemu::console::EndWatch;

use crate::attached::{self, Booted, Offer};
use crate::cli::boot::BootArgs;
use crate::context::Context;
use crate::debugger;
use crate::exit::{CommandResult, Exit, Failure, hinted};
use crate::kernels;
use crate::output::{self, Color};
use crate::platforms::{self, Guests};
use crate::supply::Supply;
use crate::typing::{self, Typing};

pub(crate) fn run(context: &Context, args: &BootArgs) -> CommandResult {
    let project = context.project()?;
    let mut source = args.source.clone();
    if source.arch.is_empty() && (args.kernel.is_some() || args.host.is_host_image()) {
        source.arch = context.arches(&project, &[])?;
        let kernel = args.kernel.as_deref();
        kernels::narrow(context, &project, (kernel, &args.host), &mut source.arch)?;
    }
    if source.arch.len() != 1 {
        let first = project.arches.keys().next().cloned().unwrap_or_default();
        let error = anyhow::anyhow!("expected exactly one `--arch`");
        let hint = format!("cargo xtask boot --arch {first}");
        return Err(Failure::new(Exit::Usage, error).hint(Some(hint)));
    }
    let supply = Supply::open(context, &source)?;
    let machine = machine(&supply, args.machine.as_deref())?;
    let mut runs = platforms::prepare(&supply, &args.guest, &Guests::booting(&supply.arches))?;
    kernels::apply(&supply, &mut runs, args.kernel.as_deref(), &args.host)?;
    let Some(guest_run) = runs.first() else {
        return Ok(Exit::SetupMissing);
    };
    let size = host::terminal::size().map_or_else(String::new, |(columns, rows)| {
        // A serial line cannot report the size of the window to the guest.
        format!("kiln.size={columns}x{rows}")
    });
    let sockets = context.scratch("boot")?;
    let paths = DebugPaths {
        run_dir: sockets.path(),
        logs: sockets.path(),
        suffix: "",
    };
    let debug = Debug {
        gdb: (args.gdb.then(|| debugger::gdb(&supply, &runs))).transpose()?,
        ..Debug::default()
    };
    let is_host = args.host.is_host_image();
    let (boot, parameter) = kernels::login(context, guest_run, (machine, is_host), sockets.path())?;
    let extra = args.args.iter().cloned().chain(debug.options(paths));
    let request = LaunchRequest {
        // After a panic the kernel stays, so that it differs from a reboot.
        append: [parameter, "panic=0", &size].join(" ").trim().to_owned(),
        reboot_allowed: true,
        paused: debug.is_held(),
        options: extra.collect(),
        ..guest_run.request(machine, boot)
    };
    let line = request.resolve().map_err(platforms::qemu_failure)?;
    let line = line.standalone();
    let command = Command::from_argv(&line)
        .stdin(typing::stdin())
        .stdout(Stdio::Pipe)
        .stderr(Stdio::Inherit)
        .same_group();
    if context.global.verbose > 0 {
        output::note(command.shell_line());
    }
    let guest = Booted {
        run: guest_run,
        debug: &debug,
        sockets: sockets.path(),
    };
    let (command, offer) = attached::offer(context, &guest, machine, command)?;
    if !context.global.quiet {
        let keys = context.style.paint(Color::Bold, "Ctrl-A X");
        output::note(format!(
            "{}: `exit` powers off the guest, {keys} ends QEMU",
            platforms::describe(guest_run)
        ));
    }
    for line in debug.lines(&guest_run.arch, paths) {
        output::note(line);
    }
    finish(command, offer, !machine.power_off)
}

/// Runs QEMU to its end and forwards the guest's output. Fails after a kernel panic.
fn finish(command: Command, _offer: Offer, stays_on: bool) -> CommandResult {
    let mut running = command.spawn().map_err(hinted!(Exit::SetupMissing))?;
    let (stdout, waiter) = (running.stdout.take(), running.waiter());
    let mut typing = Typing::of(running.stdin.take());
    let copy = std::thread::spawn(move || {
        let mut watch = EndWatch::new(stays_on);
        let (mut stdout, mut bytes) = (stdout?, [0; 4096]);
        while let Ok(length @ 1..) = stdout.read(&mut bytes) {
            output::raw(&bytes[..length]);
            typing.watch(&bytes[..length]);
            if watch.is_over(&bytes[..length]) {
                waiter.signal(TERMINATE);
            }
        }
        watch.panic
    });
    let status = running.waiter().block();
    host::interrupt::check().map_err(|error| Failure::new(Exit::Interrupted, error))?;
    let panic = copy.join().unwrap_or_default();
    match panic {
        Some(message) => Err(Failure::new(
            Exit::Failed,
            anyhow::anyhow!("the guest panicked: {message}"),
        )),
        None if status.success() => Ok(Exit::Success),
        None => Ok(Exit::Failed),
    }
}

/// SIGTERM.
const TERMINATE: i32 = 15;

/// The selected machine, or the architecture's default.
fn machine<'a>(supply: &'a Supply<'_>, asked: Option<&str>) -> Result<&'a Machine, Failure> {
    let arch = supply
        .arches
        .first()
        .and_then(|name| supply.project.arches.get(name));
    let arch = arch.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            anyhow::anyhow!("expected exactly one `--arch`"),
        )
    })?;
    let profile = &arch.qemu;
    let name = asked.unwrap_or(&profile.machine);
    profile.machines.get(name).ok_or_else(|| {
        let known: Vec<&str> = profile.machines.keys().map(String::as_str).collect();
        let error = anyhow::anyhow!("unknown machine `{name}` of `{}`", arch.name);
        Failure::new(Exit::Usage, error).hint(Some(format!("expected one of {}", known.join(", "))))
    })
}
