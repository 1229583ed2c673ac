//! The commands of `cargo xtask` that fetch, build or publish. `xtask` compiles and runs this
//! program for such a command. All other commands are in the library of `xtask`.

mod command;
mod network;
mod render;
mod wiring;

use std::process::ExitCode;

use xtask::cli::Command;
use xtask::context::Context;
use xtask::exit::CommandResult;

fn main() -> ExitCode {
    xtask::main(dispatch)
}

fn dispatch(context: &Context, command: Command) -> CommandResult {
    match command {
        Command::Images(args) => command::images::run(context, &args),
        Command::Fetch(args) => command::fetch::run(context, &args),
        Command::Toolchain(args) => command::toolchain::run(context, &args),
        Command::Kernel(args) => command::kernel::run(context, &args),
        Command::Recipe(args) => command::recipe::run(context, &args),
        Command::Target(args) => command::target::run(context, &args),
        Command::Store(args) => command::store::run(context, &args.command),
        Command::Legal(args) => command::legal::run(context, &args),
        Command::Publish(args) => command::publish::run(context, &args),
        Command::Unpublish(args) => command::unpublish::run(context, &args),
        Command::MirrorCheck(args) => command::mirror_check::run(context, &args),
        Command::VerifyRelease(args) => command::verify_release::run(context, &args),
        Command::Repro(args) => command::repro::run(context, &args),
        Command::Mutants(args) => command::mutants::run(context, &args),
        Command::Rebuild(args) => command::rebuild::run(context, &args),
        Command::Provide(args) => command::provide::run(context, &args),
        Command::Test(_)
        | Command::Report(_)
        | Command::Boot(_)
        | Command::Shell(_)
        | Command::Monitor(_)
        | Command::Gdb(_)
        | Command::Qtest(_)
        | Command::Setup(_)
        | Command::Config
        | Command::Ci(_)
        | Command::Bench(_)
        | Command::Completions(_)
        | Command::HostHelper(_) => xtask::dispatch(context, command),
    }
}
