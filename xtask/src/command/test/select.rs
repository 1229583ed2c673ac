//! Selects tests from the command line, and lists them.

use std::collections::BTreeMap;

use plan::Project;
use serde_json::json;
use suite::choice::forced;
use suite::expression::Expression;
use suite::pattern::Names;
use suite::{BrokenFile, Filter, Pattern, Selected, Suite};
use verdict::partition::Partition;

use super::foreign;
use crate::cli::{MessageFormat, TestArgs};
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::output::{self, Color};

/// The filter from the flags.
pub(super) fn filter(
    context: &Context,
    project: &Project,
    suite: &Suite,
    args: &TestArgs,
) -> Result<Filter, Failure> {
    let all: Vec<String> = suite.names().collect();
    let names = Names {
        dir: &suite.dir,
        all: &all,
        here: &context.env.current_dir,
    };
    let pattern = |text: &String| Pattern::parse(text, args.exact, names);
    let partition = args.partition.as_deref().map(str::parse::<Partition>);
    let partition = partition.transpose();
    Ok(Filter {
        patterns: args.filters.iter().map(pattern).collect(),
        groups: args.group.clone(),
        kinds: foreign::kinds(args),
        expressions: expressions(context, &args.expression)?,
        machines: machines(project),
        partition: partition.map_err(|error| Failure::new(Exit::Usage, error))?,
    })
}

/// The selected tests. An empty selection is a failure.
pub(super) fn select<'a>(
    context: &Context,
    suite: &'a Suite,
    filter: &Filter,
    arches: &'a [String],
    args: &TestArgs,
) -> Result<Vec<Selected<'a>>, Failure> {
    let unknown = suite.unknown(filter, arches);
    if !unknown.is_empty() {
        return Err(context.draw(&unknown, "in -E"));
    }
    let (broken, others) = suite.broken(filter, arches);
    if !broken.is_empty() {
        let faults = broken.iter().flat_map(|broken| broken.faults.clone());
        return Err(context.draw(&faults.collect::<Vec<_>>(), "in guest tests"));
    }
    warn(context, suite, &others);
    if let Some(why) = suite.unselected(filter, &args.filters, arches) {
        let hint = why.hint();
        return Err(Failure::new(Exit::NoTests, why).hint(hint));
    }
    Ok(suite.select(filter, arches))
}

/// Warns about invalid test files that a run does not need.
fn warn(context: &Context, suite: &Suite, broken: &[&BrokenFile]) {
    if context.global.quiet {
        return;
    }
    let label = context.style.paint(Color::Yellow, "warning");
    for broken in broken {
        let faults = broken.faults.iter();
        let titles: Vec<&str> = faults.map(|fault| fault.title.as_str()).collect();
        let titles = titles.join("; ");
        output::note(format!("{label}: cannot run `{}`: {titles}", broken.name));
    }
    let folder = suite.dir.file_name().unwrap_or_default();
    for ignored in &suite.ignored {
        output::note(format!("{label}: ignored {folder}/{ignored}"));
    }
}

/// Refuses a choice that no selected test makes.
pub(super) fn check_choices(
    forced: &BTreeMap<String, String>,
    selected: &[Selected<'_>],
) -> Result<(), Failure> {
    let script = |test: &Selected<'_>| {
        let text = host::files::read(&test.test.path)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    forced::check(forced, selected, script)
        .map_err(|error| Failure::new(Exit::Failed, error))?
        .map_err(hinted!(Exit::Usage))
}

/// Prints the names, and why a test would be skipped.
pub(super) fn list(context: &Context, selected: &[Selected<'_>], skips: &BTreeMap<String, String>) {
    for test in selected {
        let name = test.name();
        let skip = skips.get(&name);
        match context.global.message_format {
            MessageFormat::Human => output::result(match skip {
                Some(reason) => format!("{name}: {reason}"),
                None => name,
            }),
            MessageFormat::Json => {
                let mut line = json!({
                    "reason": "test", "name": name, "arch": test.arch,
                    "kind": test.test.header.body.kind(),
                    "description": test.test.header.description, "path": test.test.path,
                    "groups": test.test.header.groups,
                });
                if let Some(reason) = skip {
                    line["skip"] = reason.as_str().into();
                }
                output::result(line.to_string());
            }
        }
    }
}

/// Parses `-E EXPR` and shows errors in it.
fn expressions(context: &Context, texts: &[String]) -> Result<Vec<Expression>, Failure> {
    let read = |text: &String| Expression::parse(text);
    let parsed: Result<Vec<_>, _> = texts.iter().map(read).collect();
    parsed.map_err(|found| context.draw(&[*found], "in -E"))
}

/// The default machine of each architecture.
pub(crate) fn machines(project: &Project) -> BTreeMap<String, String> {
    let arches = project.arches.values();
    arches
        .map(|arch| (arch.name.clone(), arch.qemu.machine.clone()))
        .collect()
}
