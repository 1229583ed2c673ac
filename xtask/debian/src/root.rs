//! The file system of a guest: the files of packages and some of our own, as a `SquashFS` image.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use backhand::compression::Compressor;
use backhand::{BackhandError, FilesystemCompressor, FilesystemWriter, NodeHeader};

use crate::control::paragraphs;
use crate::deb::{Deb, DebError, Entry, Node, Owner};

/// Directories that are links to the directories of the same name in `usr`.
const MERGED: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"];
/// The licence of a package, which stays in the image in every case.
const COPYRIGHT: &str = "/copyright";

/// A file system without device files.
#[derive(Debug, Clone, Default)]
pub struct Root {
    files: BTreeMap<String, Entry>,
    /// The control files of packages.
    controls: BTreeMap<String, String>,
    /// The paths that packages have, by package.
    lists: BTreeMap<String, Vec<String>>,
    /// Directories whose files are left out.
    left_out: Vec<String>,
}

/// A file of the image that no package has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// A directory.
    Directory,
    /// A file with this text.
    Text(String),
    /// A symbolic link to this target.
    Symlink(String),
    /// A copy of another file of the image.
    Copy(String),
}

/// Packages that make no file system.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A package cannot be read.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// A package without a name.
    #[error("the control file of a package has no `Package`")]
    Nameless,
    /// Two packages have the same file.
    #[error("package `{package}` and another package have `/{path}`")]
    Clash {
        /// The later package.
        package: String,
        /// The file.
        path: String,
    },
    /// A hard link or a copy of a file that does not exist.
    #[error("`/{path}` is to be a copy of `/{target}`, which is not a file of the image")]
    NoTarget {
        /// The file.
        path: String,
        /// Its target.
        target: String,
    },
    /// The image cannot be written.
    #[error("failed to write the file system image: {0}")]
    Image(#[from] BackhandError),
}

impl Root {
    /// An empty file system. Files below the directories of `left_out` are not taken from packages,
    /// except for their licences.
    #[must_use]
    pub fn new(left_out: &[String]) -> Self {
        let directories = left_out
            .iter()
            .map(|path| format!("{}/", path.trim_matches('/')));
        Self {
            left_out: directories.collect(),
            ..Self::default()
        }
    }

    /// Adds the files of a package.
    pub fn add(&mut self, package: &[u8]) -> Result<(), RootError> {
        let Deb { control, entries } = Deb::read(package)?;
        let name = paragraphs(&control).find_map(|one| one.get("Package").map(str::to_owned));
        let name = name.ok_or(RootError::Nameless)?;
        let mut list = Vec::new();
        for entry in entries {
            list.push(entry.path.clone());
            let path = merged(&entry.path);
            if self.leaves_out(&path) || MERGED.contains(&entry.path.as_str()) {
                continue;
            }
            let both_are_directories =
                |old: &Entry| old.node == Node::Directory && entry.node == Node::Directory;
            if self
                .files
                .get(&path)
                .is_some_and(|old| !both_are_directories(old))
            {
                return Err(RootError::Clash {
                    package: name,
                    path,
                });
            }
            let node = match entry.node {
                Node::Link(target) => self.content(&path, &merged(&target))?,
                node => node,
            };
            let entry = Entry {
                path: path.clone(),
                node,
                ..entry
            };
            self.files.entry(path).or_insert(entry);
        }
        self.lists.insert(name.clone(), list);
        self.controls.insert(name, control);
        Ok(())
    }

    /// Adds a file of our own, or replaces that of a package.
    pub fn put(&mut self, path: &str, mode: u16, contents: &Contents) -> Result<(), RootError> {
        let path = merged(path.trim_matches('/'));
        let node = match contents {
            Contents::Directory => Node::Directory,
            Contents::Text(text) => Node::File(text.clone().into_bytes()),
            Contents::Symlink(target) => Node::Symlink(target.clone()),
            Contents::Copy(source) => self.content(&path, &merged(source.trim_matches('/')))?,
        };
        self.files.insert(path.clone(), own(path, mode, node));
        Ok(())
    }

    /// The image. Its bytes depend only on the files, not on the order in which they were added.
    pub fn image(mut self) -> Result<Vec<u8>, RootError> {
        self.record_packages()?;
        let present = |name: &&str| {
            self.files
                .keys()
                .any(|path| path.starts_with(&format!("usr/{name}/")))
        };
        let links: Vec<&str> = MERGED.iter().copied().filter(present).collect();
        for name in links {
            let link = Node::Symlink(format!("usr/{name}"));
            let link = own(name.to_owned(), 0o777, link);
            self.files.insert(name.to_owned(), link);
        }
        self.add_parents();
        let mut writer = FilesystemWriter::default();
        writer.set_compressor(FilesystemCompressor::new(Compressor::Gzip, None)?);
        writer.set_time(0);
        writer.set_root_mode(0o755);
        for (path, entry) in self.files {
            let header = NodeHeader {
                permissions: entry.owner.mode,
                uid: entry.owner.uid,
                gid: entry.owner.gid,
                mtime: entry.time,
            };
            match entry.node {
                Node::Directory => writer.push_dir(path, header)?,
                Node::File(bytes) => writer.push_file(Cursor::new(bytes), path, header)?,
                Node::Symlink(target) => writer.push_symlink(target, path, header)?,
                Node::Link(target) => return Err(RootError::NoTarget { path, target }),
            }
        }
        let mut image = Cursor::new(Vec::new());
        writer.write(&mut image)?;
        Ok(image.into_inner())
    }

    /// The database of dpkg, so that its queries work in the guest. No package was configured.
    fn record_packages(&mut self) -> Result<(), RootError> {
        let mut status = String::new();
        let controls = std::mem::take(&mut self.controls);
        for (name, control) in &controls {
            let (first, rest) = control.split_once('\n').unwrap_or((control, ""));
            let rest = rest.trim_end();
            status.extend([first, "\nStatus: install ok unpacked\n", rest, "\n\n"]);
            let list = self.lists.remove(name).unwrap_or_default();
            let lines: String = list.iter().flat_map(|path| ["/", path, "\n"]).collect();
            self.put(
                &format!("var/lib/dpkg/info/{name}.list"),
                0o644,
                &Contents::Text(lines),
            )?;
        }
        if !controls.is_empty() {
            self.put("var/lib/dpkg/status", 0o644, &Contents::Text(status))?;
        }
        Ok(())
    }

    /// Directories above files of our own.
    fn add_parents(&mut self) {
        let mut parents = BTreeSet::new();
        for path in self.files.keys() {
            let mut rest = path.as_str();
            while let Some((parent, _)) = rest.rsplit_once('/') {
                parents.insert(parent.to_owned());
                rest = parent;
            }
        }
        for path in parents {
            let directory = own(path.clone(), 0o755, Node::Directory);
            self.files.entry(path).or_insert(directory);
        }
    }

    fn leaves_out(&self, path: &str) -> bool {
        self.left_out
            .iter()
            .any(|directory| path.starts_with(directory))
            && !path.ends_with(COPYRIGHT)
    }

    /// The content of a file for a second name of it.
    fn content(&self, path: &str, target: &str) -> Result<Node, RootError> {
        match self.files.get(target).map(|entry| &entry.node) {
            Some(Node::File(bytes)) => Ok(Node::File(bytes.clone())),
            _ => Err(RootError::NoTarget {
                path: path.to_owned(),
                target: target.to_owned(),
            }),
        }
    }
}

/// A file of root that no package has.
fn own(path: String, mode: u16, node: Node) -> Entry {
    let owner = Owner {
        mode,
        uid: 0,
        gid: 0,
    };
    Entry {
        path,
        owner,
        time: 0,
        node,
    }
}

/// A path below one of the directories that moved into `usr`.
fn merged(path: &str) -> String {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    if MERGED.contains(&first) && !rest.is_empty() {
        return format!("usr/{path}");
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read as _};

    use backhand::{FilesystemReader, InnerNode};

    use super::*;
    use crate::deb::fixture::package;

    fn file(text: &str) -> Node {
        Node::File(text.as_bytes().to_vec())
    }

    /// The files of an image with their contents or targets.
    fn listing(image: Vec<u8>) -> BTreeMap<String, String> {
        let reader = FilesystemReader::from_reader(BufReader::new(Cursor::new(image))).unwrap();
        let shown = reader.files().map(|node| {
            let content = match &node.inner {
                InnerNode::File(file) => {
                    let mut text = String::new();
                    reader
                        .file(file)
                        .reader()
                        .read_to_string(&mut text)
                        .unwrap();
                    text
                }
                InnerNode::Symlink(link) => format!("-> {}", link.link.display()),
                InnerNode::Dir(_) => "directory".to_owned(),
                _ => "other".to_owned(),
            };
            (node.fullpath.display().to_string(), content)
        });
        shown.collect()
    }

    #[test]
    fn packages_and_own_files_make_an_image() {
        let mut root = Root::new(&["usr/share/doc".to_owned()]);
        let entries = [
            ("./bin/", Node::Directory),
            ("./bin/tool", file("program")),
            ("./bin/again", Node::Link("./bin/tool".to_owned())),
            ("./usr/share/doc/a/manual", file("long")),
            ("./usr/share/doc/a/copyright", file("licence")),
        ];
        root.add(&package("Package: a\nVersion: 1\n", &entries))
            .unwrap();
        root.put("/etc/hostname", 0o644, &Contents::Text("kiln\n".to_owned()))
            .unwrap();
        root.put("bin/copy", 0o755, &Contents::Copy("/bin/tool".to_owned()))
            .unwrap();
        let files = listing(root.image().unwrap());
        let expected = [
            ("/bin", "-> usr/bin"),
            ("/usr/bin/tool", "program"),
            ("/usr/bin/again", "program"),
            ("/usr/bin/copy", "program"),
            ("/usr/share/doc/a/copyright", "licence"),
            ("/etc/hostname", "kiln\n"),
            (
                "/var/lib/dpkg/status",
                "Package: a\nStatus: install ok unpacked\nVersion: 1\n\n",
            ),
        ];
        for (path, content) in expected {
            assert_eq!(files.get(path).map(String::as_str), Some(content), "{path}");
        }
        assert!(!files.contains_key("/usr/share/doc/a/manual"));
        assert!(!files.contains_key("/sbin"));
    }

    #[test]
    fn order_of_packages_does_not_change_the_image() {
        let one = package(
            "Package: a\n",
            &[("./usr/", Node::Directory), ("./usr/a", file("a"))],
        );
        let two = package(
            "Package: b\n",
            &[("./usr/", Node::Directory), ("./usr/b", file("b"))],
        );
        let image = |packages: [&[u8]; 2]| {
            let mut root = Root::new(&[]);
            for package in packages {
                root.add(package).unwrap();
            }
            root.image().unwrap()
        };
        assert_eq!(image([&one, &two]), image([&two, &one]));
    }

    #[test]
    fn two_packages_with_one_file_are_refused() {
        let one = package("Package: a\n", &[("./bin/x", file("a"))]);
        let two = package("Package: b\n", &[("./usr/bin/x", file("b"))]);
        let mut root = Root::new(&[]);
        root.add(&one).unwrap();
        let error = root.add(&two).unwrap_err().to_string();
        assert_eq!(error, "package `b` and another package have `/usr/bin/x`");
    }

    #[test]
    fn copy_of_a_missing_file_is_refused() {
        let error = Root::new(&[]).put("etc/passwd", 0o644, &Contents::Copy("x".to_owned()));
        let error = error.unwrap_err().to_string();
        assert_eq!(
            error,
            "`/etc/passwd` is to be a copy of `/x`, which is not a file of the image"
        );
    }
}
