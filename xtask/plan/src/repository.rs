//! The contents of the repository as data.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::arch::Arch;
use crate::canary::Canaries;
use crate::diagnostic::Diagnostic;
use crate::generated::GeneratedFiles;
use crate::lock::Lock;
use crate::recipe::Recipe;
use crate::step::Step;
use crate::tree::Files;

/// Everything in the repository that affects builds.
#[derive(Debug, Clone)]
pub struct Project {
    /// Recipes by name.
    pub recipes: BTreeMap<String, Recipe>,
    /// Architectures by name.
    pub arches: BTreeMap<String, Arch>,
    /// The recorded outputs of the recipes, empty without a lock file.
    pub lock: Lock,
    /// The tests of compilers before their use.
    pub canaries: Canaries,
    /// The files that programs of the host generate during builds.
    pub generated: GeneratedFiles,
    /// Host tools that every script may call, in the order of the file.
    pub host_tools: Vec<String>,
    /// The time of all built files, in seconds since 1970.
    pub epoch: u64,
    /// All files, by path in the repository.
    pub(crate) files: Files,
    /// Paths of frozen files, existing or not.
    pub(crate) frozen: BTreeSet<Utf8PathBuf>,
    /// The step of each recipe for each of its architectures, without inputs and key.
    pub(crate) steps: BTreeMap<(String, Option<String>), Result<Step, Vec<Problem>>>,
}

/// Why a recipe cannot be resolved.
#[derive(Debug, Clone)]
pub(crate) enum Problem {
    /// A file is wrong.
    Wrong(Diagnostic),
    /// A frozen file does not exist yet.
    NotFrozen(Utf8PathBuf),
}
