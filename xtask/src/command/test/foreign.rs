//! Tests of other suites, which the command line names: `--suite DIR`, `--ktest FILE`.

use camino::{Utf8Path, Utf8PathBuf};
use host::process::command::quote;
use plan::Project;
use suite::{Suite, TestFile, tree};
use verdict::kind::TestKind;

use crate::cli::TestArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::ktest;

/// Adds the tests of other suites to those of the repository.
pub(super) fn add(
    context: &Context,
    project: &Project,
    args: &TestArgs,
    suite: &mut Suite,
) -> Result<(), Failure> {
    let arches = project.arches.values();
    let arches: Vec<_> = arches
        .map(|arch| {
            (
                arch.name.clone(),
                qemu::binary::target(&arch.qemu).to_owned(),
            )
        })
        .collect();
    for dir in &args.suite {
        let root = context.env.absolute(dir);
        let tests = tree::load(&root, dir, &arches).map_err(|error| {
            let hint = error.hint();
            Failure::new(Exit::Usage, error).hint(hint)
        })?;
        is_for_arch(args, dir, &tests)?;
        suite.add(tests);
    }
    for tests in ktest::load(context, project, &args.ktest, &args.kernel)? {
        suite.add(tests);
    }
    Ok(())
}

/// Refuses `--arch` without any architecture of a suite.
fn is_for_arch(args: &TestArgs, dir: &Utf8Path, tests: &[TestFile]) -> Result<(), Failure> {
    let requested = &args.source.arch;
    let is_requested = |test: &TestFile| requested.iter().any(|arch| test.is_for(arch));
    let Some(first) = tests.first().filter(|_| !requested.is_empty()) else {
        return Ok(());
    };
    if tests.iter().any(is_requested) {
        return Ok(());
    }
    let arch = first.header.arches.join(", ");
    let error = anyhow::anyhow!("`{dir}` is built for {arch}, which --arch does not select");
    let hint = format!("cargo xtask test --suite {} --arch {arch}", quote(dir));
    Err(Failure::new(Exit::Usage, error).hint(Some(hint)))
}

/// The selected kinds. The default is those of the other suites, if any.
pub(super) fn kinds(args: &TestArgs) -> Vec<TestKind> {
    let named = [
        (TestKind::Suite, args.suite.is_empty()),
        (TestKind::Ktest, args.ktest.is_empty()),
    ];
    let named = named.into_iter().filter(|(_, is_empty)| !is_empty);
    let named: Vec<_> = named.map(|(kind, _)| kind).collect();
    if args.kind.is_empty() && !named.is_empty() {
        return named;
    }
    args.kind.iter().map(|kind| kind.kind()).collect()
}

/// Without `--arch`, only the architectures of the other suites are needed.
pub(super) fn narrow(args: &TestArgs, suite: &Suite, arches: &mut Vec<String>) {
    let is_alone = args.kind.is_empty() && !kinds(args).is_empty();
    if !is_alone || !args.source.arch.is_empty() {
        return;
    }
    arches.clear();
    let tests = suite.tests.iter();
    let kinds = kinds(args);
    for test in tests.filter(|test| kinds.contains(&test.header.body.kind())) {
        let new = test
            .header
            .arches
            .iter()
            .filter(|arch| !arches.contains(arch));
        let new: Vec<_> = new.cloned().collect();
        arches.extend(new);
    }
}

/// Directories or scripts, for a command line that is repeated elsewhere.
pub(super) fn absolute(context: &Context, places: &[Utf8PathBuf]) -> Vec<Utf8PathBuf> {
    let places = places.iter();
    places.map(|place| context.env.absolute(place)).collect()
}
