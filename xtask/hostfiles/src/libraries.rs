//! Finds the libraries of a program like the dynamic loader, by reading ELF files (ld.so(8)).

use std::collections::{BTreeMap, VecDeque};

use camino::{Utf8Path, Utf8PathBuf};
use elf::{Dynamic, Header};
use kernel::Target;

use crate::error::HostFilesError;
use crate::loader::{at, built_in, configured};

/// Finds libraries like the loader of a host.
pub(crate) struct Loader<'a> {
    root: &'a Utf8Path,
    target: Target,
    configured: Vec<Utf8PathBuf>,
}

/// A file that needs libraries.
struct Object {
    path: Utf8PathBuf,
    dynamic: Dynamic,
    /// The `DT_RPATH` directories of the objects that loaded it, the nearest first.
    inherited: Vec<Utf8PathBuf>,
}

impl<'a> Loader<'a> {
    /// The loader of the host at `root`, for programs of one architecture.
    pub(crate) fn new(root: &'a Utf8Path, target: Target) -> Result<Self, HostFilesError> {
        Ok(Self {
            root,
            target,
            configured: configured(root)?,
        })
    }

    /// The dynamic loader and all libraries of a program, with their paths on the host.
    pub(crate) fn closure(
        &self,
        program: &Utf8Path,
        bytes: &[u8],
    ) -> Result<BTreeMap<Utf8PathBuf, Vec<u8>>, HostFilesError> {
        let mut found = BTreeMap::new();
        let dynamic = self.dynamic(program, bytes)?;
        let mut nearby = Vec::new();
        if let Some(interpreter) = &dynamic.interpreter {
            let absent = |_| HostFilesError::NoInterpreter {
                interpreter: interpreter.clone(),
                of: program.to_owned(),
            };
            let path = Utf8Path::new(interpreter);
            let file = at(self.root, path);
            let bytes = host::files::read(&file).map_err(absent)?;
            self.dynamic(path, &bytes)?;
            // Distributions build the directory of their loader into it.
            nearby.extend(path.parent().map(Utf8Path::to_owned));
            let real = fs_err::canonicalize(&file)?;
            let real = Utf8PathBuf::try_from(real).ok();
            let real = real.and_then(|real| {
                let inside = real.strip_prefix(self.root).ok()?;
                Some(Utf8Path::new("/").join(inside.parent()?))
            });
            nearby.extend(real);
            found.insert(path.to_owned(), bytes);
        }
        let mut open = VecDeque::from([Object {
            path: program.to_owned(),
            dynamic,
            inherited: Vec::new(),
        }]);
        // A library is loaded once per name.
        let mut names: Vec<String> = Vec::new();
        while let Some(object) = open.pop_front() {
            for name in &object.dynamic.needed {
                if names.contains(name) {
                    continue;
                }
                let (path, bytes) = self.library(name, &object, &nearby)?;
                names.push(name.clone());
                open.push_back(Object {
                    dynamic: self.dynamic(&path, &bytes)?,
                    inherited: object.rpath(),
                    path: path.clone(),
                });
                found.insert(path, bytes);
            }
        }
        Ok(found)
    }

    /// Finds a library that a file needs.
    fn library(
        &self,
        name: &str,
        object: &Object,
        nearby: &[Utf8PathBuf],
    ) -> Result<(Utf8PathBuf, Vec<u8>), HostFilesError> {
        let searched = if name.contains('/') {
            Vec::new()
        } else {
            object.search(self.configured.iter().chain(nearby).cloned())
        };
        let candidates: Vec<_> = match searched.as_slice() {
            [] => object.expand(name).into_iter().collect(),
            directories => directories.iter().map(|path| path.join(name)).collect(),
        };
        let mut refused = None;
        for path in candidates {
            let file = at(self.root, &path);
            if !file.is_file() {
                continue;
            }
            let bytes = host::files::read(&file)?;
            match self.dynamic(&path, &bytes) {
                Ok(_) => return Ok((path, bytes)),
                // The loader skips libraries of another architecture.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| HostFilesError::NoLibrary {
            library: name.to_owned(),
            needed_by: object.path.clone(),
            searched,
        }))
    }

    /// The dynamic section of a file. Refuses a file for another architecture.
    fn dynamic(&self, path: &Utf8Path, bytes: &[u8]) -> Result<Dynamic, HostFilesError> {
        let damaged = || HostFilesError::Damaged(path.to_owned());
        let found = target(bytes).ok_or_else(damaged)?;
        if found != self.target {
            return Err(HostFilesError::Target {
                path: path.to_owned(),
                expected: self.target,
                found,
            });
        }
        Dynamic::parse(bytes).ok_or_else(damaged)
    }
}

/// The target of an ELF file.
pub(crate) fn target(bytes: &[u8]) -> Option<Target> {
    let Header {
        machine,
        wide,
        big_endian,
    } = Header::parse(bytes)?;
    Some(Target {
        machine,
        wide,
        big_endian,
    })
}

impl Object {
    /// The directories for its libraries, including those that the loader knows.
    fn search(&self, known: impl Iterator<Item = Utf8PathBuf>) -> Vec<Utf8PathBuf> {
        let own = if self.dynamic.runpath.is_empty() {
            self.rpath()
        } else {
            self.expanded(&self.dynamic.runpath)
        };
        let mut all: Vec<Utf8PathBuf> = Vec::new();
        for directory in own.into_iter().chain(known).chain(built_in()) {
            if !all.contains(&directory) {
                all.push(directory);
            }
        }
        all
    }

    /// The `DT_RPATH` directories for its libraries.
    fn rpath(&self) -> Vec<Utf8PathBuf> {
        let own = if self.dynamic.runpath.is_empty() {
            self.expanded(&self.dynamic.rpath)
        } else {
            Vec::new()
        };
        own.into_iter().chain(self.inherited.clone()).collect()
    }

    fn expanded(&self, directories: &[String]) -> Vec<Utf8PathBuf> {
        let all = directories.iter();
        all.filter_map(|directory| self.expand(directory)).collect()
    }

    /// Replaces `$ORIGIN` in a path and removes `..`. `None` for other tokens (`$LIB`,
    /// `$PLATFORM`), whose values only the host's loader knows.
    fn expand(&self, path: &str) -> Option<Utf8PathBuf> {
        let origin = self.path.parent()?.as_str();
        let path = path.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
        let mut normal = Utf8PathBuf::from("/");
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    normal.pop();
                }
                part => normal.push(part),
            }
        }
        (path.starts_with('/') && !path.contains('$')).then_some(normal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_searched_in_loader_order() {
        let check = |rpath: &[&str], runpath: &[&str], expect: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
            let object = Object {
                path: "/opt/app/bin/tool".into(),
                dynamic: Dynamic {
                    rpath: texts(rpath),
                    runpath: texts(runpath),
                    ..Dynamic::default()
                },
                inherited: vec!["/inherited".into()],
            };
            let found = object.search([Utf8PathBuf::from("/known")].into_iter());
            assert_eq!(found[..expect.len()], *expect);
        };
        check(&[], &[], &["/inherited", "/known", "/lib64"]);
        check(
            &["$ORIGIN/../lib"],
            &[],
            &["/opt/app/lib", "/inherited", "/known"],
        );
        // A file with a runpath ignores every rpath.
        check(
            &["/rpath"],
            &["${ORIGIN}", "/opt/$LIB"],
            &["/opt/app/bin", "/known", "/lib64"],
        );
    }
}
