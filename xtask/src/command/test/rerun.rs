//! `--rerun RUN`: what an earlier run has left, on what it ran on; and the flags by which a run is
//! repeated.

use std::collections::BTreeSet;

use clap::Parser as _;
use plan::Project;
use runner::Again;
use suite::{Selected, Suite};
use verdict::event::RunReport;
use verdict::origin::Scope;
use verdict::runs::kept;

use super::select;
use crate::cli::{AccelChoice, Cli, Command, TestArgs};
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};

/// An earlier run, whose rest is to be run.
pub(super) struct Rerun {
    /// As it was asked for.
    name: String,
    report: RunReport,
    /// The command line that selected its tests.
    asked: Option<TestArgs>,
}

impl Rerun {
    /// Reads it back, where one is asked for.
    pub(super) fn read(context: &Context, args: &TestArgs) -> Result<Option<Self>, Failure> {
        let Some(name) = &args.repeat.rerun else {
            return Ok(None);
        };
        let runs = super::config::runs_dir(context, args);
        let here = &context.env.current_dir;
        let folder = kept::find(&runs, name, here).map_err(hinted!(Exit::Usage))?;
        let report = kept::read(&folder).map_err(hinted!(Exit::Usage))?;
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

    /// The command line, completed by what the earlier one said: another QEMU would be another test.
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
        if args.guest.qemu.is_none() {
            args.guest.qemu.clone_from(&asked.guest.qemu);
        }
        if args.guest.accel == AccelChoice::Auto {
            args.guest.accel = asked.guest.accel;
        }
        args.timeout_factor = args.timeout_factor.or(asked.timeout_factor);
        args
    }

    /// What is left: what failed or was not run, and what is new since.
    pub(super) fn rest(
        &self,
        context: &Context,
        project: &Project,
        suite: &Suite,
        arches: &[String],
    ) -> Result<Vec<Again>, Failure> {
        let mut rest = Again::of(&self.report);
        let (Some(asked), Some(scope)) = (&self.asked, &self.report.origin.scope) else {
            return Ok(rest);
        };
        let known = self.report.tests.iter().map(|test| &test.name);
        let known: BTreeSet<&String> = known.chain(&scope.settled).collect();
        let wanted = select::filter(context, project, suite, asked)?;
        let wanted = suite.select(&wanted, arches).into_iter();
        let added = wanted
            .map(|test| test.name())
            .filter(|name| !known.contains(name));
        rest.extend(added.map(|name| Again::added(&self.report, name)));
        Ok(rest)
    }

    /// Which of the tests that this command line selects are left; none is a failure, as for any run.
    pub(super) fn select<'a>(
        &self,
        rest: &[Again],
        mut selected: Vec<Selected<'a>>,
    ) -> Result<Vec<Selected<'a>>, Failure> {
        let names: BTreeSet<&str> = rest.iter().map(|again| again.name.as_str()).collect();
        selected.retain(|test| names.contains(test.name().as_str()));
        if !selected.is_empty() {
            return Ok(selected);
        }
        let (error, hint) = if rest.is_empty() {
            let error =
                anyhow::anyhow!("no test to re-run: every test of run {} passed", self.name);
            (error, "cargo xtask test".to_owned())
        } else {
            let error = anyhow::anyhow!("no failed test of run {} is selected", self.name);
            let hint = format!("cargo xtask test --rerun {} --list", self.name);
            (error, hint)
        };
        Err(Failure::new(Exit::NoTests, error).hint(Some(hint)))
    }

    /// What the new run is to reach: the same.
    pub(super) fn scope(&self, args: &TestArgs) -> Scope {
        let mut scope = self.report.origin.scope.clone().unwrap_or_default();
        let rest = Again::of(&self.report).into_iter();
        let rest: BTreeSet<_> = rest.map(|again| again.name).collect();
        let names = self.report.tests.iter().map(|test| test.name.clone());
        scope
            .settled
            .extend(names.filter(|name| !rest.contains(name)));
        if let Some(asked) = &self.asked {
            scope.flags = asked.selecting();
            scope.flags.extend(args.running(args.guest.qemu.clone()));
        }
        scope
    }
}

/// What a run is to reach that repeats none.
pub(super) fn scope(context: &Context, args: &TestArgs) -> Scope {
    let mut flags = args.selecting();
    // It may be repeated in another directory.
    let place = args.guest.qemu.as_ref();
    let place = place.map(|place| context.env.absolute(place));
    flags.extend(args.running(place));
    Scope {
        flags,
        settled: BTreeSet::new(),
    }
}
