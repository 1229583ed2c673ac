//! The repository as data, and plans for some of its architectures.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use toml::Spanned;

use crate::arch::{self, Arch};
use crate::canary::Canaries;
use crate::diagnostic::{Diagnostic, Page};
use crate::generated;
use crate::lock::{self, Lock};
use crate::recipe::check::{self, Draft};
use crate::recipe::{Recipe, Scope};
use crate::relative::is_file_name;
use crate::repository::Problem;
pub use crate::repository::Project;
use crate::resolve::{self, Variables};
use crate::source::Source;
use crate::step::{Input, Plan, Step, StepId};
use crate::tree::{self, Files};
use crate::{document, key, links, suggest};

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Unknown architecture.
    #[error("unknown architecture `{name}`")]
    UnknownArch {
        /// The requested name.
        name: String,
        /// The existing names.
        known: Vec<String>,
    },
    /// Unknown recipe.
    #[error("unknown recipe `{name}`")]
    UnknownRecipe {
        /// The requested name.
        name: String,
        /// The existing names.
        known: Vec<String>,
    },
    /// A frozen file is not in the repository yet.
    #[error("missing frozen file `{path}` of recipe `{recipe}`")]
    NotFrozen {
        /// The recipe that reads the file.
        recipe: String,
        /// The architecture, if the recipe is for one.
        arch: Option<String>,
        /// The file.
        path: Utf8PathBuf,
    },
    /// A recipe is an input of another one, but has no step for the architecture.
    #[error("recipe `{recipe}` has no step for `{arch}`, but is an input of another recipe")]
    NoStep {
        /// The recipe.
        recipe: String,
        /// The architecture.
        arch: String,
    },
    /// The repository is invalid. [`load`] reports this first.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Diagnostic>),
}

impl PlanError {
    /// The command that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownArch { name, known } => Some(suggest::help(
                name,
                "architectures",
                known.iter().map(String::as_str),
            )),
            Self::UnknownRecipe { name, known } => Some(suggest::help(
                name,
                "recipes",
                known.iter().map(String::as_str),
            )),
            Self::NotFrozen { arch, .. } => {
                let arch = arch
                    .iter()
                    .fold(String::new(), |_, arch| format!(" --arch {arch}"));
                Some(format!("cargo xtask images{arch} --refreeze"))
            }
            Self::NoStep { .. } | Self::Invalid(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostTools {
    epoch: u64,
    base: Vec<Spanned<String>>,
}

const HOST_TOOLS: &str = "images/host-tools.toml";
/// The trusted signing keys. Not read here.
const KEYS: &str = "images/keys.toml";

/// Parses the repository. `files` contains everything below `recipes/` and `images/` (except
/// `images/prebuilt/`), by path.
///
/// Every recipe is resolved for every architecture, so that a loaded project can also be planned.
pub fn load(files: &BTreeMap<Utf8PathBuf, Vec<u8>>) -> Result<Project, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let (arches, arch_names) = read_arches(files, &mut found);
    strays(files, &arch_names, &mut found);
    let lock = read_lock(files, &mut found);
    let canaries = Canaries::read(files, &mut found);
    let generated = generated::read(files, &mut found);
    let (host_tools, epoch) = read_host_tools(files, &mut found);
    let (mut drafts, folders) = read_recipes(files, &mut found);
    links::check(&mut drafts, &folders, files, &mut found);
    check::same_files(&drafts, files, &mut found);

    let recipes = drafts
        .into_iter()
        .map(|(name, draft)| (name, draft.recipe))
        .collect();
    let mut project = Project {
        recipes,
        arches,
        lock,
        canaries,
        generated,
        host_tools,
        epoch,
        files: files.clone(),
        frozen: BTreeSet::new(),
        steps: BTreeMap::new(),
    };
    let variables = Variables::of(&project);
    project.frozen = project
        .pairs()
        .flat_map(|(recipe, arch)| resolve::frozen_paths(&variables, recipe, arch))
        .collect();
    let step = |(recipe, arch): (&Recipe, Option<&Arch>)| {
        let step = resolve::step(&project, &variables, recipe, arch)?;
        let arch = arch.map(|arch| arch.name.clone());
        Some(((recipe.name.clone(), arch), step))
    };
    project.steps = project.pairs().filter_map(step).collect();
    let problems = project
        .steps
        .values()
        .filter_map(|step| step.as_ref().err());
    found.extend(problems.flatten().filter_map(|problem| match problem {
        Problem::Wrong(diagnostic) => Some(diagnostic.clone()),
        Problem::NotFrozen(_) => None,
    }));

    // A template is resolved for each architecture, so duplicate errors are removed.
    found.sort_by(|a, b| (&a.path, a.span.start, &a.title).cmp(&(&b.path, b.span.start, &b.title)));
    found.dedup_by(|a, b| (&a.path, &a.span, &a.title) == (&b.path, &b.span, &b.title));
    if found.is_empty() {
        Ok(project)
    } else {
        Err(found)
    }
}

impl Project {
    /// The steps of all recipes for these architectures.
    pub fn plan(&self, arches: &[String]) -> Result<Plan, PlanError> {
        let recipes: Vec<&str> = self.recipes.keys().map(String::as_str).collect();
        self.plan_of(arches, &recipes)
    }

    /// The steps of these recipes and their inputs, for these architectures.
    ///
    /// This way, a file that other recipes need can be frozen first.
    pub fn plan_of(&self, arches: &[String], recipes: &[&str]) -> Result<Plan, PlanError> {
        let recipes: BTreeSet<&str> = recipes.iter().copied().collect();
        let mut draft = PlanDraft {
            project: self,
            plan: Plan { steps: Vec::new() },
            ids: BTreeMap::new(),
        };
        let mut wanted = BTreeMap::new();
        for name in arches {
            let arch = self
                .arches
                .get(name)
                .ok_or_else(|| PlanError::UnknownArch {
                    name: name.clone(),
                    known: self.arches.keys().cloned().collect(),
                })?;
            wanted.insert(name, arch);
        }
        for name in recipes {
            let recipe = self.recipe(name)?;
            match recipe.scope {
                Scope::Common => drop(draft.add(recipe, None)?),
                Scope::Arch => {
                    let applies = |arch: &&&Arch| {
                        self.step(recipe, Some(arch)).is_some() && self.is_read(recipe, arch)
                    };
                    for arch in wanted.values().filter(applies) {
                        draft.add(recipe, Some(arch))?;
                    }
                }
            }
        }
        Ok(draft.plan)
    }

    /// The recipes with frozen outputs.
    #[must_use]
    pub fn freezing_recipes(&self) -> Vec<&str> {
        let freezing = self
            .recipes
            .values()
            .filter(|recipe| !recipe.frozen.is_empty());
        freezing.map(|recipe| recipe.name.as_str()).collect()
    }

    /// Every source with the recipe that pins it.
    pub fn sources(&self) -> impl Iterator<Item = (&Recipe, &Source)> {
        let owners = self
            .recipes
            .values()
            .filter(|recipe| recipe.sources_from.is_none());
        owners.flat_map(|recipe| recipe.sources.iter().map(move |source| (recipe, source)))
    }

    /// A recipe and the recipes that share its sources, and therefore its version.
    #[must_use]
    pub fn family(&self, name: &str) -> Vec<&Recipe> {
        let members = self
            .recipes
            .values()
            .filter(|recipe| recipe.name == name || recipe.sources_from.as_deref() == Some(name));
        members.collect()
    }

    fn recipe(&self, name: &str) -> Result<&Recipe, PlanError> {
        self.recipes
            .get(name)
            .ok_or_else(|| PlanError::UnknownRecipe {
                name: name.to_owned(),
                known: self.recipes.keys().cloned().collect(),
            })
    }

    /// The step of a recipe, if it has one for the architecture.
    fn step(&self, recipe: &Recipe, arch: Option<&Arch>) -> Option<&Result<Step, Vec<Problem>>> {
        let arch = arch.map(|arch| arch.name.clone());
        self.steps.get(&(recipe.name.clone(), arch))
    }

    /// Whether anything reads the output of a recipe for an architecture. What no recipe reads is a result.
    fn is_read(&self, recipe: &Recipe, arch: &Arch) -> bool {
        let inputs = self.recipes.values().flat_map(|other| &other.inputs);
        let mut readers = inputs
            .filter(|input| input.recipe == recipe.name)
            .peekable();
        readers.peek().is_none() || readers.any(|input| input.is_of(Some(arch)))
    }

    /// Each recipe with each architecture.
    fn pairs(&self) -> impl Iterator<Item = (&Recipe, Option<&Arch>)> {
        self.recipes.values().flat_map(|recipe| {
            let arches: Vec<Option<&Arch>> = match recipe.scope {
                Scope::Common => vec![None],
                Scope::Arch => self.arches.values().map(Some).collect(),
            };
            arches.into_iter().map(move |arch| (recipe, arch))
        })
    }
}

/// A plan under construction, inputs first.
struct PlanDraft<'a> {
    project: &'a Project,
    plan: Plan,
    ids: BTreeMap<(&'a str, Option<&'a str>), StepId>,
}

impl<'a> PlanDraft<'a> {
    fn add(&mut self, recipe: &'a Recipe, arch: Option<&'a Arch>) -> Result<StepId, PlanError> {
        let arch = arch.filter(|_| recipe.scope == Scope::Arch);
        let name = (recipe.name.as_str(), arch.map(|arch| arch.name.as_str()));
        if let Some(id) = self.ids.get(&name) {
            return Ok(*id);
        }
        let mut inputs = Vec::new();
        // `load` has checked that there are no cycles.
        for input in recipe.inputs.iter().filter(|input| input.is_of(arch)) {
            let arch = input.arch(&self.project.arches, arch);
            let step = self.add(self.project.recipe(&input.recipe)?, arch)?;
            let key = self.plan.step(step).key;
            inputs.push(Input {
                step,
                recipe: input.recipe.clone(),
                key,
                mount: input.mount,
            });
        }
        let step = self.project.step(recipe, arch);
        let step = step.ok_or_else(|| PlanError::NoStep {
            recipe: recipe.name.clone(),
            arch: arch.map(|arch| arch.name.clone()).unwrap_or_default(),
        })?;
        let step = step.as_ref();
        let mut step = step
            .map_err(|problems| plan_error(recipe, arch, problems))?
            .clone();
        step.inputs = inputs;
        step.key = key::of(&step);
        let id = StepId(self.plan.steps.len());
        self.plan.steps.push(step);
        self.ids.insert(name, id);
        Ok(id)
    }
}

fn plan_error(recipe: &Recipe, arch: Option<&Arch>, problems: &[Problem]) -> PlanError {
    let mut wrong = Vec::new();
    let mut missing = None;
    for problem in problems {
        match problem {
            Problem::Wrong(diagnostic) => wrong.push(diagnostic.clone()),
            Problem::NotFrozen(path) => missing = missing.or(Some(path.clone())),
        }
    }
    match missing {
        Some(path) if wrong.is_empty() => PlanError::NotFrozen {
            recipe: recipe.name.clone(),
            arch: arch.map(|arch| arch.name.clone()),
            path,
        },
        _ => PlanError::Invalid(wrong),
    }
}

/// The files `<folder>/<name>.toml`, but not those further below.
fn read_arches(
    files: &Files,
    found: &mut Vec<Diagnostic>,
) -> (BTreeMap<String, Arch>, BTreeSet<String>) {
    let small = Utf8Path::new(arch::SMALL);
    let small = files.contains_key(small).then(|| {
        let small = page(files, small, found).and_then(|page| document::read(page, found));
        small.unwrap_or_default()
    });
    let mut arches = BTreeMap::new();
    let mut names = BTreeSet::new();
    for path in files.keys() {
        let in_images = path.parent() == Some(Utf8Path::new("images"));
        let other = path == HOST_TOOLS || path == KEYS;
        if !in_images || path.extension() != Some("toml") || other {
            continue;
        }
        let name = path.file_stem().unwrap_or_default();
        names.insert(name.to_owned());
        let arch =
            page(files, path, found).and_then(|page| arch::raw::read(page, small.as_ref(), found));
        arches.extend(arch.map(|arch| (name.to_owned(), arch)));
    }
    bases(files, &arches, &names, found);
    tools(files, &arches, found);
    (arches, names)
}

/// Reports host tools for recipes that do not exist.
fn tools(files: &Files, arches: &BTreeMap<String, Arch>, found: &mut Vec<Diagnostic>) {
    for arch in arches.values() {
        for recipe in arch.tools.keys() {
            if files.contains_key(Utf8Path::new(&format!("recipes/{recipe}/recipe.toml"))) {
                continue;
            }
            let path = Utf8PathBuf::from(format!("images/{}.toml", arch.name));
            let page = page(files, &path, found);
            let title = format!("unknown recipe `{recipe}` in `tools`");
            found.extend(page.map(|page| page.whole(title, "not a directory in recipes/")));
        }
    }
}

/// Reports compilers of other architectures that do not exist.
fn bases(
    files: &Files,
    arches: &BTreeMap<String, Arch>,
    names: &BTreeSet<String>,
    found: &mut Vec<Diagnostic>,
) {
    for arch in arches.values() {
        let Some(base) = &arch.gcc.base else {
            continue;
        };
        let owners = arches.values().filter(|arch| arch.gcc.base.is_none());
        let owners: Vec<&str> = owners.map(|arch| arch.name.as_str()).collect();
        // An architecture whose own file is invalid has been reported.
        if owners.contains(&base.as_str()) || (names.contains(base) && !arches.contains_key(base)) {
            continue;
        }
        let path = Utf8PathBuf::from(format!("images/{}.toml", arch.name));
        let title = format!("`{base}` of `gcc.base` is not an architecture with a compiler");
        let help = suggest::help(
            base,
            "architectures with a compiler",
            owners.iter().copied(),
        );
        let page = page(files, &path, found);
        let wrong = page.map(|page| page.whole(title, "in this file").with_help(help));
        found.extend(wrong);
    }
}

/// Reports files in `images/<arch>/` without an architecture file.
fn strays(files: &Files, arches: &BTreeSet<String>, found: &mut Vec<Diagnostic>) {
    let mut reported = BTreeSet::new();
    for path in files.keys() {
        let parts: Vec<&str> = path.as_str().split('/').collect();
        let ["images", folder, _, ..] = parts[..] else {
            continue;
        };
        let known = arches.contains(folder) || matches!(folder, "common" | "prebuilt");
        if known || !reported.insert(folder) {
            continue;
        }
        let page = Page {
            path,
            text: tree::text(files, path).unwrap_or_default(),
        };
        let help = suggest::help(folder, "architectures", arches.iter().map(String::as_str));
        found.push(
            page.whole(
                format!("`{path}` is for an unknown architecture"),
                "no architecture's",
            )
            .with_help(format!(
                "add images/{folder}.toml, or rename the folder; {help}"
            )),
        );
    }
}

fn read_lock(files: &Files, found: &mut Vec<Diagnostic>) -> Lock {
    let path = Utf8Path::new(lock::PATH);
    if !files.contains_key(path) {
        return Lock::default();
    }
    let Some(page) = page(files, path, found) else {
        return Lock::default();
    };
    Lock::parse(page.text).unwrap_or_else(|diagnostics| {
        found.extend(diagnostics);
        Lock::default()
    })
}

fn read_host_tools(files: &Files, found: &mut Vec<Diagnostic>) -> (Vec<String>, u64) {
    let path = Utf8Path::new(HOST_TOOLS);
    let Some(page) = page(files, path, found) else {
        return (Vec::new(), 0);
    };
    let Some(tools) = document::read::<HostTools>(page, found) else {
        return (Vec::new(), 0);
    };
    let mut seen = BTreeSet::new();
    for tool in &tools.base {
        if !is_file_name(tool.get_ref()) {
            let title = format!("`{}` is not the name of a program", tool.get_ref());
            found.push(page.at(tool.span(), title, "expected a name without slashes"));
        }
        if !seen.insert(tool.get_ref()) {
            let title = format!("tool `{}` occurs twice", tool.get_ref());
            found.push(page.at(tool.span(), title, "second occurrence"));
        }
    }
    (
        tools.base.into_iter().map(Spanned::into_inner).collect(),
        tools.epoch,
    )
}

/// The readable recipes, and the names of all.
fn read_recipes(
    files: &Files,
    found: &mut Vec<Diagnostic>,
) -> (BTreeMap<String, Draft>, BTreeSet<String>) {
    let mut drafts = BTreeMap::new();
    let mut folders = BTreeSet::new();
    for path in files.keys() {
        let parts: Vec<&str> = path.as_str().split('/').collect();
        let ["recipes", folder, "recipe.toml"] = parts[..] else {
            continue;
        };
        folders.insert(folder.to_owned());
        let Some(page) = page(files, path, found) else {
            continue;
        };
        let Some(raw) = document::read(page, found) else {
            continue;
        };
        let draft = check::check(page, raw, files, found);
        drafts.extend(draft.map(|draft| (folder.to_owned(), draft)));
    }
    (drafts, folders)
}

fn page<'a>(files: &'a Files, path: &'a Utf8Path, found: &mut Vec<Diagnostic>) -> Option<Page<'a>> {
    if !files.contains_key(path) {
        found.push(Page { path, text: "" }.whole(format!("`{path}` is missing"), ""));
        return None;
    }
    let text = tree::text(files, path);
    if text.is_none() {
        found.push(tree::not_text(path));
    }
    text.map(|text| Page { path, text })
}

#[cfg(test)]
mod tests;
