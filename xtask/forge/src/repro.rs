//! Whether builds are reproducible: two builds of the same steps, compared byte for byte.
//!
//! `xtask repro` makes the first build as any other, the second one in [`surroundings`] that differ in
//! everything that no output may show. All of that lies around the sandbox; a step's script,
//! environment and places stay what its key says. Here nothing is built.

use std::collections::{BTreeMap, BTreeSet};

use plan::generated::Generated;
use plan::step::{Action, Plan, Product, Step, StepId};
use store::Ready;

use crate::compare::{self, CompareError, Difference};
use crate::generated::{self, Differing};

pub mod surroundings;

/// Names under which the caller's PATH offers programs that do nothing and succeed. Builds are known
/// to ask for them without saying so.
pub const POISON: [&str; 16] = [
    "bzip2",
    "cpio",
    "gawk",
    "git",
    "gtkdocize",
    "gzip",
    "help2man",
    "hostname",
    "id",
    "makeinfo",
    "pahole",
    "pkg-config",
    "python3",
    "rustc",
    "whoami",
    "xz",
];

/// What such a program is.
pub const POISONED: &str = "#!/bin/sh\necho poison\nexit 0\n";

/// The names of [`POISON`] that no step declares: those which it declares it must get.
#[must_use]
pub fn poison<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Vec<&'static str> {
    let declared: BTreeSet<&str> = tools(steps).collect();
    let names = POISON.into_iter();
    names.filter(|name| !declared.contains(name)).collect()
}

/// The host tools that scripts call.
pub fn tools<'a>(steps: impl IntoIterator<Item = &'a Step>) -> impl Iterator<Item = &'a str> {
    let scripts = steps.into_iter().filter_map(|step| match &step.action {
        Action::Script(script) => Some(script),
        _ => None,
    });
    scripts.flat_map(|script| script.tools.iter().map(String::as_str))
}

/// One step, made twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The step.
    pub step: StepId,
    /// Files and links that it made first.
    pub outputs: usize,
    /// Seconds that each build of it took.
    pub seconds: [f64; 2],
    /// The first is not from a build but was installed ready-made.
    pub prebuilt: bool,
    /// Where the second differs.
    pub difference: Option<Difference>,
    /// Where it differs: what the host's programs made otherwise in the course of the step.
    pub generated: Vec<Differing>,
    /// Another system's compiler or compressor made it, so that it may differ.
    pub may_differ: bool,
}

impl Comparison {
    /// Whether it is as it must be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.difference.is_none() || self.may_differ
    }
}

/// Compares what was made twice. With the tools of `another` system toolchains may differ, and images
/// in the file that it names, which that system's compressor made. `tables` tell what is generated in the
/// steps of a recipe, and by which program.
pub fn compare(
    plan: &Plan,
    tables: &BTreeMap<String, Vec<Generated>>,
    first: &BTreeMap<StepId, Ready>,
    second: &BTreeMap<StepId, Ready>,
    another: Option<&str>,
) -> Result<Vec<Comparison>, CompareError> {
    let both = first
        .iter()
        .filter_map(|(step, first)| Some((*step, first, second.get(step)?)));
    both.map(|(step, first, second)| {
        let meta = first.meta();
        let difference = compare::first_difference(&first.path(), &second.path())?;
        let table = tables.get(&plan.step(step).recipe);
        let table = table.filter(|_| difference.is_some());
        let generated = table.and_then(|table| generated::differing(table, first, second));
        Ok(Comparison {
            step,
            outputs: meta.files.len() + meta.links.len(),
            seconds: [meta.seconds, second.meta().seconds],
            // Even the shortest build takes some time.
            prebuilt: meta.seconds <= 0.0,
            difference,
            generated: generated.unwrap_or_default(),
            may_differ: another.is_some_and(|file| {
                plan.step(step).product == Product::Toolchain || only_differ_in(file, first, second)
            }),
        })
    })
    .collect()
}

/// Whether all is equal but the content of one file.
fn only_differ_in(file: &str, first: &Ready, second: &Ready) -> bool {
    let files = |ready: &Ready| {
        let mut files = ready.meta().files.clone();
        let one = files.remove(file);
        (files, one.map(|one| one.mode))
    };
    let links = |ready: &Ready| ready.meta().links.clone();
    files(first) == files(second) && links(first) == links(second)
}

#[cfg(test)]
mod tests;
