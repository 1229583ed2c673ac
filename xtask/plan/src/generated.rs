//! Files that programs of the host generate during a build, with the program:
//! `recipes/<name>/generated.toml`.
//!
//! When two builds differ, a differing generated file identifies the program to examine. This
//! affects no decision: it is not part of a key, and a difference that reaches no output is
//! harmless.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use toml::Spanned;

use crate::diagnostic::{Diagnostic, Page};
use crate::document;
use crate::relative::{is_file_name, is_relative};
use crate::tree::{self, Files};

/// Files that one program generates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Path below the step's build directory. `*` matches any text, including slashes.
    pub path: String,
    /// The program.
    pub by: String,
}

/// Tables by recipe. The first entry that matches a path applies.
pub type GeneratedFiles = BTreeMap<String, Vec<Generated>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    file: Vec<RawFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    path: Spanned<String>,
    by: Spanned<String>,
}

/// Reads the tables from the repository's files.
pub(crate) fn read(files: &Files, found: &mut Vec<Diagnostic>) -> GeneratedFiles {
    let mut tables = GeneratedFiles::new();
    for path in files.keys() {
        let Some(recipe) = recipe_of(path) else {
            continue;
        };
        let Some(text) = tree::text(files, path) else {
            found.push(tree::not_text(path));
            continue;
        };
        let page = Page { path, text };
        let Some(raw) = document::read::<Raw>(page, found) else {
            continue;
        };
        if !files.contains_key(&path.with_file_name("recipe.toml")) {
            let title = format!("unknown recipe `{recipe}`");
            found.push(page.whole(title, "not a directory in recipes/"));
        }
        for file in &raw.file {
            if !is_relative(file.path.get_ref()) {
                let title = format!("`{}` is not a path in a directory", file.path.get_ref());
                let label = "expected a path below the build directory";
                found.push(page.at(file.path.span(), title, label));
            }
            if !is_file_name(file.by.get_ref()) {
                let title = format!("`{}` is not the name of a program", file.by.get_ref());
                found.push(page.at(file.by.span(), title, "expected a name without slashes"));
            }
        }
        let table = raw.file.into_iter().map(|file| Generated {
            path: file.path.into_inner(),
            by: file.by.into_inner(),
        });
        tables.insert(recipe.to_owned(), table.collect());
    }
    tables
}

fn recipe_of(path: &Utf8PathBuf) -> Option<&str> {
    let folder = path
        .parent()
        .filter(|_| path.file_name() == Some("generated.toml"))?;
    (folder.parent() == Some(Utf8Path::new("recipes"))).then(|| folder.file_name())?
}

impl Generated {
    /// The program that generates a file, by the first matching entry.
    #[must_use]
    pub fn maker<'a>(table: &'a [Self], path: &str) -> Option<&'a str> {
        let mut fitting = table.iter().filter(|entry| fits(&entry.path, path));
        fitting.next().map(|entry| entry.by.as_str())
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, tail)) => path.strip_prefix(head).is_some_and(|rest| {
            let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.any(|at| fits(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::show;

    fn read_one(text: &str) -> Result<GeneratedFiles, String> {
        read_for("linux", text)
    }

    fn read_for(recipe: &str, text: &str) -> Result<GeneratedFiles, String> {
        let path = Utf8Path::new("recipes").join(recipe).join("generated.toml");
        let mut found = Vec::new();
        let files = Files::from([
            (path, text.as_bytes().to_vec()),
            ("recipes/linux/recipe.toml".into(), Vec::new()),
        ]);
        let tables = read(&files, &mut found);
        if found.is_empty() {
            Ok(tables)
        } else {
            Err(show(&found))
        }
    }

    #[test]
    fn first_matching_entry_gives_the_program() {
        let tables = read_one(
            "[[file]]\npath = \"obj/generated/timeconst.h\"\nby = \"bc\"\n\
             [[file]]\npath = \"obj/*/lex*.c\"\nby = \"flex\"\n\
             [[file]]\npath = \"obj/generated/*\"\nby = \"sh\"\n",
        );
        let table = &tables.unwrap()["linux"];
        let check = |path, expect| assert_eq!(Generated::maker(table, path), expect);
        check("obj/generated/timeconst.h", Some("bc"));
        check("obj/generated/asm/a.h", Some("sh"));
        check("obj/scripts/dtc/lexer.lex.c", Some("flex"));
        check("obj/lex.c", None);
        check("obj/scripts/lex.h", None);
        check("generated/a.h", None);
    }

    #[test]
    fn invalid_entries_show_their_location() {
        insta::assert_snapshot!(
            read_one("[[file]]\npath = \"a\"\nby = \"/usr/bin/bc\"\n").unwrap_err()
        );
        insta::assert_snapshot!(read_one("[[file]]\npth = \"a\"\nby = \"bc\"\n").unwrap_err());
        insta::assert_snapshot!(
            read_one("[[file]]\npath = \"/obj/a\"\nby = \"bc\"\n").unwrap_err()
        );
        insta::assert_snapshot!(
            read_for("linnux", "[[file]]\npath = \"a\"\nby = \"bc\"\n").unwrap_err()
        );
    }
}
