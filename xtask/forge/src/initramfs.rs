//! Resolves the entries of an initramfs to bytes, which `plan::cpio` writes.
//!
//! `build` uses it for [`plan::step::Action::Initramfs`]. `plan::cpio` determines the form of the
//! archive: order, times, owners. This module reads the inputs' output trees.

use std::collections::BTreeMap;

use plan::cpio::{CpioError, Entry, Node};
use plan::step::{InitramfsEntry, InitramfsKind, InputFile};

use crate::gather::{GatherError, Inputs, locate};

/// Name of the archive in the step's output tree.
pub const FILE: &str = "initramfs.cpio";

/// Why the archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// A file of an input is missing.
    #[error(transparent)]
    Input(#[from] GatherError),
    /// The archive cannot contain an entry.
    #[error(transparent)]
    Cpio(#[from] CpioError),
    /// A list of links is malformed.
    #[error("`{list}`, line {line}: expected an absolute path, found `{text}`")]
    List {
        /// Path of the list in its output tree.
        list: String,
        /// Line number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
}

impl InitramfsError {
    /// The advice that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Input(error) => error.hint(),
            Self::Cpio(error) => error.hint(),
            Self::List { .. } => None,
        }
    }
}

/// The archive's bytes. `epoch` is the time of every entry.
pub fn archive(
    entries: &[InitramfsEntry],
    inputs: &Inputs,
    epoch: u64,
) -> Result<Vec<u8>, InitramfsError> {
    Ok(plan::cpio::archive(&resolve(entries, inputs)?, epoch)?)
}

/// The sorted entries with their bytes. An explicit entry takes precedence over one from a list of
/// links. Missing parent directories of links get mode 0755.
pub fn resolve(entries: &[InitramfsEntry], inputs: &Inputs) -> Result<Vec<Entry>, InitramfsError> {
    let mut resolved = BTreeMap::new();
    let mut lists = Vec::new();
    for entry in entries {
        let node = match &entry.kind {
            InitramfsKind::Directory => Node::Directory,
            InitramfsKind::Text(text) => Node::File(text.clone().into_bytes()),
            InitramfsKind::File(file) => {
                Node::File(fs_err::read(locate(file, inputs)?).map_err(GatherError::Io)?)
            }
            InitramfsKind::Symlink(target) => Node::Symlink(target.clone()),
            InitramfsKind::CharDevice(major, minor) => Node::CharDevice(*major, *minor),
            InitramfsKind::Links { list, target } => {
                lists.push((list, target));
                continue;
            }
        };
        let entry = Entry {
            path: entry.path.clone(),
            mode: entry.mode,
            node,
        };
        if let Some(twice) = resolved.insert(entry.path.clone(), entry) {
            return Err(CpioError::Duplicate(twice.path).into());
        }
    }
    for (list, target) in lists {
        for path in listed(list, inputs)? {
            for (at, _) in path.match_indices('/') {
                let node = Node::Directory;
                put(
                    &mut resolved,
                    Entry {
                        path: path[..at].to_owned(),
                        mode: 0o755,
                        node,
                    },
                );
            }
            put(
                &mut resolved,
                Entry {
                    path,
                    mode: 0o777,
                    node: Node::Symlink(target.clone()),
                },
            );
        }
    }
    Ok(resolved.into_values().collect())
}

fn put(resolved: &mut BTreeMap<String, Entry>, entry: Entry) {
    resolved.entry(entry.path.clone()).or_insert(entry);
}

/// The paths of a list, without their leading slashes.
fn listed(list: &InputFile, inputs: &Inputs) -> Result<Vec<String>, InitramfsError> {
    let text = fs_err::read_to_string(locate(list, inputs)?).map_err(GatherError::Io)?;
    let lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(line, text)| {
            let path = text
                .trim()
                .strip_prefix('/')
                .filter(|path| !path.is_empty());
            path.map(str::to_owned).ok_or_else(|| InitramfsError::List {
                list: list.path.clone(),
                line,
                text: text.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    fn file(recipe: &str, path: &str) -> InputFile {
        InputFile {
            recipe: recipe.to_owned(),
            path: path.to_owned(),
        }
    }

    fn entry(path: &str, mode: u32, kind: InitramfsKind) -> InitramfsEntry {
        InitramfsEntry {
            path: path.to_owned(),
            mode,
            kind,
        }
    }

    fn links() -> InitramfsEntry {
        let list = file("busybox", "busybox.links");
        entry(
            "",
            0o777,
            InitramfsKind::Links {
                list,
                target: "/bin/busybox".to_owned(),
            },
        )
    }

    /// Resolves against an input `busybox` with these two files. Prints one line per entry.
    fn check(entries: &[InitramfsEntry], list: &str, expect: Result<&[&str], &str>) {
        let scratch = tempfile::tempdir().unwrap();
        let tree = Utf8PathBuf::from_path_buf(scratch.path().to_owned()).unwrap();
        fs_err::write(tree.join("busybox"), "\x7fELF").unwrap();
        fs_err::write(tree.join("busybox.links"), list).unwrap();
        let resolved = resolve(entries, &[("busybox".to_owned(), tree)].into());
        let lines = resolved.map_err(|error| error.to_string()).map(|entries| {
            let show = |entry: Entry| match entry.node {
                Node::Directory => format!("{} {:o}/", entry.path, entry.mode),
                Node::File(bytes) => {
                    format!("{} {:o} {} bytes", entry.path, entry.mode, bytes.len())
                }
                Node::Symlink(target) => format!("{} {:o} -> {target}", entry.path, entry.mode),
                Node::CharDevice(a, b) => format!("{} {:o} c{a},{b}", entry.path, entry.mode),
            };
            entries.into_iter().map(show).collect::<Vec<_>>()
        });
        let expect = expect.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
        assert_eq!(lines, expect.map_err(str::to_owned));
    }

    #[test]
    fn every_entry_kind_is_sorted() {
        check(
            &[
                entry(
                    "init",
                    0o755,
                    InitramfsKind::Symlink("bin/busybox".to_owned()),
                ),
                entry("etc", 0o755, InitramfsKind::Directory),
                entry("etc/hosts", 0o644, InitramfsKind::Text("::1\n".to_owned())),
                entry("bin", 0o755, InitramfsKind::Directory),
                entry(
                    "bin/busybox",
                    0o4755,
                    InitramfsKind::File(file("busybox", "busybox")),
                ),
                entry("console", 0o600, InitramfsKind::CharDevice(5, 1)),
            ],
            "",
            Ok(&[
                "bin 755/",
                "bin/busybox 4755 4 bytes",
                "console 600 c5,1",
                "etc 755/",
                "etc/hosts 644 4 bytes",
                "init 755 -> bin/busybox",
            ]),
        );
    }

    #[test]
    fn listed_links_bring_parent_directories() {
        check(
            &[
                entry("bin", 0o700, InitramfsKind::Directory),
                entry("bin/sh", 0o755, InitramfsKind::Text(String::new())),
                links(),
            ],
            "/bin/sh\n/bin/ls\n\n/usr/sbin/brctl\n",
            Ok(&[
                "bin 700/",
                "bin/ls 777 -> /bin/busybox",
                "bin/sh 755 0 bytes",
                "usr 755/",
                "usr/sbin 755/",
                "usr/sbin/brctl 777 -> /bin/busybox",
            ]),
        );
    }

    #[test]
    fn invalid_entries_are_reported() {
        check(
            &[links()],
            "/bin/ls\nbin/cat\n",
            Err("`busybox.links`, line 2: expected an absolute path, found `bin/cat`"),
        );
        let directory = entry("bin", 0o755, InitramfsKind::Directory);
        check(
            &[directory.clone(), directory],
            "",
            Err("`bin` occurs twice in the archive"),
        );
        check(
            &[entry(
                "x",
                0o644,
                InitramfsKind::File(file("busybox", "none")),
            )],
            "",
            Err("`busybox` did not write `none`"),
        );
    }

    #[test]
    fn equal_entries_in_another_order_give_equal_archives() {
        let one = entry("a", 0o755, InitramfsKind::Directory);
        let other = entry("a/b", 0o644, InitramfsKind::Text("x".to_owned()));
        let inputs = Inputs::new();
        let archive = |entries: &[InitramfsEntry]| archive(entries, &inputs, 7).unwrap();
        let (forth, back) = (
            archive(&[one.clone(), other.clone()]),
            archive(&[other, one]),
        );
        assert_eq!(forth, back);
        assert_eq!(inspect::compare::first_difference_in(&forth, &back), None);
    }
}
