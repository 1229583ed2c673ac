//! The command line that takes one sample of a benchmark.

use crate::builder::source_flags;
use crate::cli::bench::Bench;

/// How often the benchmark is to be run.
pub(super) fn runs(what: &Bench) -> u16 {
    match what {
        Bench::Boot(args) | Bench::Run(args) | Bench::Warm(args) | Bench::Qtest(args) => args.runs,
        Bench::Suite(args) => args.runs,
        Bench::Build(args) => args.runs,
        Bench::Load(_) | Bench::Source(_) => 1,
    }
}

/// The arguments that take one sample; `None` if the benchmark itself runs other commands in a checkout.
pub(super) fn sampling(what: &Bench) -> Option<Vec<String>> {
    let (name, source, guest) = match what {
        Bench::Boot(args) => ("boot", &args.source, &args.guest),
        Bench::Run(args) => ("run", &args.source, &args.guest),
        Bench::Warm(args) => ("warm", &args.source, &args.guest),
        Bench::Qtest(args) => ("qtest", &args.source, &args.guest),
        Bench::Load(args) => ("load", &args.source, &args.guest),
        Bench::Suite(_) | Bench::Build(_) | Bench::Source(_) => return None,
    };
    let mut flags = vec![name.to_owned()];
    match what {
        Bench::Load(args) => {
            flags.push(format!("--loops={}", args.loops));
            flags.extend(args.filters.clone());
        }
        _ => flags.push("--runs=1".to_owned()),
    }
    flags.extend(source_flags(source, &source.arch));
    flags.extend(guest.qemu.iter().map(|qemu| format!("--qemu={qemu}")));
    flags.extend(guest.accel.flag());
    Some(flags)
}
