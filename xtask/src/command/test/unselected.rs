//! Why a command line selects no test, and what was meant.

use suite::{Suite, TestFile};

use crate::cli::TestArgs;
use crate::exit::{Exit, Failure};

/// A filter that selects nothing is not success: the nearest name is offered.
pub(super) fn nothing(suite: &Suite, arches: &[String], args: &TestArgs) -> Failure {
    if let Some(failure) = kept_out(suite, arches, args) {
        return failure;
    }
    let names: Vec<&str> = suite.tests.iter().map(|test| test.test.as_str()).collect();
    let hint = args
        .filters
        .iter()
        .find_map(|filter| {
            let last = filter.rsplit("::").next().unwrap_or(filter);
            plan::suggest::closest(last, names.iter().copied())
        })
        .map_or_else(
            || "cargo xtask test --list".to_owned(),
            |name| format!("did you mean `{name}`? `cargo xtask test --list` lists all"),
        );
    let error = match &args.filters[..] {
        _ if args.partition.is_some() => anyhow::anyhow!("no test selected in this partition"),
        [] => anyhow::anyhow!("no test selected"),
        filters => anyhow::anyhow!("no test matches `{}`", filters.join("`, `")),
    };
    Failure::new(Exit::NoTests, error).hint(Some(hint))
}

/// A test that is there, and that its header or the command line keeps off an architecture.
fn kept_out(suite: &Suite, arches: &[String], args: &TestArgs) -> Option<Failure> {
    args.filters.iter().find_map(|filter| {
        let find = |name: &str| suite.tests.iter().find(|test| test.name() == name);
        if let Some(test) = find(filter) {
            let admitted = arches.iter().any(|arch| test.is_for(arch));
            return (!admitted).then(|| elsewhere(test));
        }
        let (arch, name) = filter.split_once("::")?;
        let test = find(name)?;
        if !test.is_for(arch) {
            return Some(elsewhere(test));
        }
        let error = anyhow::anyhow!("tests of {arch} run only with `--arch {arch}`");
        let hint = format!("cargo xtask test --arch {arch} {name}");
        let meant = arches.iter().any(|meant| meant == arch);
        (!meant).then(|| Failure::new(Exit::NoTests, error).hint(Some(hint)))
    })
}

fn elsewhere(test: &TestFile) -> Failure {
    let theirs = test.header.arches.join(", ");
    let error = anyhow::anyhow!("test `{}` is only for {theirs}", test.name());
    let hint = format!("see `arch` in its header: {}", test.path);
    Failure::new(Exit::NoTests, error).hint(Some(hint))
}
