//! `[[entry]]` and `[gather]`: the contents of the initramfs and the image.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::raw::{RawEntry, RawGathered, RawInputFile};
use super::sheet::Sheet;
use super::{Entry, EntryContent, Gathered};
use crate::relative::{is_file_name, is_relative};
use crate::step::{InitramfsKind, InputFile};
use crate::tree;

/// The entries of an initramfs, sorted by path.
pub(super) fn entries(sheet: &mut Sheet<'_>, raw: Vec<Spanned<RawEntry>>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut paths = BTreeSet::new();
    let directories: BTreeSet<String> = raw
        .iter()
        .filter(|entry| entry.get_ref().directory.is_some())
        .filter_map(|entry| {
            entry
                .get_ref()
                .path
                .as_ref()
                .map(|path| path.get_ref().clone())
        })
        .collect();
    for raw in raw {
        let span = raw.span();
        let raw = raw.into_inner();
        if let Some(path) = &raw.path {
            if !paths.insert(path.get_ref().clone()) {
                let title = format!("two entries for `{}`", path.get_ref());
                sheet.wrong(path, title, "second occurrence");
            }
            if let Some((parent, _)) = path.get_ref().rsplit_once('/')
                && is_relative(path.get_ref())
                && !directories.contains(parent)
            {
                let title = format!("no directory `{parent}` for `{}`", path.get_ref());
                let diagnostic = sheet
                    .page
                    .at(path.span(), title, "its directory is missing")
                    .with_help(format!("add an entry `{parent}` with `directory = true`"));
                sheet.found.push(diagnostic);
            }
        }
        entries.extend(entry(sheet, span, raw));
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

/// The keys for the content of an entry.
const CONTENTS: &str =
    "`directory = true`, `text`, `template`, `file`, `symlink`, `char-device` or `links`";

fn entry(sheet: &mut Sheet<'_>, span: std::ops::Range<usize>, raw: RawEntry) -> Option<Entry> {
    let path = raw.path;
    let label = path.as_ref().map_or("an entry".to_owned(), |path| {
        format!("`{}`", path.get_ref())
    });
    let place = path.as_ref().map_or(span, Spanned::span);
    let mut contents = Vec::new();
    if let Some(directory) = raw.directory {
        if !*directory.get_ref() {
            sheet.wrong(
                &directory,
                format!("{label} is not a directory"),
                "leave the key out",
            );
        }
        contents.push((0o755, Some(EntryContent::Fixed(InitramfsKind::Directory))));
    }
    if let Some(text) = raw.text {
        contents.push((0o644, Some(EntryContent::Text(sheet.inline(text)))));
    }
    if let Some(name) = raw.template {
        contents.push((0o644, sheet.own_template(&name).map(EntryContent::Text)));
    }
    if let Some(file) = raw.file {
        let file = input_file(sheet, file);
        contents.push((0o644, Some(EntryContent::Fixed(InitramfsKind::File(file)))));
    }
    if let Some(target) = raw.symlink {
        if target.get_ref().is_empty() {
            sheet.wrong(&target, format!("{label} has no target"), "empty");
        }
        let kind = InitramfsKind::Symlink(target.into_inner());
        contents.push((0o777, Some(EntryContent::Fixed(kind))));
    }
    if let Some([major, minor]) = raw.char_device {
        let kind = InitramfsKind::CharDevice(major, minor);
        contents.push((0o600, Some(EntryContent::Fixed(kind))));
    }
    let is_links = raw.links.is_some();
    if let Some(links) = raw.links {
        let list = input_file(sheet, links.list);
        let kind = InitramfsKind::Links {
            list,
            target: links.target,
        };
        contents.push((0o777, Some(EntryContent::Fixed(kind))));
    }

    if contents.len() != 1 {
        let says = if contents.is_empty() {
            "has no content"
        } else {
            "has two contents"
        };
        let title = format!("{label} {says}");
        let diagnostic = sheet
            .page
            .at(place, title, "expected exactly one")
            .with_help(CONTENTS);
        sheet.found.push(diagnostic);
        return None;
    }
    let (usual_mode, content) = contents.pop()?;
    let mode = raw
        .mode
        .map_or(Some(usual_mode), |mode| read_mode(sheet, &mode));
    let path = match path {
        Some(path) if is_links => {
            sheet.wrong(
                &path,
                "links with a path".to_owned(),
                "the list has the paths",
            );
            return None;
        }
        Some(path) if !is_relative(path.get_ref()) => {
            let title = format!("`{}` is not a path in the initramfs", path.get_ref());
            sheet.wrong(
                &path,
                title,
                "expected a relative path, without the leading slash",
            );
            return None;
        }
        Some(path) => path.into_inner(),
        None if is_links => String::new(),
        None => {
            sheet.found.push(
                sheet
                    .page
                    .at(place, "an entry without `path`", "in this table"),
            );
            return None;
        }
    };
    Some(Entry {
        path,
        mode: mode?,
        content: content?,
    })
}

fn read_mode(sheet: &mut Sheet<'_>, text: &Spanned<String>) -> Option<u32> {
    let digits = text.get_ref();
    let octal = digits.starts_with('0') && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| octal && *mode <= 0o7777);
    if mode.is_none() {
        let title = format!("`{digits}` is not a mode");
        sheet.wrong(
            text,
            title,
            "expected permission bits in octal, such as \"0755\"",
        );
    }
    mode
}

fn input_file(sheet: &mut Sheet<'_>, raw: RawInputFile) -> InputFile {
    if !is_relative(raw.path.get_ref()) {
        let title = format!("`{}` is not a path in an output tree", raw.path.get_ref());
        sheet.wrong(&raw.path, title, "expected a relative path");
    }
    let file = InputFile {
        recipe: raw.recipe.get_ref().clone(),
        path: raw.path.into_inner(),
    };
    sheet.needs(raw.recipe);
    file
}

/// The files of an image, by their new names.
pub(super) fn gathered(
    sheet: &mut Sheet<'_>,
    raw: BTreeMap<Spanned<String>, RawGathered>,
) -> BTreeMap<String, Gathered> {
    let mut files = BTreeMap::new();
    for (name, raw) in raw {
        if !is_file_name(name.get_ref()) {
            let title = format!("`{}` is not a file name", name.get_ref());
            sheet.wrong(&name, title, "expected a name without slashes");
        }
        let when = raw.when.map(|when| sheet.inline(when));
        let file = input_file(
            sheet,
            RawInputFile {
                recipe: raw.recipe,
                path: raw.path,
            },
        );
        files.insert(name.into_inner(), Gathered { file, when });
    }
    files
}

impl Sheet<'_> {
    /// A template in a file of the recipe's own folder.
    pub(super) fn own_template(&mut self, name: &Spanned<String>) -> Option<super::Template> {
        let path = self.own_path(name)?;
        let origin = self.origin(name);
        match tree::named(self.files, &path, &origin) {
            Ok(text) => {
                let origin = super::Origin { path, span: None };
                Some(super::Template {
                    text: text.to_owned(),
                    origin,
                })
            }
            Err(diagnostic) => {
                self.found.push(*diagnostic);
                None
            }
        }
    }
}
