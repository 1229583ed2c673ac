//! A validated recipe: a piece of upstream software and how it is built for any architecture.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::arch::Arch;
use crate::source::Source;
use crate::step::{InitramfsKind, InputFile, Mount, Product};

pub(crate) mod check;
mod entry;
mod pin;
pub(crate) mod raw;
mod sheet;

pub use crate::tree::Origin;

/// A recipe. Its strings may contain templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Name, equal to that of its folder.
    pub name: String,
    /// Version of what is built.
    pub version: String,
    /// SPDX expression.
    pub license: String,
    /// One line for people.
    pub summary: String,
    /// Whether it has one step in total or one per architecture.
    pub scope: Scope,
    /// Name of a variable. Architectures where it is empty get no step.
    pub when: Option<Template>,
    /// What the output depends on in addition to the key.
    pub product: Product,
    /// The action.
    pub make: Make,
    /// The other recipe whose sources it uses, if any.
    pub sources_from: Option<String>,
    /// Archives.
    pub sources: Vec<Source>,
    /// Other recipes.
    pub inputs: Vec<RecipeInput>,
    /// Host tools in addition to the base set.
    pub tools: Vec<String>,
    /// Files of the repository, by path; `*` stands for any part of a name.
    pub files: Vec<Template>,
    /// Outputs and the paths of the files that they must equal.
    pub frozen: Vec<(String, Template)>,
    /// Environment.
    pub env: BTreeMap<String, Template>,
}

/// Another recipe, whose output a recipe reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeInput {
    /// Its name.
    pub recipe: String,
    /// The mount point of its output.
    pub mount: Mount,
    /// The architectures that have this input. `None` for all.
    pub compiler: Option<Compiler>,
}

impl RecipeInput {
    /// Whether an architecture has this input.
    pub(crate) fn is_of(&self, arch: Option<&Arch>) -> bool {
        let has_base = arch.is_some_and(|arch| arch.gcc.base.is_some());
        match self.compiler {
            None => true,
            Some(Compiler::Own) => !has_base,
            Some(Compiler::Base) => has_base,
        }
    }

    /// The architecture of the input's step.
    pub(crate) fn arch<'a>(
        &self,
        arches: &'a BTreeMap<String, Arch>,
        arch: Option<&'a Arch>,
    ) -> Option<&'a Arch> {
        if self.compiler != Some(Compiler::Base) {
            return arch;
        }
        arches.get(arch?.gcc.base.as_ref()?)
    }
}

/// Whose compiler generates the code of an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compiler {
    /// Its own. An input with this value is for architectures without `gcc.base`.
    Own,
    /// That of another architecture, its `gcc.base`. An input with this value is the step of that architecture.
    Base,
}

/// The number of steps of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One step serves all architectures.
    Common,
    /// One step for each architecture.
    Arch,
}

/// The action of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Make {
    /// Renders and runs this template.
    Script(Template),
    /// Writes an initramfs; sorted by path.
    Initramfs(Vec<Entry>),
    /// Gathers files of inputs, by their new names.
    Gather(BTreeMap<String, Gathered>),
}

/// One entry of an initramfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path without the leading slash; empty for links.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Its type and content.
    pub content: EntryContent,
}

/// The type and content of an initramfs entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryContent {
    /// The same for every architecture.
    Fixed(InitramfsKind),
    /// A file with this text.
    Text(Template),
}

/// A file that an image gathers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The file.
    pub file: InputFile,
    /// Name of a variable. The file is omitted for architectures with an empty value.
    pub when: Option<Template>,
}

/// A text with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The unrendered text.
    pub text: String,
    /// Its location.
    pub origin: Origin,
}
