//! Adds tests of other suites: `--suite DIR`.

use camino::{Utf8Path, Utf8PathBuf};
use host::process::command::quote;
use plan::Project;
use suite::{Suite, TestFile, tree};
use verdict::kind::TestKind;

use crate::cli::TestArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure};

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
    if args.kind.is_empty() && !args.suite.is_empty() {
        return vec![TestKind::Suite];
    }
    args.kind.iter().map(|kind| kind.kind()).collect()
}

/// Without `--arch`, only the architectures of the other suites are needed.
pub(super) fn narrow(args: &TestArgs, suite: &Suite, arches: &mut Vec<String>) {
    let is_alone = args.kind.is_empty() && !args.suite.is_empty();
    if !is_alone || !args.source.arch.is_empty() {
        return;
    }
    arches.clear();
    let tests = suite.tests.iter();
    for test in tests.filter(|test| test.header.body.kind() == TestKind::Suite) {
        let new = test
            .header
            .arches
            .iter()
            .filter(|arch| !arches.contains(arch));
        let new: Vec<_> = new.cloned().collect();
        arches.extend(new);
    }
}

/// The absolute directories, for a command line that is repeated elsewhere.
pub(super) fn absolute(context: &Context, args: &TestArgs) -> Vec<Utf8PathBuf> {
    let dirs = args.suite.iter();
    dirs.map(|dir| context.env.absolute(dir)).collect()
}
