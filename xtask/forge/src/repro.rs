//! Checks whether builds are reproducible: compares two builds of the same steps byte for byte.
//!
//! `xtask repro` makes the first build as usual and the second one in [`surroundings`] that differ
//! in everything that no output may depend on. All differences are outside the sandbox: a step's
//! script, environment and paths stay the same as in its key. This module does not build anything.

use std::collections::{BTreeMap, BTreeSet};

use plan::generated::Generated;
use plan::step::{Action, Plan, Product, Step, StepId};
use store::Ready;

use crate::generated::{self, Differing};
use inspect::compare::{self, CompareError, Difference};

pub mod surroundings;

/// Names of programs that builds are known to call without declaring them. The caller's PATH offers
/// fakes of them that do nothing and succeed.
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

/// The content of such a fake.
pub const POISONED: &str = "#!/bin/sh\necho poison\nexit 0\n";

/// The names of [`POISON`] that no step declares. A step must get the tools that it declares.
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

/// The comparison of a step's two builds.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The step.
    pub step: StepId,
    /// Number of files and links of the first build.
    pub outputs: usize,
    /// Seconds of each build.
    pub seconds: [f64; 2],
    /// The first one was installed from an archive instead of a build.
    pub prebuilt: bool,
    /// The first difference.
    pub difference: Option<Difference>,
    /// In case of a difference: the generated files that differ.
    pub generated: Vec<Differing>,
    /// A compiler or compressor of another root made it, so it may differ.
    pub may_differ: bool,
}

impl Comparison {
    /// Whether the result is as required.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.difference.is_none() || self.may_differ
    }
}

/// Compares two builds. With the tools of `another` root, toolchains may differ, and also the file
/// of an image that it names, which the root's compressor made. `tables` list the generated files
/// and their programs by recipe.
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

/// Whether only the content of one file differs.
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
