//! The order in which the directories of a tree are filled. Many file systems list the names of a
//! directory in an order that depends on it. A build whose output depends on that order is not
//! reproducible.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

/// The directory for the names while a directory is filled again. An archive cannot contain this
/// name.
const WAITING: &str = "\u{1}waiting";

/// An order of the names of every directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The order of the archive.
    #[default]
    Archive,
    /// A pseudo-random order.
    Shuffled(u64),
}

impl Order {
    /// Fills every directory of a tree again in this order. Files keep their content and times,
    /// directories get new times.
    pub(crate) fn fill(self, root: &Utf8Path) -> io::Result<()> {
        let Self::Shuffled(seed) = self else {
            return Ok(());
        };
        let mut open = vec![root.to_owned()];
        while let Some(directory) = open.pop() {
            let waiting = directory.join(WAITING);
            fs::create_dir(&waiting)?;
            for (_, name) in shuffled(seed, root, &directory)? {
                fs::rename(directory.join(&name), waiting.join(&name))?;
            }
            // The directory is empty now, so it is filled from the start.
            for (_, name) in shuffled(seed, root, &waiting)? {
                let path = directory.join(&name);
                fs::rename(waiting.join(&name), &path)?;
                if path.symlink_metadata()?.is_dir() {
                    open.push(path);
                }
            }
            fs::remove_dir(&waiting)?;
        }
        Ok(())
    }
}

/// The names of a directory in the order of a hash of seed and path.
fn shuffled(
    seed: u64,
    root: &Utf8Path,
    directory: &Utf8Path,
) -> io::Result<Vec<([u8; 32], String)>> {
    let mut names = Vec::new();
    for entry in directory.read_dir_utf8()? {
        let path: Utf8PathBuf = entry?.into_path();
        let name = path.file_name().unwrap_or_default();
        if name == WAITING {
            continue;
        }
        let below = path.strip_prefix(root).unwrap_or(&path);
        let mut hasher = Sha256::new();
        hasher.update(seed.to_le_bytes());
        hasher.update(below.as_str());
        names.push((hasher.finalize().into(), name.to_owned()));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_decides_order_and_keeps_content() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(scratch.path()).unwrap();
        fs::create_dir(root.join("sub")).unwrap();
        for number in 0..20 {
            fs::write(root.join(format!("sub/{number}")), number.to_string()).unwrap();
        }
        let sub = root.join("sub");
        let order = |seed| {
            let names = shuffled(seed, root, &sub).unwrap();
            names.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let time = |name: &str| fs::metadata(sub.join(name)).unwrap().modified().unwrap();
        let before = time("7");
        let epoch = std::time::SystemTime::UNIX_EPOCH;
        let folder = fs::File::open(&sub).unwrap();
        folder.file().set_modified(epoch).unwrap();
        Order::Shuffled(1).fill(root).unwrap();
        // Subdirectories too. The resulting order depends on the file system.
        assert_ne!(fs::metadata(&sub).unwrap().modified().unwrap(), epoch);
        assert_eq!(fs::read_to_string(sub.join("7")).unwrap(), "7");
        assert_eq!((time("7"), order(1).len()), (before, 20));
        assert!(!root.join(WAITING).exists());
    }
}
