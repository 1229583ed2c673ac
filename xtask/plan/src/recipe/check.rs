//! Checks one `recipe.toml` by itself and converts it to a [`Recipe`].
//!
//! Checks that involve other recipes or an architecture are in `links` and `resolve`.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use toml::Spanned;

use super::raw::{At, RawFrozen, RawInput, RawRecipe};
use super::sheet::Sheet;
use super::{Compiler, Make, Origin, Recipe, RecipeInput, Template, entry, pin};
use crate::diagnostic::{Diagnostic, Page};
use crate::relative::{is_file_name, is_relative};
use crate::spdx;
use crate::step::{FIXED_VARIABLES, Mount, Product};
use crate::tree::Files;

/// A recipe with the locations of the names that `links` looks up.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Path of its `recipe.toml`.
    pub(crate) path: Utf8PathBuf,
    /// The recipe. Its `sources` are empty if it uses another recipe's.
    pub(crate) recipe: Recipe,
    /// In the order of the recipe's `inputs`.
    pub(crate) inputs: Vec<Spanned<String>>,
    /// The recipe whose sources it uses.
    pub(crate) sources_from: Option<Spanned<String>>,
}

/// Checks one recipe. Errors are added to `found`.
pub(crate) fn check(
    page: Page<'_>,
    raw: RawRecipe,
    files: &Files,
    found: &mut Vec<Diagnostic>,
) -> Option<Draft> {
    let mut sheet = Sheet {
        page,
        files,
        found,
        inputs: Vec::new(),
    };
    about(&mut sheet, &raw);
    if raw.script.is_none() && (raw.gather.is_some() || !raw.entry.is_empty()) {
        made_by_kiln(&mut sheet, &raw);
    }
    let sources_from = raw.sources_from;
    if let (Some(from), false) = (&sources_from, raw.source.is_empty()) {
        let title = "both `sources-from` and `[[source]]`".to_owned();
        sheet.wrong(from, title, "expected only one of them");
    }
    let sources = pin::sources(&mut sheet, raw.source);
    add_inputs(&mut sheet, raw.inputs);
    for tool in raw
        .tools
        .iter()
        .filter(|tool| !is_file_name(tool.get_ref()))
    {
        let title = format!("`{}` is not the name of a program", tool.get_ref());
        sheet.wrong(tool, title, "expected a name without slashes");
    }
    sheet.twice("tool", &raw.tools);
    sheet.twice("file", &raw.files);
    sheet.twice(
        "frozen output",
        raw.frozen.iter().map(|frozen| &frozen.output),
    );
    let frozen = raw
        .frozen
        .into_iter()
        .map(|frozen| freeze(&mut sheet, frozen))
        .collect();
    let env = raw
        .env
        .into_iter()
        .map(|(name, value)| variable(&mut sheet, name, value))
        .collect();

    let entry_count = raw.entry.len();
    let entries = entry::entries(&mut sheet, raw.entry);
    let gather = raw
        .gather
        .map(|gather| entry::gathered(&mut sheet, gather.into_inner()));
    let when = raw.when.map(|when| sheet.inline(when));
    let script = raw.script.as_ref().map(|name| sheet.own_template(name));
    let make = match (script, entry_count, gather) {
        (Some(script), 0, None) => script.map(Make::Script),
        (None, 1.., None) => Some(Make::Initramfs(entries)),
        (None, 0, Some(files)) => Some(Make::Gather(files)),
        (script, _, _) => {
            let what = if script.is_none() && entry_count == 0 {
                "no action"
            } else {
                "two actions"
            };
            let title = format!("recipe `{}` has {what}", raw.name.get_ref());
            let diagnostic = sheet
                .page
                .at(raw.name.span(), title, "expected one action")
                .with_help("exactly one of `script`, `[[entry]]` and `[gather]`");
            sheet.found.push(diagnostic);
            None
        }
    };

    let files = raw
        .files
        .into_iter()
        .map(|file| sheet.inline(file))
        .collect();
    let inputs = sheet.inputs.iter().map(input).collect();
    let input_names = sheet.inputs.into_iter().map(|(recipe, ..)| recipe);
    Some(Draft {
        path: page.path.to_owned(),
        recipe: Recipe {
            name: raw.name.into_inner(),
            version: raw.version.into_inner(),
            license: raw.license.into_inner(),
            summary: raw.summary.into_inner(),
            scope: raw.scope,
            when,
            product: raw.product.into_inner(),
            make: make?,
            sources_from: sources_from.as_ref().map(|from| from.get_ref().clone()),
            sources,
            inputs,
            tools: raw.tools.into_iter().map(Spanned::into_inner).collect(),
            files,
            frozen,
            env,
        },
        inputs: input_names.collect(),
        sources_from,
    })
}

fn input((recipe, mount, compiler): &(Spanned<String>, Mount, Option<Compiler>)) -> RecipeInput {
    RecipeInput {
        recipe: recipe.get_ref().clone(),
        mount: *mount,
        compiler: *compiler,
    }
}

/// Name, version, licence, summary.
fn about(sheet: &mut Sheet<'_>, raw: &RawRecipe) {
    let folder = sheet.folder().file_name().unwrap_or_default();
    if raw.name.get_ref() != folder {
        let title = format!(
            "recipe `{}` is in the folder `{folder}`",
            raw.name.get_ref()
        );
        let diagnostic = sheet
            .page
            .at(
                raw.name.span(),
                title,
                "differs from the name of the directory",
            )
            .with_help(format!("write `name = \"{folder}\"`, or rename the folder"));
        sheet.found.push(diagnostic);
    }
    let version = raw.version.get_ref();
    if version.is_empty() || version.contains(|c: char| c.is_whitespace() || c == '/') {
        let title = match version.as_str() {
            "" => "the version is empty".to_owned(),
            version => format!("`{version}` is not a version"),
        };
        sheet.wrong(
            &raw.version,
            title,
            "without spaces and slashes, such as \"1.2.5\"",
        );
    }
    if let Err(error) = spdx::identifiers(raw.license.get_ref()) {
        let license = raw.license.get_ref();
        let whole = raw.license.span();
        let (span, title) = if license.trim().is_empty() {
            (whole, "the licence is empty".to_owned())
        } else {
            // After the opening quote. An expression contains nothing that TOML escapes.
            let start = whole.start + 1;
            let span = start + error.span.start..start + error.span.end;
            (span, format!("invalid licence `{license}`: {error}"))
        };
        let diagnostic = sheet
            .page
            .at(span, title, "here")
            .with_help("an SPDX expression, such as `GPL-2.0-only` or `MIT OR Apache-2.0`");
        sheet.found.push(diagnostic);
    }
    if raw.summary.get_ref().trim().is_empty() || raw.summary.get_ref().contains('\n') {
        sheet.wrong(
            &raw.summary,
            "the summary is not one line".to_owned(),
            "expected one line",
        );
    }
}

/// Kiln itself writes initramfs entries and gathered files, so the keys for scripts have no effect
/// there.
fn made_by_kiln(sheet: &mut Sheet<'_>, raw: &RawRecipe) {
    let mut meaningless = Vec::new();
    meaningless.extend(
        raw.sources_from
            .iter()
            .map(|from| (from.span(), "sources-from")),
    );
    meaningless.extend(
        raw.inputs
            .first()
            .map(|input| (input.recipe.span(), "inputs")),
    );
    meaningless.extend(raw.tools.first().map(|tool| (tool.span(), "tools")));
    meaningless.extend(raw.files.first().map(|file| (file.span(), "files")));
    meaningless.extend(
        raw.frozen
            .first()
            .map(|frozen| (frozen.output.span(), "frozen")),
    );
    meaningless.extend(raw.env.keys().next().map(|name| (name.span(), "env")));
    meaningless.extend(
        raw.source
            .first()
            .map(|source| (source.name.span(), "[[source]]")),
    );
    for (span, key) in meaningless {
        let title = format!("`{key}` in a recipe without a script");
        sheet.found.push(
            sheet
                .page
                .at(span, title, "has no effect without a script")
                .with_help("its inputs are the recipes that `[[entry]]` or `[gather]` name"),
        );
    }
    if *raw.product.get_ref() == Product::Toolchain {
        let title = "product `toolchain` needs a script".to_owned();
        sheet.wrong(&raw.product, title, "expected \"image\"");
    }
}

fn add_inputs(sheet: &mut Sheet<'_>, raw: Vec<RawInput>) {
    sheet.twice("input", raw.iter().map(|input| &input.recipe));
    // An architecture has the `own` or the `base` inputs, and all inputs without `compiler`.
    let second = [Compiler::Own, Compiler::Base].iter().find_map(|kind| {
        let of_kind = |input: &&RawInput| input.compiler.is_none_or(|compiler| compiler == *kind);
        let inputs = raw.iter().filter(of_kind);
        inputs.filter_map(|input| input.at.as_ref()).nth(1)
    });
    if let Some(second) = second {
        let title = "two inputs are mounted as the toolchain".to_owned();
        sheet.wrong(second, title, "second occurrence");
    }
    for input in raw {
        let RawInput {
            recipe,
            at,
            compiler,
        } = input;
        let mount = match at.map(Spanned::into_inner) {
            Some(At::Tc) => Mount::Toolchain,
            None => Mount::In,
        };
        sheet.inputs.push((recipe, mount, compiler));
    }
}

fn freeze(sheet: &mut Sheet<'_>, raw: RawFrozen) -> (String, Template) {
    if !is_relative(raw.output.get_ref()) {
        let title = format!("`{}` is not a path in the output", raw.output.get_ref());
        sheet.wrong(&raw.output, title, "expected a relative path");
    }
    let file = sheet.inline(raw.file);
    (raw.output.into_inner(), file)
}

fn variable(
    sheet: &mut Sheet<'_>,
    name: Spanned<String>,
    value: Spanned<String>,
) -> (String, Template) {
    let text = name.get_ref();
    let starts = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !text.starts_with(starts) || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let title = format!("`{text}` is not the name of a variable");
        sheet.wrong(&name, title, "expected letters, digits and `_`");
    } else if FIXED_VARIABLES.contains(&text.as_str()) {
        let title = format!("`{text}` cannot be set by a recipe");
        sheet.wrong(&name, title, "set by Kiln for every step");
    }
    let value = sheet.inline(value);
    (name.into_inner(), value)
}

/// Checks that recipes with a source of the same name agree on its bytes, because sources are
/// published by name.
pub(crate) fn same_files(
    drafts: &BTreeMap<String, Draft>,
    files: &Files,
    found: &mut Vec<Diagnostic>,
) {
    let mut seen = BTreeMap::new();
    for draft in drafts.values() {
        for source in &draft.recipe.sources {
            let pin = &source.pin;
            let (first, sha256) = *seen
                .entry(&pin.file)
                .or_insert((&draft.recipe.name, pin.sha256));
            if sha256 != pin.sha256 {
                let name = &draft.recipe.name;
                let title = format!(
                    "recipes `{first}` and `{name}` both have a file `{}`",
                    pin.file
                );
                let origin = Origin {
                    path: draft.path.clone(),
                    span: None,
                };
                found.push(
                    crate::tree::at(files, &origin, title, "different content here")
                        .with_help("sources are published by file name: rename one of them"),
                );
            }
        }
    }
}
