//! The contents of a package: an `ar` archive with `control.tar` and `data.tar` (deb(5)).

use std::io::{self, Read};

use tar::EntryType;

/// The contents of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deb {
    /// The control file.
    pub(crate) control: String,
    /// Its files in the order of the archive.
    pub(crate) entries: Vec<Entry>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The path, relative to the root directory.
    pub(crate) path: String,
    /// Permissions and owner.
    pub(crate) owner: Owner,
    /// Time of the last change in seconds since 1970.
    pub(crate) time: u32,
    /// Its type and content.
    pub(crate) node: Node,
}

/// Permissions and owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Permission bits.
    pub(crate) mode: u16,
    /// User.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
}

/// The type and content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A directory.
    Directory,
    /// A file with these bytes.
    File(Vec<u8>),
    /// A symbolic link to this target.
    Symlink(String),
    /// Another name of the file at this path.
    Link(String),
}

/// A file that is not a package.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It is not an `ar` archive, or it ends early.
    #[error("not a Debian package: the `ar` archive is damaged")]
    Archive,
    /// A member is missing.
    #[error("not a Debian package: it has no `{0}`")]
    Member(&'static str),
    /// A member is compressed in another way.
    #[error("`{0}` is neither plain nor compressed with gzip or xz")]
    Compression(String),
    /// A path leaves the root directory.
    #[error("the package has a file with the path `{0}`")]
    Path(String),
    /// A file of an unexpected type.
    #[error("`{0}` is neither a file nor a directory nor a link")]
    Type(String),
    /// A member cannot be unpacked.
    #[error("failed to unpack the package: {0}")]
    Io(#[from] io::Error),
}

impl Deb {
    /// Reads a package.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DebError> {
        let mut control = None;
        let mut entries = None;
        for (name, content) in members(bytes)? {
            if name.starts_with("control.tar") {
                control = Some(control_file(unpacked(&name, content)?)?);
            } else if name.starts_with("data.tar") {
                entries = Some(files(unpacked(&name, content)?)?);
            }
        }
        Ok(Self {
            control: control.ok_or(DebError::Member("control.tar"))?,
            entries: entries.ok_or(DebError::Member("data.tar"))?,
        })
    }
}

/// The members of an `ar` archive.
fn members(bytes: &[u8]) -> Result<Vec<(String, &[u8])>, DebError> {
    let mut rest = bytes.strip_prefix(b"!<arch>\n").ok_or(DebError::Archive)?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (header, behind) = rest.split_at_checked(60).ok_or(DebError::Archive)?;
        let text = |range| str::from_utf8(&header[range]).map(|text: &str| text.trim_end());
        let name = text(0..16).map_err(|_| DebError::Archive)?;
        let size = text(48..58).ok().and_then(|size| size.parse().ok());
        let size: usize = size
            .filter(|_| header.ends_with(b"`\n"))
            .ok_or(DebError::Archive)?;
        let (content, behind) = behind.split_at_checked(size).ok_or(DebError::Archive)?;
        members.push((name.trim_end_matches('/').to_owned(), content));
        // Members begin at even offsets.
        rest = behind.get(size % 2..).unwrap_or_default();
    }
    Ok(members)
}

fn unpacked<'a>(name: &str, content: &'a [u8]) -> Result<Box<dyn Read + 'a>, DebError> {
    let suffix = name.split_once(".tar").map_or("", |(_, suffix)| suffix);
    match suffix {
        "" => Ok(Box::new(content)),
        ".gz" => Ok(Box::new(flate2::read::GzDecoder::new(content))),
        ".xz" => Ok(Box::new(liblzma::read::XzDecoder::new(content))),
        _ => Err(DebError::Compression(name.to_owned())),
    }
}

fn control_file(tar: impl Read) -> Result<String, DebError> {
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        if relative(&entry.path_bytes())?.as_deref() == Some("control") {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            return Ok(text);
        }
    }
    Err(DebError::Member("control"))
}

fn files(tar: impl Read) -> Result<Vec<Entry>, DebError> {
    let mut entries = Vec::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        let Some(path) = relative(&entry.path_bytes())? else {
            continue;
        };
        let target = entry.link_name_bytes();
        let target = target.map(|target| String::from_utf8_lossy(&target).into_owned());
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode()?);
        let owner = Owner {
            mode: u16::try_from(mode & 0o7777).unwrap_or_default(),
            uid: id(header.uid()?)?,
            gid: id(header.gid()?)?,
        };
        let time = u32::try_from(header.mtime()?).unwrap_or(u32::MAX);
        let node = match (kind, target) {
            (EntryType::Directory, _) => Node::Directory,
            (EntryType::Regular | EntryType::Continuous, _) => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                Node::File(bytes)
            }
            (EntryType::Symlink, Some(target)) => Node::Symlink(target),
            (EntryType::Link, Some(target)) => {
                let target = relative(target.as_bytes())?;
                Node::Link(target.ok_or_else(|| DebError::Path("/".to_owned()))?)
            }
            _ => return Err(DebError::Type(path)),
        };
        entries.push(Entry {
            path,
            owner,
            time,
            node,
        });
    }
    Ok(entries)
}

fn id(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(io::Error::other)
}

/// A path without a leading `./`. `None` for the root directory.
fn relative(path: &[u8]) -> Result<Option<String>, DebError> {
    let invalid = || DebError::Path(String::from_utf8_lossy(path).into_owned());
    let text = str::from_utf8(path).map_err(|_| invalid())?;
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if text.starts_with('/') || parts.contains(&"..") {
        return Err(invalid());
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// Packages for tests.
#[cfg(test)]
pub(crate) mod fixture {
    use std::io::Write as _;

    use super::*;

    /// A package with a control file and some entries: path and node.
    pub(crate) fn package(control: &str, entries: &[(&str, Node)]) -> Vec<u8> {
        let control = archive(&[("./control", Node::File(control.as_bytes().to_vec()))]);
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(&archive(entries)).unwrap();
        ar(&[
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar", control),
            ("data.tar.xz", xz.finish().unwrap()),
        ])
    }

    pub(crate) fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, content) in members {
            writeln!(
                bytes,
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
                0,
                0,
                0,
                100_644,
                content.len()
            )
            .unwrap();
            bytes.extend(content);
            if content.len() % 2 == 1 {
                bytes.push(b'\n');
            }
        }
        bytes
    }

    fn archive(entries: &[(&str, Node)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, node) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(1000);
            header.set_size(0);
            let mut content: &[u8] = &[];
            match node {
                Node::Directory => header.set_entry_type(EntryType::Directory),
                Node::File(bytes) => {
                    header.set_size(bytes.len() as u64);
                    content = bytes;
                }
                Node::Symlink(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_link_name_literal(target).unwrap();
                }
                Node::Link(target) => {
                    header.set_entry_type(EntryType::Link);
                    header.set_link_name_literal(target).unwrap();
                }
            }
            // `set_path` refuses the paths that tests need.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, content).unwrap();
        }
        tar.into_inner().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{ar, package};
    use super::*;

    #[test]
    fn package_is_read_with_all_kinds_of_files() {
        let entries = [
            ("./", Node::Directory),
            ("./usr/bin/", Node::Directory),
            ("./usr/bin/a", Node::File(b"bytes".to_vec())),
            ("./usr/bin/b", Node::Symlink("../a".to_owned())),
            ("./usr/bin/c", Node::Link("./usr/bin/a".to_owned())),
        ];
        let deb = Deb::read(&package("Package: a\n", &entries)).unwrap();
        assert_eq!(deb.control, "Package: a\n");
        let read: Vec<(&str, &Node)> = deb
            .entries
            .iter()
            .map(|one| (one.path.as_str(), &one.node))
            .collect();
        assert_eq!(read[0], ("usr/bin", &Node::Directory));
        assert_eq!(read[1], ("usr/bin/a", &Node::File(b"bytes".to_vec())));
        assert_eq!(read[2], ("usr/bin/b", &Node::Symlink("../a".to_owned())));
        assert_eq!(read[3], ("usr/bin/c", &Node::Link("usr/bin/a".to_owned())));
        assert_eq!(
            (deb.entries[1].owner.mode, deb.entries[1].time),
            (0o755, 1000)
        );
    }

    #[test]
    fn damaged_and_hostile_packages_are_refused() {
        let error = |bytes: &[u8]| Deb::read(bytes).unwrap_err().to_string();
        assert_eq!(
            error(b"PK"),
            "not a Debian package: the `ar` archive is damaged"
        );
        let whole = package("Package: a\n", &[]);
        assert_eq!(
            error(&whole[..whole.len() - 1]),
            "not a Debian package: the `ar` archive is damaged"
        );
        let data = ar(&[("data.tar.zst", Vec::new())]);
        assert_eq!(
            error(&data),
            "`data.tar.zst` is neither plain nor compressed with gzip or xz"
        );
        assert_eq!(
            error(&ar(&[])),
            "not a Debian package: it has no `control.tar`"
        );
        for path in ["../etc/passwd", "/etc/passwd", "a/../../b"] {
            let hostile = package("Package: a\n", &[(path, Node::File(Vec::new()))]);
            assert_eq!(
                error(&hostile),
                format!("the package has a file with the path `{path}`")
            );
        }
    }
}
