//! What the repository says, as data.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::arch::Arch;
use crate::canary::Canaries;
use crate::generated::GeneratedFiles;
use crate::lock::Lock;
use crate::recipe::Recipe;
use crate::tree::Files;

/// Everything the repository says about what is built.
#[derive(Debug, Clone)]
pub struct Project {
    /// By name.
    pub recipes: BTreeMap<String, Recipe>,
    /// By name.
    pub arches: BTreeMap<String, Arch>,
    /// What the recipes were seen to produce; empty where there is no lock file.
    pub lock: Lock,
    /// What compilers are tried with before they are used.
    pub canaries: Canaries,
    /// What programs of the host make during builds.
    pub generated: GeneratedFiles,
    /// Host tools that every script may call, in the order of the file.
    pub host_tools: Vec<String>,
    /// The time of everything that is built, in seconds since 1970.
    pub epoch: u64,
    /// All files, by path in the repository.
    pub(crate) files: Files,
    /// Paths of files that are outputs of recipes, there or not.
    pub(crate) frozen: BTreeSet<Utf8PathBuf>,
}
