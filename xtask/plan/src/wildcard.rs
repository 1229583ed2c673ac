//! Files of the repository by a path with `*`, which stands for any part of one name.

use camino::{Utf8Path, Utf8PathBuf};

use crate::tree::Files;

/// The files that a path stands for, each with the name that it has in `$FILES`: its file name, and
/// for a path with `*` what follows the last directory without one.
pub(crate) fn files<'a>(files: &'a Files, path: &Utf8Path) -> Vec<(Utf8PathBuf, &'a Utf8Path)> {
    let parts: Vec<&str> = path.as_str().split('/').collect();
    let Some(first) = parts.iter().position(|part| part.contains('*')) else {
        let found = files.get_key_value(path);
        let name = path.file_name().unwrap_or_default();
        return found
            .map(|(path, _)| (name.into(), path.as_path()))
            .into_iter()
            .collect();
    };
    let is_meant = |path: &&Utf8PathBuf| {
        let names: Vec<&str> = path.as_str().split('/').collect();
        let mut pairs = names.iter().zip(&parts);
        names.len() == parts.len() && pairs.all(|(name, part)| matches(name, part))
    };
    let found = files.keys().filter(is_meant);
    found
        .map(|path| {
            let name = path.components().skip(first).collect();
            (name, path.as_path())
        })
        .collect()
}

/// Whether one `*` at most makes `part` the name.
fn matches(name: &str, part: &str) -> bool {
    match part.split_once('*') {
        None => name == part,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stands_for_part_of_one_name() {
        let check = |path: &str, expect: &[&str]| {
            let all = ["a/lib/x.c", "a/lib/y.h", "a/t/t.c", "a/t/t.toml", "a/z.c"];
            let all: Files = all.map(|path| (path.into(), Vec::new())).into();
            let found = files(&all, path.into());
            let found: Vec<String> = found
                .iter()
                .map(|(name, path)| format!("{name} {path}"))
                .collect();
            assert_eq!(found, expect, "{path}");
        };
        check("a/z.c", &["z.c a/z.c"]);
        check("a/none.c", &[]);
        check("a/*.c", &["z.c a/z.c"]);
        check("a/*/*.c", &["lib/x.c a/lib/x.c", "t/t.c a/t/t.c"]);
        check("a/lib/*", &["x.c a/lib/x.c", "y.h a/lib/y.h"]);
        check("a/*/none", &[]);
        assert!(!matches("ab", "ab*b"));
    }
}
