//! The structure of `recipe.toml`, with the locations that later checks report.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Compiler, Scope};
use crate::step::Product;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawRecipe {
    pub(super) name: Spanned<String>,
    pub(super) version: Spanned<String>,
    pub(super) license: Spanned<String>,
    pub(super) summary: Spanned<String>,
    pub(super) scope: Scope,
    pub(super) product: Spanned<Product>,
    pub(super) when: Option<Spanned<String>>,
    pub(super) script: Option<Spanned<String>>,
    pub(super) sources_from: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) inputs: Vec<RawInput>,
    #[serde(default)]
    pub(super) tools: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) files: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) frozen: Vec<RawFrozen>,
    #[serde(default)]
    pub(super) env: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(super) source: Vec<RawSource>,
    #[serde(default)]
    pub(super) entry: Vec<Spanned<RawEntry>>,
    pub(super) gather: Option<Spanned<BTreeMap<Spanned<String>, RawGathered>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInput {
    pub(super) recipe: Spanned<String>,
    pub(super) at: Option<Spanned<At>>,
    pub(super) compiler: Option<Compiler>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum At {
    Tc,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFrozen {
    pub(super) output: Spanned<String>,
    pub(super) file: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub(super) name: Spanned<String>,
    pub(super) file: Spanned<String>,
    pub(super) size: Spanned<u64>,
    pub(super) sha256: Spanned<String>,
    pub(super) inner: Option<RawInner>,
    pub(super) strip: Option<usize>,
    pub(super) locations: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) patches: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInner {
    pub(super) file: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawEntry {
    pub(super) path: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
    pub(super) directory: Option<Spanned<bool>>,
    pub(super) text: Option<Spanned<String>>,
    pub(super) template: Option<Spanned<String>>,
    pub(super) file: Option<RawInputFile>,
    pub(super) symlink: Option<Spanned<String>>,
    pub(super) char_device: Option<[u32; 2]>,
    pub(super) links: Option<RawLinks>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInputFile {
    pub(super) recipe: Spanned<String>,
    pub(super) path: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLinks {
    pub(super) list: RawInputFile,
    pub(super) target: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGathered {
    pub(super) recipe: Spanned<String>,
    pub(super) path: Spanned<String>,
    pub(super) when: Option<Spanned<String>>,
}
