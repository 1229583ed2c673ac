//! The host tools that a script may call: located once, shown as links in a separate directory.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

/// Compiler wrappers, which search PATH for the compiler and would only find themselves.
const WRAPPERS: [&str; 6] = ["ccache", "sccache", "distcc", "icecc", "colorgcc", "pump"];

/// Paths of tools by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toolbox {
    found: BTreeMap<String, Utf8PathBuf>,
    missing: Vec<String>,
}

impl Toolbox {
    /// Searches each name in the directories of a search path, in order. Resolves links: a program
    /// runs next to its own files, and the directories of the links need not be shown.
    #[must_use]
    pub fn find<'a>(names: impl IntoIterator<Item = &'a str>, path: &[Utf8PathBuf]) -> Self {
        Self::found_by(names, |name| {
            let candidates = path.iter().filter_map(|directory| {
                host::tools::find_in(name, std::slice::from_ref(directory))?
                    .canonicalize_utf8()
                    .ok()
            });
            let real = |program: &Utf8PathBuf| {
                program
                    .file_name()
                    .is_some_and(|file| !WRAPPERS.contains(&file) || file == name)
            };
            candidates.into_iter().find(real)
        })
    }

    /// Searches each name in another system.
    #[must_use]
    pub fn find_in_system<'a>(names: impl IntoIterator<Item = &'a str>, root: &Utf8Path) -> Self {
        Self::found_by(names, |name| crate::foreign_root::find(root, name))
    }

    fn found_by<'a>(
        names: impl IntoIterator<Item = &'a str>,
        find: impl Fn(&str) -> Option<Utf8PathBuf>,
    ) -> Self {
        let mut tools = Self::default();
        for name in names {
            match find(name) {
                Some(program) => drop(tools.found.insert(name.to_owned(), program)),
                None if tools.missing.iter().any(|missing| missing == name) => {}
                None => tools.missing.push(name.to_owned()),
            }
        }
        tools
    }

    /// Names that no directory has, in the order of the request.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The path of a tool.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Utf8Path> {
        self.found.get(name).map(Utf8PathBuf::as_path)
    }

    /// All paths in the order of the tools' names.
    pub fn programs(&self) -> impl Iterator<Item = &Utf8Path> {
        self.found.values().map(Utf8PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn all_missing_tools_are_listed_once() {
        let tools = Toolbox::find(
            ["sh", "no-such-a", "no-such-b", "no-such-a"],
            &["/bin".into()],
        );
        assert_eq!(tools.missing(), ["no-such-a", "no-such-b"]);
        assert!(tools.program("sh").is_some());
    }

    #[test]
    fn compiler_behind_cache_is_found() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        let program = |path: &str| {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, "").unwrap();
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        program("bin/ccache");
        program("bin/cc");
        fs_err::create_dir(root.join("cache")).unwrap();
        fs_err::os::unix::fs::symlink("../bin/ccache", root.join("cache/cc")).unwrap();
        let tools = Toolbox::find(["cc", "ccache"], &[root.join("cache"), root.join("bin")]);
        assert_eq!(tools.program("cc"), Some(root.join("bin/cc").as_path()));
        assert_eq!(
            tools.program("ccache"),
            Some(root.join("bin/ccache").as_path())
        );
    }
}
