//! `cargo xtask monitor [RUN|GUEST]`: executes lines of input in the monitor of a running guest.

use std::io::{self, IsTerminal as _};
use std::net::Shutdown;

use attach::pick;
use attach::protocol::Channel;

use crate::attached;
use crate::cli::attach::MonitorArgs;
use crate::cli::debug::Language;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;

pub(crate) fn run(context: &Context, args: &MonitorArgs) -> CommandResult {
    let found = attached::find(context, &args.target, "monitor")?;
    let is_terminal = io::stdin().is_terminal();
    let channel = match args.protocol {
        Language::Hmp => Channel::Hmp {
            prompt: is_terminal,
        },
        Language::Qmp => Channel::Qmp,
    };
    let mut reader = attached::open(&found, channel)?;
    if is_terminal && !context.global.quiet {
        let guest = pick::line(&found.guest);
        output::note(format!("{guest}: Ctrl-D leaves the monitor"));
    }
    let io = |error: io::Error| Failure::new(Exit::Failed, error);
    let mut guest = reader.get_ref().try_clone().map_err(io)?;
    // It waits for input until the program ends.
    std::thread::spawn(move || {
        // A guest that has ended reads nothing more.
        let _ = io::copy(&mut io::stdin(), &mut guest);
        let _ = guest.shutdown(Shutdown::Write);
    });
    attached::print(&mut reader);
    attached::check_lives(context, &found)?;
    Ok(Exit::Success)
}
