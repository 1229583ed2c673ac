//! The repository's files in memory, and errors about missing ones.

use std::collections::BTreeMap;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};

use crate::diagnostic::{Diagnostic, Page};
use crate::suggest;

/// Contents by path in the repository.
pub(crate) type Files = BTreeMap<Utf8PathBuf, Vec<u8>>;

/// A location in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub path: Utf8PathBuf,
    /// The byte range of a value in it, or `None` for the whole file.
    pub span: Option<Range<usize>>,
}

/// The text of an existing file.
pub(crate) fn text<'a>(files: &'a Files, path: &Utf8Path) -> Option<&'a str> {
    files.get(path).and_then(|bytes| str::from_utf8(bytes).ok())
}

/// The text of the file that `origin` refers to, or a diagnostic at `origin` if it is missing.
pub(crate) fn named<'a>(
    files: &'a Files,
    path: &Utf8Path,
    origin: &Origin,
) -> Result<&'a str, Box<Diagnostic>> {
    match files.get(path) {
        None => Err(Box::new(missing(files, path, origin))),
        Some(bytes) => str::from_utf8(bytes).map_err(|_| Box::new(not_text(path))),
    }
}

/// Reports that `path`, which is referenced at `origin`, is not in the tree.
pub(crate) fn missing(files: &Files, path: &Utf8Path, origin: &Origin) -> Diagnostic {
    let diagnostic = at(
        files,
        origin,
        format!("`{path}` is not in the repository"),
        "names this file",
    );
    match suggest::closest(path.as_str(), files.keys().map(|path| path.as_str())) {
        Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// Reports an error at `origin`.
pub(crate) fn at(files: &Files, origin: &Origin, title: String, label: &str) -> Diagnostic {
    let page = Page {
        path: &origin.path,
        text: text(files, &origin.path).unwrap_or_default(),
    };
    match &origin.span {
        Some(span) => page.at(span.clone(), title, label),
        None => page.whole(title, label),
    }
}

/// Reports that a file is not text.
pub(crate) fn not_text(path: &Utf8Path) -> Diagnostic {
    Page { path, text: "" }.whole(format!("`{path}` is not text in UTF-8"), "")
}
