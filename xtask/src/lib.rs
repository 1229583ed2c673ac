//! `cargo xtask`: parses the command line, connects the libraries, renders results, and exits.
//!
//! The binary `xtask` contains every command that runs tests. The commands that fetch, build or
//! publish are in the binary `builder`, which uses this library too. [`dispatch`] compiles it when
//! it is needed and replaces this process by it.

mod attached;
mod builder;
mod checkout;
pub mod cli;
pub mod command;
pub mod context;
mod debugger;
pub mod distribution;
pub mod exit;
mod github;
pub mod kernel_options;
mod kernels;
mod kiln_toml;
mod ktest;
mod origin;
pub mod output;
pub mod platforms;
pub mod render;
pub mod supply;
mod typing;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output::{Color, Style};

/// The main function of a program whose commands are performed by `dispatch`.
#[must_use]
pub fn main(dispatch: fn(&Context, Command) -> CommandResult) -> ExitCode {
    // Children start through this program, so that they die with it.
    host::guard::run_if_asked();
    host::scratch::restrict_umask();
    let exit = match Cli::try_parse() {
        Ok(cli) => perform(cli, dispatch),
        Err(message) => {
            output::note_failure(&message.print());
            Exit::of_parser(message.exit_code())
        }
    };
    let exit = exit.of_output(output::failed());
    if cli::bisects(&host::env::arguments()) {
        exit.for_bisect().into()
    } else {
        exit.into()
    }
}

fn perform(cli: Cli, dispatch: fn(&Context, Command) -> CommandResult) -> Exit {
    let plain = Style::gather(&cli.global, &host::env::Env::default());
    let here = matches!(
        cli.command,
        Command::Completions(_) | Command::HostHelper(_)
    );
    let context = match Context::gather(cli.global, here) {
        Ok(context) => context,
        Err(failure) => {
            failure.explain(plain);
            return failure.exit;
        }
    };
    let outcome = host::interrupt::install()
        .map_err(|error| Failure::new(Exit::Failed, error))
        .and_then(|()| dispatch(&context, cli.command));
    match (host::interrupt::received(), outcome) {
        (Some(signal), _) => {
            output::note(format!(
                "{}: interrupted",
                context.style.paint(Color::Red, "error")
            ));
            Exit::Child(signal.exit_code())
        }
        (None, Ok(exit)) => exit,
        (None, Err(failure)) => {
            failure.explain(context.style);
            failure.exit
        }
    }
}

/// Performs a command of `xtask`. Passes other commands to `builder`.
pub fn dispatch(context: &Context, command: Command) -> CommandResult {
    match command {
        Command::Test(args) => command::test::run(context, &args),
        Command::Report(args) => command::report::run(context, &args),
        Command::Boot(args) => command::boot::run(context, &args),
        Command::Shell(args) => command::shell::run(context, &args),
        Command::Monitor(args) => command::monitor::run(context, &args),
        Command::Gdb(args) => command::gdb::run(context, &args),
        Command::Store(args) if !args.command.needs_builder() => {
            command::store::run(context, &args.command)
        }
        Command::Qtest(args) => command::qtest::run(context, &args),
        Command::Setup(args) => command::setup::run(context, &args),
        Command::Config => command::config::run(context),
        Command::Ci(args) => command::ci::run(context, &args),
        Command::Bench(args) => command::bench::run(context, &args),
        Command::Completions(args) => Ok(command::completions::run(&args)),
        Command::HostHelper(args) => command::host_helper::run(context, &args),
        Command::Images(_)
        | Command::Fetch(_)
        | Command::Toolchain(_)
        | Command::Kernel(_)
        | Command::Recipe(_)
        | Command::Target(_)
        | Command::Store(_)
        | Command::Legal(_)
        | Command::Publish(_)
        | Command::Unpublish(_)
        | Command::MirrorCheck(_)
        | Command::VerifyRelease(_)
        | Command::Repro(_)
        | Command::Mutants(_)
        | Command::Rebuild(_)
        | Command::Provide(_) => Err(builder::replace(context)),
    }
}
