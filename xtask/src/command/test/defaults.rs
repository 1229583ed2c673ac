//! Adds the settings of `kiln.toml` and the environment to the flags of `cargo xtask test`.

use std::collections::BTreeMap;

use clap::ValueEnum;
use settings::{Layer, Resolved, Setting};
use suite::overrides::{Changes, Override};
use suite::{Filter, Selected, Suite};

use crate::cli::TestArgs;
use crate::cli::report::ReportFormat;
use crate::context::Context;
use crate::exit::Failure;

/// The flags, completed from the settings, and the overrides for single tests.
pub(super) fn complete(context: &Context, args: &TestArgs) -> (TestArgs, Vec<Override>) {
    let resolved = context.resolve(flags(args));
    let overrides = resolved.overrides();
    (with_values(args, resolved), overrides)
}

/// The layer of the command line. It omits architectures, because a default is narrowed to those
/// that QEMU is built for.
fn flags(args: &TestArgs) -> Layer {
    Layer {
        qemu: Setting::of_flag("--qemu", args.guest.qemu.clone()),
        retries: Setting::of_flag("--retries", args.repeat.retries),
        timeout_factor: Setting::of_flag("--timeout-factor", args.timeout_factor),
        seed: Setting::of_flag("--seed", args.seed),
        ..Layer::default()
    }
}

fn with_values(args: &TestArgs, resolved: Resolved) -> TestArgs {
    let mut args = args.clone();
    let values = resolved.values;
    if args.debug.compare_qemu.is_none() {
        args.guest.qemu = values.qemu.map(|qemu| qemu.value);
    }
    args.repeat.retries = values.retries.map(|retries| retries.value);
    args.timeout_factor = values.timeout_factor.map(|factor| factor.value);
    args.seed = values.seed.map(|seed| seed.value);
    if args.reports.all().is_empty() {
        let reports = values.reports.map(|reports| reports.value);
        let reports = reports.into_iter().flatten();
        args.reports.report = reports
            .filter_map(|(name, file)| Some((ReportFormat::from_str(&name, false).ok()?, file)))
            .collect();
    }
    args
}

/// Refuses an override whose expression contains a name that matches no test.
pub(crate) fn check(
    context: &Context,
    suite: &Suite,
    filter: &Filter,
    arches: &[String],
) -> Result<(), Failure> {
    let unknown = suite.with_subjects(filter, arches, |subjects| {
        context.settings.unknown_names(subjects)
    });
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(context.draw(&unknown, "in settings"))
    }
}

/// The tests that an override skips, by full name, each with the reason.
pub(super) fn skips(
    overrides: &[Override],
    filter: &Filter,
    selected: &[Selected<'_>],
) -> BTreeMap<String, String> {
    let reason = |test: &Selected<'_>| {
        let name = test.name();
        let changes = Changes::of(overrides, &filter.subject(test, &name));
        Some((name, changes.skip?))
    };
    selected.iter().filter_map(reason).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser as _;
    use clap::builder::PossibleValue;
    use settings::Settings;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(words: &[&str]) -> TestArgs {
        let words = ["xtask", "test"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Test(args) => *args,
            _ => panic!("another command"),
        }
    }

    fn base() -> settings::Base<'static> {
        settings::Base {
            root: "/kiln".into(),
            home: None,
        }
    }

    #[test]
    fn settings_fill_flags_that_are_absent() {
        let text =
            "qemu = \"/q\"\nretries = 2\ntimeout-factor = 3\nseed = 4\nreports.junit = \"j\"";
        let file = settings::File::read("kiln.toml".into(), text, base()).unwrap();
        let settings = Settings::new(file, settings::File::default(), None).unwrap();
        let complete = |words: &[&str]| {
            let args = args(words);
            with_values(&args, settings.resolve(flags(&args), Layer::default()))
        };
        let check = |words: &[&str], expect: (&str, u32, f64, u64, &str)| {
            let args = complete(words);
            let reports = args.reports.all();
            let found = (
                args.guest.qemu.as_ref().map_or("", |qemu| qemu.as_str()),
                args.repeat.retries.unwrap(),
                args.timeout_factor.unwrap(),
                args.seed.unwrap(),
                reports[0].1.as_str(),
            );
            assert_eq!(found, expect, "{words:?}");
            assert_eq!(reports.len(), 1, "{words:?}");
        };
        check(&[], ("/q", 2, 3.0, 4, "/kiln/j"));
        check(&["--retries=0"], ("/q", 0, 3.0, 4, "/kiln/j"));
        check(&["--seed=9", "--qemu=/r"], ("/r", 2, 3.0, 9, "/kiln/j"));
        check(&["--timeout-factor=1"], ("/q", 2, 1.0, 4, "/kiln/j"));
        check(&["--report=html=h"], ("/q", 2, 3.0, 4, "h"));
        check(&["--compare-qemu", "/a", "/b"], ("", 2, 3.0, 4, "/kiln/j"));
    }

    #[test]
    fn report_formats_of_settings_are_those_of_flags() {
        let flags = ReportFormat::value_variants().iter();
        let values: Vec<_> = flags.filter_map(ValueEnum::to_possible_value).collect();
        let flags: BTreeSet<&str> = values.iter().map(PossibleValue::get_name).collect();
        assert_eq!(flags, BTreeSet::from(settings::file::FORMATS));
    }
}
