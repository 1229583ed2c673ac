//! Shared state of the checks of one `recipe.toml`.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use toml::Spanned;

use super::{Compiler, Origin, Template};
use crate::diagnostic::{Diagnostic, Page};
use crate::relative::is_relative;
use crate::step::Mount;
use crate::tree::Files;

/// Shared state of the checks of one file: the page, the tree and the errors.
pub(super) struct Sheet<'a> {
    pub(super) page: Page<'a>,
    pub(super) files: &'a Files,
    pub(super) found: &'a mut Vec<Diagnostic>,
    pub(super) inputs: Vec<(Spanned<String>, Mount, Option<Compiler>)>,
}

impl<'a> Sheet<'a> {
    /// Reports an error at this value.
    pub(super) fn wrong<T>(&mut self, place: &Spanned<T>, title: String, label: &str) {
        self.found.push(self.page.at(place.span(), title, label));
    }

    /// The recipe's own folder.
    pub(super) fn folder(&self) -> &'a Utf8Path {
        self.page.path.parent().unwrap_or(Utf8Path::new(""))
    }

    /// The location of a value.
    pub(super) fn origin(&self, value: &Spanned<String>) -> Origin {
        Origin {
            path: self.page.path.to_owned(),
            span: Some(value.span()),
        }
    }

    /// A value that is a template.
    pub(super) fn inline(&self, value: Spanned<String>) -> Template {
        let origin = self.origin(&value);
        Template {
            text: value.into_inner(),
            origin,
        }
    }

    /// The repository path of a file in the recipe's own folder.
    pub(super) fn own_path(&mut self, name: &Spanned<String>) -> Option<Utf8PathBuf> {
        if is_relative(name.get_ref()) {
            return Some(self.folder().join(name.get_ref()));
        }
        let title = format!("`{}` is not a path in the recipe's folder", name.get_ref());
        self.wrong(name, title, "expected a relative path");
        None
    }

    /// Adds another recipe as an input, once.
    pub(super) fn needs(&mut self, recipe: Spanned<String>) {
        if self
            .inputs
            .iter()
            .all(|(input, ..)| input.get_ref() != recipe.get_ref())
        {
            self.inputs.push((recipe, Mount::In, None));
        }
    }

    /// Reports every duplicate value.
    pub(super) fn twice<'b>(
        &mut self,
        what: &str,
        values: impl IntoIterator<Item = &'b Spanned<String>>,
    ) {
        let mut seen = BTreeSet::new();
        for value in values {
            if !seen.insert(value.get_ref()) {
                let title = format!("{what} `{}` occurs twice", value.get_ref());
                self.wrong(value, title, "second occurrence");
            }
        }
    }
}
