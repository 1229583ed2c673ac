//! `cargo xtask shell [RUN|GUEST]`: opens a shell in a running guest on this terminal.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use attach::client::Found;
use attach::pick;
use attach::protocol::Channel;
use host::terminal::{self, Raw};

use crate::attached;
use crate::cli::attach::ShellArgs;
use crate::command::test::END_KEY;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output::{self, Color};

/// The size of a terminal without a size.
const SIZE: (u16, u16) = (80, 24);

pub(crate) fn run(context: &Context, args: &ShellArgs) -> CommandResult {
    let found = attached::find(context, &args.target, "shell")?;
    let size = terminal::size().unwrap_or(SIZE);
    let mut reader = attached::open(&found, Channel::Shell { size })?;
    if !context.global.quiet {
        greet(context, &found);
    }
    let io = |error: io::Error| Failure::new(Exit::Failed, error);
    let guest = reader.get_ref().try_clone().map_err(io)?;
    let left = Arc::new(AtomicBool::new(false));
    let leaves = Arc::clone(&left);
    let raw = Raw::enter();
    // It waits for keys until the program ends.
    std::thread::spawn(move || type_keys(&guest, &leaves));
    attached::print(&mut reader);
    drop(raw);
    if !left.load(Ordering::SeqCst) {
        attached::check_lives(context, &found)?;
    }
    Ok(Exit::Success)
}

fn greet(context: &Context, found: &Found) {
    let guest = pick::line(&found.guest);
    let keys = context.style.paint(Color::Bold, "Ctrl-]");
    output::note(format!("{guest}: {keys} leaves the shell"));
}

/// Passes input to the guest until the user leaves. The end of the input ends the shell.
fn type_keys(mut guest: &UnixStream, left: &AtomicBool) {
    let mut bytes = [0; 1024];
    let mut input = io::stdin();
    while let Ok(length @ 1..) = input.read(&mut bytes) {
        if input.is_terminal() && bytes[..length].contains(&END_KEY) {
            left.store(true, Ordering::SeqCst);
            // A guest that has ended needs no action.
            let _ = guest.shutdown(Shutdown::Both);
            return;
        }
        if guest.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
    // The end of the file would be lost in a shell that has not started yet.
    let _ = guest.write_all(b"exit\n");
}
