//! A validated recipe: what an upstream thing is and how it is built, for any architecture.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::source::Source;
use crate::step::{InitramfsKind, InputFile, Mount, Product};

pub(crate) mod check;
mod entry;
mod pin;
pub(crate) mod raw;
mod sheet;

pub use crate::tree::Origin;

/// One recipe; its strings may still be templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Name, equal to its folder's.
    pub name: String,
    /// Version of what is built.
    pub version: String,
    /// SPDX expression.
    pub license: String,
    /// One line for people.
    pub summary: String,
    /// One step in all, or one for each architecture.
    pub scope: Scope,
    /// What the output depends on in addition to the key.
    pub product: Product,
    /// What is done.
    pub make: Make,
    /// The recipe whose sources these are, where it is another.
    pub sources_from: Option<String>,
    /// Archives.
    pub sources: Vec<Source>,
    /// Other recipes, with where their output is shown.
    pub inputs: Vec<(String, Mount)>,
    /// Host tools in addition to the base set.
    pub tools: Vec<String>,
    /// Files of the repository, by path.
    pub files: Vec<Template>,
    /// Output and path of the file it must equal.
    pub frozen: Vec<(String, Template)>,
    /// Environment.
    pub env: BTreeMap<String, Template>,
}

/// For what a recipe makes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One step serves all architectures.
    Common,
    /// One step for each architecture.
    Arch,
}

/// What a recipe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Make {
    /// Renders and runs this template.
    Script(Template),
    /// Writes an initramfs; sorted by path.
    Initramfs(Vec<Entry>),
    /// Gathers files of inputs, by the name they get.
    Gather(BTreeMap<String, Gathered>),
}

/// One entry of an initramfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path without the leading slash; empty for links.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub content: EntryContent,
}

/// What an entry of an initramfs is.
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
    /// Where it is from.
    pub file: InputFile,
    /// Name of a variable; the file is left out for architectures where it is empty.
    pub when: Option<Template>,
}

/// A text with variables in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The text before it is rendered.
    pub text: String,
    /// Where it is written.
    pub origin: Origin,
}
