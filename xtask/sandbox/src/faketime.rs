//! A clock that is ahead, for the scripts of a build that is compared with another one.
//!
//! A script's environment is part of the key, so this uses files instead: the sandbox shows the
//! files that make every dynamically linked program load libfaketime and configure it (ld.so(8),
//! `/etc/ld.so.preload`; libfaketime's README, `/etc/faketimerc`). This affects programs of the
//! toolchains under construction too. Static programs see the real time.

use camino::{Utf8Path, Utf8PathBuf};

use crate::root::below;

/// The files of the clock in a work area, and their paths in the sandbox.
const FILES: [(&str, &str); 2] = [
    ("ld.so.preload", "/etc/ld.so.preload"),
    ("faketimerc", "/etc/faketimerc"),
];

/// A clock that is ahead of the real one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockAhead {
    /// The path of libfaketime in the sandbox.
    pub library: Utf8PathBuf,
    /// The offset in days.
    pub days: u32,
}

impl ClockAhead {
    /// Creates such a clock if the root has libfaketime.
    #[must_use]
    pub fn find(root: &Utf8Path, days: u32) -> Option<Self> {
        let mut homes = vec![
            Utf8PathBuf::from("/usr/lib"),
            Utf8PathBuf::from("/usr/lib64"),
        ];
        let triplets = below(root, &homes[0]).read_dir_utf8().ok()?;
        homes.extend(triplets.flatten().filter_map(|entry| {
            let is_triplet = entry.file_name().contains("-linux-");
            is_triplet.then(|| Utf8Path::new("/usr/lib").join(entry.file_name()))
        }));
        homes.sort();
        let libraries = homes
            .into_iter()
            .map(|home| home.join("faketime/libfaketime.so.1"));
        libraries
            .into_iter()
            .find(|library| below(root, library).is_file())
            .map(|library| Self { library, days })
    }

    /// The files that a work area needs, with their contents.
    #[must_use]
    pub fn files(&self) -> [(&'static str, String); 2] {
        let contents = [format!("{}\n", self.library), format!("+{}d\n", self.days)];
        let mut names = FILES.iter().map(|(name, _)| *name);
        contents.map(|content| (names.next().unwrap_or_default(), content))
    }

    /// The files of a work area that the sandbox shows.
    pub(super) fn shown(work: &Utf8Path) -> impl Iterator<Item = (Utf8PathBuf, &'static str)> {
        FILES
            .iter()
            .map(move |(name, inside)| (work.join(name), *inside))
    }
}
