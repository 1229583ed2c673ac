//! `cargo xtask`: parses the command line, wires the libraries, renders what they tell, exits.

mod checkout;
mod cli;
mod command;
mod context;
mod exit;
mod github;
mod kiln_toml;
mod origin;
mod output;
mod platforms;
mod render;
mod supply;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Color, Style};

fn main() -> ExitCode {
    // Children start through this very program, so that they die with it.
    host::guard::run_if_asked();
    host::scratch::restrict_umask();
    let exit = match Cli::try_parse() {
        Ok(cli) => perform(cli),
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

fn perform(cli: Cli) -> Exit {
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

fn dispatch(context: &Context, command: Command) -> Outcome {
    match command {
        Command::Images(args) => command::images::run(context, &args),
        Command::Fetch(args) => command::fetch::run(context, &args),
        Command::Test(args) => command::test::run(context, &args),
        Command::Report(args) => command::report::run(context, &args),
        Command::Boot(args) => command::boot::run(context, &args),
        Command::Toolchain(args) => command::toolchain::run(context, &args),
        Command::Recipe(args) => command::recipe::run(context, &args),
        Command::Store(args) => command::store::run(context, &args),
        Command::Setup(args) => command::setup::run(context, &args),
        Command::Config => command::config::run(context),
        Command::Ci(args) => command::ci::run(context, &args),
        Command::Legal(args) => command::legal::run(context, &args),
        Command::Publish(args) => command::publish::run(context, &args),
        Command::Unpublish(args) => command::unpublish::run(context, &args),
        Command::MirrorCheck(args) => command::mirror_check::run(context, &args),
        Command::VerifyRelease(args) => command::verify_release::run(context, &args),
        Command::Repro(args) => command::repro::run(context, &args),
        Command::Rebuild(args) => command::rebuild::run(context, &args),
        Command::Bench(args) => command::bench::run(context, &args),
        Command::Completions(args) => Ok(command::completions::run(&args)),
        Command::HostHelper(args) => command::host_helper::run(context, &args),
    }
}
