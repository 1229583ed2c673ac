//! `cargo xtask qtest fuzz`: generates traffic for a device and stores crashes of QEMU as short
//! streams.

use std::collections::BTreeSet;
use std::time::Duration;

use host::clock::monotonic;
use qtest::Machine;
use qtest::fuzz::{self, Round, SLOT};
use qtest::stream::{Step, Stream};

use super::minimize::shorten;
use super::{Emulator, write};
use crate::cli::qtest::FuzzArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;

/// Time limit of a reply, also on a busy host.
const WAIT: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context, args: &FuzzArgs) -> CommandResult {
    let machine = machine(args)?;
    let project = context.project()?;
    let arch = project.arches.get(&machine.arch).ok_or_else(|| {
        let error = anyhow::anyhow!("unknown architecture `{}`", machine.arch);
        Failure::new(Exit::Usage, error)
    })?;
    let emulator = Emulator::find(context, &arch.qemu.binary, args.qemu.as_ref(), WAIT)?;
    let mut arguments = machine.arguments();
    arguments.extend(args.args.iter().cloned());
    arguments.extend(["-device".to_owned(), format!("{},addr={SLOT}", args.device)]);
    let seed = args.seed.unwrap_or_else(host::random::seed);
    output::note(format!("{} on {}, seed {seed}", args.device, machine.name));

    let started = monotonic();
    let (mut rounds, mut commands, mut found) = (0u64, 0, BTreeSet::new());
    while started.elapsed() < args.time {
        host::interrupt::check().map_err(|error| Failure::new(Exit::Interrupted, error))?;
        let seed = seed.wrapping_add(rounds);
        let round = fuzz::round(&emulator.spec(&arguments), machine, seed, args.length);
        let round = round.map_err(|error| Failure::new(Exit::SetupMissing, error))?;
        rounds += 1;
        commands += round.commands.len();
        if round.ending.is_fault() && found.insert(round.ending.identity()) {
            let stream = stream(&arch.qemu.binary, &arguments, seed, &round);
            let shorter = shorten(&emulator, &stream, &round.ending)?;
            let file = args.output.join(format!("{}-{seed}.qtest", args.device));
            write(context, &file, &shorter)?;
            let count = shorter.steps.len();
            output::result(format!("{file}: {} ({count} commands)", round.ending));
        }
    }
    output::note(format!(
        "{rounds} rounds, {commands} commands, {} findings",
        found.len()
    ));
    Ok(if found.is_empty() {
        Exit::Success
    } else {
        Exit::TestFailed
    })
}

/// The selected machine.
fn machine(args: &FuzzArgs) -> Result<&'static Machine, Failure> {
    let machines = device_tests::machines().map_err(|error| Failure::new(Exit::Failed, error))?;
    let is_selected = |machine: &&Machine| {
        args.arch.as_ref().is_none_or(|arch| *arch == machine.arch)
            && args
                .machine
                .as_ref()
                .is_none_or(|name| *name == machine.name)
    };
    let with_pci = || machines.iter().filter(|machine| machine.pci.is_some());
    with_pci().find(is_selected).ok_or_else(|| {
        let known: Vec<String> = with_pci()
            .map(|machine| format!("--arch {} --machine {}", machine.arch, machine.name))
            .collect();
        Failure::new(Exit::Usage, anyhow::anyhow!("no such machine with PCI"))
            .hint(Some(known.join(", or ")))
    })
}

fn stream(binary: &str, arguments: &[String], seed: u64, round: &Round) -> Stream {
    let step = |command: &String| Step {
        command: command.clone(),
        replies: Vec::new(),
    };
    Stream {
        comments: vec![format!("{}, seed {seed}", round.ending)],
        binary: Some(binary.to_owned()),
        arguments: arguments.to_vec(),
        steps: round.commands.iter().map(step).collect(),
    }
}
