//! Where a verification works: a place that is empty at its beginning and gone at its end, or a directory
//! that the user named, and in which it can go on.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use publish::verify::Promise;
use serde_json::{Value, json};
use store::{Store, Workspace};

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::render::quantity;
use crate::supply::store_failure;

/// Says of a directory what is verified in it.
const MARK: &str = "verify-release.json";

/// What a build needs is in proportion to the archives that it unpacks: measured, and rounded up.
const PER_SOURCE_BYTE: u64 = 25;

/// Where a verification works.
pub(super) struct Area {
    path: Utf8PathBuf,
    /// Gone when dropped; absent where the user named the directory.
    passing: Option<Workspace>,
    /// Whether an earlier run began here.
    begun: bool,
}

impl Area {
    /// The directory `keep`, or one in the store: there is the room that a build needs, and what a killed
    /// run leaves is swept.
    pub(super) fn open(
        context: &Context,
        keep: Option<&Utf8Path>,
        promise: &Promise,
    ) -> Result<Self, Failure> {
        let Some(keep) = keep else {
            let passing = context.store()?.workspace().map_err(store_failure)?;
            return Ok(Self {
                path: passing.path().to_owned(),
                passing: Some(passing),
                begun: false,
            });
        };
        let path = context.env.absolute(keep);
        let begun = begun(&path, promise)?;
        fs::create_dir_all(&path).map_err(|error| Failure::new(Exit::SetupMissing, error))?;
        Ok(Self {
            path,
            passing: None,
            begun,
        })
    }

    /// Says of a directory that is kept what is verified in it.
    pub(super) fn mark(&self, promise: &Promise) -> Result<(), Failure> {
        if self.passing.is_some() {
            return Ok(());
        }
        let mark = json!({"release": promise.release, "bundle": promise.facts.sha256});
        host::files::write(&self.join(MARK), format!("{mark}\n").as_bytes())
            .map_err(|error| Failure::new(Exit::SetupMissing, error))
    }

    /// A directory in it.
    pub(super) fn join(&self, name: &str) -> Utf8PathBuf {
        self.path.join(name)
    }

    /// The store of what the release consists of; what the build makes has another.
    pub(super) fn published(&self) -> Result<Store, Failure> {
        Store::open(&self.join("published")).map_err(store_failure)
    }

    /// Fails when there is not the room for all that is to come.
    pub(super) fn check_room(&self, promise: &Promise, no_build: bool) -> Result<(), Failure> {
        if self.begun {
            return Ok(());
        }
        let free = host::files::free_space(&self.path)
            .map_err(|error| Failure::new(Exit::SetupMissing, error))?;
        let needed = needed(promise, no_build);
        if free >= needed {
            return Ok(());
        }
        let error = anyhow::anyhow!(
            "verifying {} takes {} in `{}`, where {} are free",
            promise.release,
            quantity::bytes(needed),
            self.path,
            quantity::bytes(free)
        );
        let hint = "give --keep DIR, or set KILN_STORE, on a larger file system";
        Err(Failure::new(Exit::SetupMissing, error).hint(hint.to_owned()))
    }

    /// What helps where the release is not what its source gives.
    pub(super) fn hint(&self) -> String {
        match &self.passing {
            None => format!("both are in `{}`", self.path),
            Some(_) => "give --keep DIR to have both at hand afterwards".to_owned(),
        }
    }

    /// What helps where the build did not come to its end.
    pub(super) fn unfinished(&self) -> String {
        match &self.passing {
            None => format!("what was built so far is in `{}`", self.path),
            Some(_) => "give --keep DIR to look at what was built so far".to_owned(),
        }
    }

    /// Says where what was kept is.
    pub(super) fn told(&self) {
        if self.passing.is_none() {
            output::note(format!("bundle and images were kept in `{}`", self.path));
        }
    }
}

/// Bytes that a verification writes: the bundle, packed and unpacked, and what its archives become.
fn needed(promise: &Promise, no_build: bool) -> u64 {
    let bundle = promise.facts.size.saturating_mul(2);
    let sources = promise.sources.values().map(|source| source.size);
    let sources = sources.fold(0, u64::saturating_add);
    let build = if no_build { 0 } else { PER_SOURCE_BYTE };
    bundle.saturating_add(sources.saturating_mul(build))
}

/// Whether this release was begun in the directory; one with anything else in it is refused.
fn begun(path: &Utf8Path, promise: &Promise) -> Result<bool, Failure> {
    let refused = |why: String| {
        let hint = "give --keep an empty directory, or one that does not exist".to_owned();
        Err(Failure::new(Exit::Usage, anyhow::anyhow!(why)).hint(hint))
    };
    if path.is_file() {
        return refused(format!("`{path}` is no directory"));
    }
    let mark = host::files::read(&path.join(MARK)).ok();
    let mark: Option<Value> = mark.and_then(|text| serde_json::from_slice(&text).ok());
    match mark {
        Some(mark) if mark["bundle"] == json!(promise.facts.sha256) => Ok(true),
        Some(mark) => refused(format!(
            "`{path}` holds the verification of another release, {}",
            mark["release"].as_str().unwrap_or("unnamed")
        )),
        None => {
            let listing = path.read_dir_utf8();
            let empty = listing.is_ok_and(|mut listing| listing.next().is_none());
            if path.exists() && !empty {
                return refused(format!(
                    "`{path}` is not empty, and no verification of ours"
                ));
            }
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plan::digest::Digest;
    use plan::lock::LockedFile;

    use super::*;

    fn promise(sources: u64) -> Promise {
        let file = |size| LockedFile {
            size,
            sha256: Digest::of(b""),
        };
        Promise {
            release: "kiln-1".to_owned(),
            images: BTreeMap::new(),
            sources: BTreeMap::from([("a.tar".to_owned(), file(sources))]),
            bundle: "kiln-1-source.tar".to_owned(),
            facts: file(1000),
        }
    }

    #[test]
    fn room_is_asked_for_bundle_and_build_and_named_where_it_is_short() {
        assert_eq!(needed(&promise(10), true), 2000);
        assert_eq!(needed(&promise(10), false), 2000 + 10 * PER_SOURCE_BYTE);
        assert_eq!(needed(&promise(u64::MAX), false), u64::MAX);
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        let mut area = Area {
            path: path.clone(),
            passing: None,
            begun: false,
        };
        let failure = area.check_room(&promise(u64::MAX), false).unwrap_err();
        let text = failure.error.to_string();
        let wanted = format!("verifying kiln-1 takes 18446744.0 TB in `{path}`, where ");
        assert!(text.starts_with(&wanted), "{text}");
        area.begun = true;
        assert!(area.check_room(&promise(u64::MAX), false).is_ok());
    }
}
