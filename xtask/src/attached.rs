//! Running guests of other commands of this checkout, for `shell`, `monitor` and `gdb`; and the guest of
//! `boot`, which is offered to them.

use std::io::{BufReader, ErrorKind, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use attach::client::{self, AttachError, Found};
use attach::pick::pick;
use attach::protocol::{Channel, GdbTarget};
use attach::{GuestSpec, LINKS, LiveGuests, Registered, Server};
use camino::Utf8Path;
use guest::debug::Debug;
use host::process::Command;
use plan::arch::Machine;
use qemu::qmp;
use start::platform::ArchRun;

use crate::cli::attach::Target;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

/// The guest that the user means. `command` is the command that needs it.
pub(crate) fn find(context: &Context, target: &Target, command: &str) -> Result<Found, Failure> {
    let all = running(context)?;
    let guests: Vec<_> = all.iter().map(|found| found.guest.clone()).collect();
    let guest = pick(&guests, target.guest.as_deref()).map_err(|error| {
        let hint = error.hint(command);
        Failure::new(Exit::Usage, error).hint(hint)
    })?;
    let found = all.iter().find(|found| found.guest == *guest);
    found.cloned().ok_or_else(ended)
}

/// Opens a channel to a guest.
pub(crate) fn open(found: &Found, channel: Channel) -> Result<BufReader<UnixStream>, Failure> {
    client::open(found, channel).map_err(failure)
}

/// Starts the gdbstub of a guest, which counts as debugged while the connection is open.
pub(crate) fn debug(found: &Found) -> Result<(GdbTarget, UnixStream), Failure> {
    client::debug(found).map_err(failure)
}

/// Prints what a guest sends until its connection ends.
pub(crate) fn print(reader: &mut BufReader<UnixStream>) {
    let mut bytes = [0; 4096];
    loop {
        match reader.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => output::raw(&bytes[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn failure(error: AttachError) -> Failure {
    let exit = match error {
        AttachError::Refused(_) => Exit::Usage,
        AttachError::Links { .. } | AttachError::Connection(_) => Exit::Failed,
    };
    Failure::new(exit, error)
}

/// Fails if the guest has ended, which ends its channels.
pub(crate) fn check_lives(context: &Context, found: &Found) -> Result<(), Failure> {
    let lives = running(context)?.contains(found);
    lives.then_some(()).ok_or_else(ended)
}

fn ended() -> Failure {
    Failure::new(Exit::Failed, anyhow::anyhow!("the guest has ended"))
}

fn running(context: &Context) -> Result<Vec<Found>, Failure> {
    client::running(&context.root.join(LINKS))
        .map_err(|error| Failure::new(Exit::SetupMissing, error))
}

/// A guest to which other commands can attach.
pub(crate) type Offer = (Registered, Server);

/// The guest of `boot`.
pub(crate) struct Booted<'a> {
    pub(crate) run: &'a ArchRun,
    pub(crate) debug: &'a Debug,
    /// The directory for its sockets.
    pub(crate) sockets: &'a Utf8Path,
}

/// Lets other commands attach to the guest that `command` starts, while the result is held. Its QEMU gets a
/// monitor for this.
pub(crate) fn offer(
    context: &Context,
    guest: &Booted<'_>,
    machine: &Machine,
    command: Command,
) -> Result<(Command, Offer), Failure> {
    let (run, sockets) = (guest.run, guest.sockets);
    let setup = |error: std::io::Error| Failure::new(Exit::SetupMissing, error);
    let (near, far) = UnixStream::pair().map_err(setup)?;
    let (monitor, _reader) =
        qmp::Client::start(near, host::test_time::TestClock::default(), |_| {}).map_err(setup)?;
    let number = far.as_raw_fd();
    let command = command
        .args(["-chardev", &format!("socket,id=kiln-attach,fd={number}")])
        .args(["-mon", "chardev=kiln-attach,mode=control"])
        .inherit_fd(far.into(), number);
    let guests = Arc::new(LiveGuests::default());
    let name = format!("boot-{}", std::process::id());
    let links = context.root.join(LINKS);
    let server = Server::start(&guests, &name, sockets, &links).map_err(setup)?;
    let kernel = run.kernel();
    let registered = guests.register(GuestSpec {
        arch: run.arch.name.clone(),
        test: machine.name.clone(),
        name: None,
        monitor,
        clock: None,
        sockets: sockets.to_owned(),
        has_gdb: guest.debug.gdb.is_some(),
        symbols: kernel.and_then(|kernel| kernel.symbols.clone()),
        is_own_kernel: kernel.is_some(),
        no_shell: Some("the shell of this guest is in the terminal of `boot`"),
    });
    Ok((command, (registered, server)))
}
