//! Checks references between recipes: inputs exist, there are no cycles, and shared sources have an
//! owner.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::diagnostic::{Diagnostic, Page};
use crate::recipe::check::Draft;
use crate::recipe::{Compiler, Scope};
use crate::step::Mount;
use crate::suggest;
use crate::tree::{self, Files};

/// Checks all recipes against each other. `folders` are the names of all recipes, including
/// unreadable ones.
pub(crate) fn check(
    drafts: &mut BTreeMap<String, Draft>,
    folders: &BTreeSet<String>,
    files: &Files,
    found: &mut Vec<Diagnostic>,
) {
    for draft in drafts.values() {
        let page = page(draft, files);
        for input in &draft.inputs {
            found.extend(unknown(page, input, folders));
        }
        scopes(page, draft, drafts, found);
    }
    circles(drafts, files, found);
    share_sources(drafts, folders, files, found);
}

fn page<'a>(draft: &'a Draft, files: &'a Files) -> Page<'a> {
    Page {
        path: &draft.path,
        text: tree::text(files, &draft.path).unwrap_or_default(),
    }
}

fn unknown(
    page: Page<'_>,
    name: &Spanned<String>,
    folders: &BTreeSet<String>,
) -> Option<Diagnostic> {
    if folders.contains(name.get_ref()) {
        return None;
    }
    let title = format!("unknown recipe `{}`", name.get_ref());
    let help = suggest::help(
        name.get_ref(),
        "recipes",
        folders.iter().map(String::as_str),
    );
    Some(
        page.at(name.span(), title, "not a folder in recipes/")
            .with_help(help),
    )
}

/// Checks that no step for all architectures reads one for a single architecture.
fn scopes(
    page: Page<'_>,
    draft: &Draft,
    drafts: &BTreeMap<String, Draft>,
    found: &mut Vec<Diagnostic>,
) {
    if draft.recipe.scope == Scope::Arch {
        return;
    }
    for (input, read) in draft.inputs.iter().zip(&draft.recipe.inputs) {
        let name = input.get_ref();
        if read.compiler.is_some() {
            let title = format!("`compiler` in the common recipe `{}`", draft.recipe.name);
            let label = "expected a recipe with `scope = \"arch\"`";
            found.push(page.at(input.span(), title, label));
        }
        if drafts
            .get(name)
            .is_some_and(|input| input.recipe.scope == Scope::Arch)
        {
            let title = format!(
                "`{}` is common, but its input `{name}` is built for each architecture",
                draft.recipe.name
            );
            found.push(
                page.at(
                    input.span(),
                    title,
                    "the output depends on the architecture",
                )
                .with_help("write `scope = \"arch\"`, or remove this input"),
            );
        } else if read.mount == Mount::Toolchain {
            let title = format!(
                "`{}` is common and cannot use a toolchain",
                draft.recipe.name
            );
            found.push(
                page.at(input.span(), title, "mounted as the toolchain")
                    .with_help("leave out `at = \"tc\"`"),
            );
        }
    }
}

/// Reports every input that closes a cycle.
fn circles(drafts: &BTreeMap<String, Draft>, files: &Files, found: &mut Vec<Diagnostic>) {
    let mut done = BTreeSet::new();
    for name in drafts.keys() {
        walk(name, &mut Vec::new(), &mut done, drafts, files, found);
    }
}

fn walk<'a>(
    name: &'a str,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
    drafts: &'a BTreeMap<String, Draft>,
    files: &Files,
    found: &mut Vec<Diagnostic>,
) {
    let Some(draft) = drafts.get(name) else {
        return;
    };
    if done.contains(name) {
        return;
    }
    path.push(name);
    // An input with `compiler = "base"` is a step of another architecture, so it closes no cycle here. `project::bases` checks that this
    // architecture has no base itself.
    let inputs = draft.inputs.iter().zip(&draft.recipe.inputs);
    let inputs = inputs.filter(|(_, input)| input.compiler != Some(Compiler::Base));
    for (input, _) in inputs {
        let next = input.get_ref().as_str();
        if let Some(start) = path.iter().position(|on_path| *on_path == next) {
            let circle: Vec<String> = path[start..]
                .iter()
                .chain([&next])
                .map(|name| format!("`{name}`"))
                .collect();
            found.push(page(draft, files).at(
                input.span(),
                format!("recipes depend on each other: {}", circle.join(" > ")),
                "closes the circle",
            ));
        } else {
            walk(next, path, done, drafts, files, found);
        }
    }
    path.pop();
    done.insert(name);
}

/// Copies the sources to the recipes that refer to them with `sources-from`.
fn share_sources(
    drafts: &mut BTreeMap<String, Draft>,
    folders: &BTreeSet<String>,
    files: &Files,
    found: &mut Vec<Diagnostic>,
) {
    let own: BTreeMap<String, _> = drafts
        .iter()
        .filter(|(_, draft)| !draft.recipe.sources.is_empty())
        .map(|(name, draft)| (name.clone(), draft.recipe.sources.clone()))
        .collect();
    for draft in drafts.values_mut() {
        let Some(from) = &draft.sources_from else {
            continue;
        };
        let page = page(draft, files);
        if let Some(diagnostic) = unknown(page, from, folders) {
            found.push(diagnostic);
        } else if let Some(sources) = own.get(from.get_ref()) {
            let sources = sources.clone();
            draft.recipe.sources = sources;
        } else {
            let title = format!("recipe `{}` has no sources of its own", from.get_ref());
            let help = suggest::help(
                from.get_ref(),
                "recipes with sources",
                own.keys().map(String::as_str),
            );
            found.push(
                page.at(from.span(), title, "recipe without sources")
                    .with_help(help),
            );
        }
    }
}
