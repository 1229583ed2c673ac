//! Converts `[[source]]` to a [`Source`] with its patches.

use std::collections::BTreeSet;

use camino::Utf8Path;
use toml::Spanned;

use super::raw::RawSource;
use super::sheet::Sheet;
use crate::diagnostic::{Diagnostic, Page};
use crate::digest::Digest;
use crate::relative::{is_file_name, is_relative};
use crate::source::{Location, Patch, Source, SourcePin};
use crate::tree;

/// All sources of a recipe.
pub(super) fn sources(sheet: &mut Sheet<'_>, raw: Vec<RawSource>) -> Vec<Source> {
    let mut names = BTreeSet::new();
    let mut patches = BTreeSet::new();
    let mut sources = Vec::new();
    for raw in raw {
        if !names.insert(raw.name.get_ref().clone()) {
            let title = format!("two sources are named `{}`", raw.name.get_ref());
            sheet.wrong(&raw.name, title, "second occurrence");
        }
        patches.extend(raw.patches.iter().map(|patch| patch.get_ref().clone()));
        sources.extend(source(sheet, raw));
    }
    unlisted_patches(sheet, &patches);
    sources
}

/// Reports patches that exist but are not applied.
fn unlisted_patches(sheet: &mut Sheet<'_>, listed: &BTreeSet<String>) {
    let folder = sheet.folder().to_owned();
    for path in sheet.files.keys() {
        let Ok(name) = path.strip_prefix(&folder) else {
            continue;
        };
        if name.extension() == Some("patch") && !listed.contains(name.as_str()) {
            let page = Page {
                path,
                text: tree::text(sheet.files, path).unwrap_or_default(),
            };
            sheet.found.push(
                page.whole(
                    format!("`{path}` is not applied"),
                    "no source lists this patch",
                )
                .with_help(format!(
                    "add `{name}` to the `patches` of a source, or remove it"
                )),
            );
        }
    }
}

fn source(sheet: &mut Sheet<'_>, raw: RawSource) -> Option<Source> {
    for (name, what) in [(&raw.name, "name"), (&raw.file, "file name")] {
        if !is_file_name(name.get_ref()) {
            let title = format!("`{}` is not a {what}", name.get_ref());
            sheet.wrong(name, title, "expected a name without slashes");
        }
    }
    if let Some(inner) = &raw.inner
        && !is_relative(inner.file.get_ref())
    {
        let title = format!("`{}` is not a path in an archive", inner.file.get_ref());
        sheet.wrong(&inner.file, title, "expected a relative path");
    }
    if *raw.size.get_ref() == 0 {
        sheet.wrong(
            &raw.size,
            "an empty archive is not a source".to_owned(),
            "bytes of the file",
        );
    }
    let locations = locations(sheet, &raw.locations);
    let sha256 = digest(sheet, &raw.sha256);
    let patches = raw
        .patches
        .iter()
        .filter_map(|name| patch(sheet, name))
        .collect();
    Some(Source {
        name: raw.name.into_inner(),
        pin: SourcePin {
            file: raw.file.into_inner(),
            size: raw.size.into_inner(),
            sha256: sha256?,
            locations,
        },
        inner: raw.inner.map(|inner| inner.file.into_inner()),
        strip: raw.strip.unwrap_or(1),
        patches,
    })
}

fn digest(sheet: &mut Sheet<'_>, text: &Spanned<String>) -> Option<Digest> {
    let error = match text.get_ref().parse::<Digest>() {
        Ok(digest) => return Some(digest),
        Err(error) => error,
    };
    let written = text.get_ref();
    let help = if written.to_lowercase().parse::<Digest>().is_ok() {
        format!("write it in lower case: `{}`", written.to_lowercase())
    } else {
        format!(
            "`sha256sum` prints 64 digits; these are {} characters",
            written.chars().count()
        )
    };
    let diagnostic = sheet
        .page
        .at(text.span(), error.to_string(), "here")
        .with_help(help);
    sheet.found.push(diagnostic);
    None
}

fn locations(sheet: &mut Sheet<'_>, raw: &Spanned<Vec<Spanned<String>>>) -> Vec<Location> {
    if raw.get_ref().is_empty() {
        sheet.wrong(
            raw,
            "a source without locations".to_owned(),
            "nowhere to fetch it from",
        );
    }
    let mut locations = Vec::new();
    for text in raw.get_ref() {
        let location = Location::parse(text.get_ref());
        if location.is_none() {
            let title = format!("`{}` is not a location", text.get_ref());
            let help = "`https://…`, `http://…`, `file:///…`, `debian:pool/…` (a path in any Debian \
                        mirror) or `debian-snapshot:<sha1>` (a file of Debian's snapshot archive)";
            let diagnostic = sheet.page.at(text.span(), title, "here").with_help(help);
            sheet.found.push(diagnostic);
        }
        locations.extend(location);
    }
    locations
}

fn patch(sheet: &mut Sheet<'_>, name: &Spanned<String>) -> Option<Patch> {
    let path = sheet.own_path(name)?;
    let origin = sheet.origin(name);
    let text = match tree::named(sheet.files, &path, &origin) {
        Ok(text) => text,
        Err(diagnostic) => {
            sheet.found.push(*diagnostic);
            return None;
        }
    };
    sheet.found.extend(without_origin(&path, text));
    Some(Patch {
        path,
        text: text.to_owned(),
    })
}

/// Reports a patch without a line above its first hunk that states its origin.
fn without_origin(path: &Utf8Path, text: &str) -> Option<Diagnostic> {
    let is_diff = |line: &&str| line.starts_with("--- ") || line.starts_with("diff ");
    let mut header = text.lines().take_while(|line| !is_diff(line));
    let named = header.any(|line| {
        line.strip_prefix("Origin:")
            .is_some_and(|rest| !rest.trim().is_empty())
    });
    (!named).then(|| {
        Page { path, text }
            .whole(
                format!("`{path}` does not say where it comes from"),
                "no `Origin:` above the diff",
            )
            .with_help(
                "add a line `Origin: Kiln` or `Origin: <URL of the upstream commit>`, and why",
            )
    })
}
