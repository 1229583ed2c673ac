//! `cargo xtask host-helper COMMAND ARGUMENT…`: forwards a helper command of a host script to the
//! runner that started it. Used by `guest-tests/lib/host.sh`.

use std::io::{self, Read as _};

use helpers;

use crate::cli::HostHelperArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;

pub(crate) fn run(context: &Context, args: &HostHelperArgs) -> CommandResult {
    let Some(socket) = &context.env.kiln_socket else {
        let error = anyhow::anyhow!(
            "helper commands work only in the host script of a test: KILN_SOCKET is not set"
        );
        return Err(Failure::new(Exit::Usage, error)
            .hint(Some("cargo xtask test --no-capture NAME".to_owned())));
    };
    let input = || {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        Ok(text)
    };
    // An unreachable runner is not a verdict of the test.
    let unheard = Exit::Child(
        verdict::outcome::STATUS_HARD_ERROR
            .unsigned_abs()
            .try_into()
            .unwrap_or(u8::MAX),
    );
    let reply = helpers::ask(socket, &args.words, &context.env.current_dir, input)
        .map_err(|error| Failure::new(unheard, error))?;
    output::raw(reply.stdout.as_bytes());
    output::raw_note(reply.stderr.as_bytes());
    Ok(Exit::Child(u8::try_from(reply.status).unwrap_or(u8::MAX)))
}
