//! Finds unreferenced files: from other processes, or left by a killed publisher.

use plan::digest::Digest;

use super::{Defect, Walk, is_folder};
use crate::perform::INDEX;
use crate::release::SUMS;
use crate::tree_reader::ReadError;

/// Files in the base of every tree.
const BASE: [&str; 3] = [INDEX, "index.html", "oci-layout"];

impl Walk<'_> {
    /// Checks each unreferenced file. In the folder of a release it is a finding. A blob must match
    /// its name. A web server cannot list its files.
    pub(super) fn strays(&mut self) -> Result<(), ReadError> {
        for path in self.place.files()?.unwrap_or_default() {
            let (folder, file) = path.split_once('/').unwrap_or(("", &path));
            let known = match folder {
                "" => BASE.contains(&file),
                "signatures" => file.ends_with(".minisig"),
                _ => file.starts_with(SUMS) && is_folder(folder),
            };
            let unfinished = self.report.unfinished.iter().any(|name| name == folder);
            if known || unfinished || self.named.contains(&path) {
                continue;
            }
            if is_folder(folder) {
                self.report(&path, Defect::Unlisted);
                continue;
            }
            let named = path.strip_prefix("blobs/sha256/");
            if let Some(wanted) = named.and_then(|name| name.parse::<Digest>().ok()) {
                let size = u64::MAX - 1;
                let found = self.expect_file(&path, self.place.digest(&path, size))?;
                match found {
                    Some((_, is)) if is != wanted => {
                        self.report(&path, Defect::Differs { is, wanted });
                        continue;
                    }
                    _ => {}
                }
            }
            self.report.strays.push(path);
        }
        Ok(())
    }
}
