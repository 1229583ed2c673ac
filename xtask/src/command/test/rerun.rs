//! `--rerun RUN`: runs the remaining tests of an earlier run. Also formats the flags that repeat a run.

use std::collections::BTreeSet;

use clap::Parser as _;
use plan::Project;
use runner::rerun::{self, RerunTest};
use suite::{Selected, Suite};
use verdict::event::RunReport;
use verdict::origin::Scope;
use verdict::runs::stored;

use super::{foreign, select};
use crate::cli::start::StartChoice;
use crate::cli::{AccelChoice, Cli, Command, TestArgs};
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};

/// An earlier run whose remaining tests are to be run.
pub(super) struct Rerun {
    /// The requested name.
    name: String,
    report: RunReport,
    /// The command line that selected its tests.
    asked: Option<TestArgs>,
}

impl Rerun {
    /// Reads the earlier run, if requested.
    pub(super) fn read(context: &Context, args: &TestArgs) -> Result<Option<Self>, Failure> {
        let Some(name) = &args.repeat.rerun else {
            return Ok(None);
        };
        let runs = super::config::runs_dir(context, args);
        let here = &context.env.current_dir;
        let folder = stored::find(&runs, name, here).map_err(hinted!(Exit::Usage))?;
        let report = stored::read(&folder).map_err(hinted!(Exit::Usage))?;
        let asked = report.origin.scope.as_ref().and_then(|scope| {
            let words = ["xtask", "test"].into_iter().map(str::to_owned);
            let cli = Cli::try_parse_from(words.chain(scope.flags.iter().cloned()));
            match cli.ok()?.command {
                Command::Test(args) => Some(*args),
                _ => None,
            }
        });
        let name = report.run_dir.file_name().unwrap_or(name).to_owned();
        Ok(Some(Self {
            name,
            report,
            asked,
        }))
    }

    /// The command line, completed from the earlier one: another QEMU would be another test.
    pub(super) fn complete(&self, args: &TestArgs) -> TestArgs {
        let mut args = args.clone();
        if args.source.arch.is_empty() {
            let platforms = self.report.platforms.iter();
            args.source.arch = platforms.map(|on| on.arch.clone()).collect();
        }
        args.seed = Some(self.report.seed);
        let Some(asked) = &self.asked else {
            return args;
        };
        if args.suite.is_empty() {
            args.suite.clone_from(&asked.suite);
        }
        if args.ktest.is_empty() {
            args.ktest.clone_from(&asked.ktest);
        }
        if args.host.is_default() {
            args.host.clone_from(&asked.host);
        }
        if args.guest.qemu.is_none() {
            args.guest.qemu.clone_from(&asked.guest.qemu);
        }
        if args.kernel.is_empty() {
            args.kernel.clone_from(&asked.kernel);
        }
        if args.guest.accel == AccelChoice::Auto {
            args.guest.accel = asked.guest.accel;
        }
        if args.start.start == StartChoice::Auto {
            args.start.start = asked.start.start;
        }
        args.timeout_factor = args.timeout_factor.or(asked.timeout_factor);
        args
    }

    /// The remaining tests: those that failed or were not run, and new ones.
    pub(super) fn rest(
        &self,
        context: &Context,
        project: &Project,
        suite: &Suite,
        arches: &[String],
    ) -> Result<Vec<RerunTest>, Failure> {
        let (Some(asked), Some(_)) = (&self.asked, &self.report.origin.scope) else {
            return Ok(RerunTest::failed_in(&self.report));
        };
        let filter = select::filter(context, project, suite, asked)?;
        let selected = suite.select(&filter, arches).into_iter();
        Ok(RerunTest::left_by(
            &self.report,
            selected.map(|test| test.name()),
        ))
    }

    /// The remaining tests of this command line. An empty selection is a failure, as for any run.
    pub(super) fn select<'a>(
        &self,
        left: &[RerunTest],
        selected: Vec<Selected<'a>>,
    ) -> Result<Vec<Selected<'a>>, Failure> {
        rerun::keep_left(&self.name, left, selected).map_err(hinted!(Exit::NoTests))
    }

    /// The scope of the new run, which is that of the earlier one.
    pub(super) fn scope(&self, args: &TestArgs) -> Scope {
        let mut scope = rerun::scope_after(&self.report);
        if let Some(asked) = &self.asked {
            scope.flags = asked.selecting();
            scope.flags.extend(args.running(args.guest.qemu.clone()));
        }
        scope
    }
}

/// The scope of a run that repeats none.
pub(super) fn scope(context: &Context, args: &TestArgs) -> Scope {
    // It may be repeated in another directory.
    let mut flags = TestArgs {
        suite: foreign::absolute(context, &args.suite),
        ktest: foreign::absolute(context, &args.ktest),
        ..args.clone()
    }
    .selecting();
    let place = args.guest.qemu.as_ref();
    let place = place.map(|place| context.env.absolute(place));
    let kernels = args.kernel.iter();
    let args = TestArgs {
        kernel: kernels.map(|kernel| context.env.absolute(kernel)).collect(),
        ..args.clone()
    };
    flags.extend(args.running(place));
    Scope {
        flags,
        settled: BTreeSet::new(),
    }
}
