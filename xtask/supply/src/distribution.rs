//! The root file system of guests with Debian: which packages it has now, and the image of a lock.

use std::collections::{BTreeMap, BTreeSet};

use debian::{Contents, Index, IndexError, Package, ResolveError, Root, RootError};
use fetch::{FetchError, Remotes, discover};
use fs_err as fs;
use host::process::ProcessError;
use plan::bump::Candidate;
use plan::digest::Digest;
use plan::distribution::{Distribution, DistributionEntry, DistributionLock, LockedPackage};
use plan::lock::LockedFile;
use plan::source::{Location, SourcePin};
use store::{Store, StoreError, Verified};

use crate::error::SupplyError;
use crate::images::Supplier;
use crate::signature::{debian_keys, signed_text};

/// Why an image of Debian was not made.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// Files could not be fetched.
    #[error(transparent)]
    Supply(#[from] SupplyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the store cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The signature of the release is not valid.
    #[error("the signature of Debian's `{file}` is not valid")]
    Signature {
        /// The signed file.
        file: String,
        /// The answer of gpgv.
        source: ProcessError,
    },
    /// The release does not list the index.
    #[error("Debian's release `{suite}` has no index `{index}`")]
    NoIndex {
        /// The release.
        suite: String,
        /// The path of the index in it.
        index: String,
    },
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The packages cannot be installed together.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// A package has no file system.
    #[error("failed to unpack package `{package}`: {source}")]
    Unpack {
        /// The package.
        package: String,
        /// The error.
        source: RootError,
    },
    /// The file system cannot be written.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The packages make another image than the lock says.
    #[error(
        "the packages of the lock make another image: expected sha256 {expected}, found {found}"
    )]
    Differs {
        /// The digest in the lock.
        expected: Digest,
        /// The digest of the image.
        found: Digest,
    },
}

impl From<FetchError> for DistributionError {
    fn from(error: FetchError) -> Self {
        Self::Supply(error.into())
    }
}

impl DistributionError {
    /// The command that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Supply(SupplyError::Fetch(error)) => fetch_hint(error),
            Self::Supply(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Signature { .. } => {
                Some(format!("update debian-archive-keyring, or {OTHER_MIRROR}"))
            }
            Self::Differs { .. } => Some(RELOCK.to_owned()),
            _ => None,
        }
    }
}

const OTHER_MIRROR: &str = "set another mirror with --debian-mirror URL or KILN_DEBIAN_MIRROR";
const RELOCK: &str = "cargo xtask images --image debian --relock";

/// The command that fixes a failed download of files of Debian.
fn fetch_hint(error: &FetchError) -> Option<String> {
    let is_absent = |error: &FetchError| match error {
        FetchError::AllFailed { tries, .. } => {
            !tries.is_empty() && tries.iter().all(|one| one.hint.is_none())
        }
        _ => false,
    };
    match error {
        FetchError::Offline(_) => {
            Some("with a network: cargo xtask images --image debian".to_owned())
        }
        FetchError::NotFound { .. } => Some(OTHER_MIRROR.to_owned()),
        FetchError::Several { failed, .. } if failed.iter().all(is_absent) => Some(format!(
            "{OTHER_MIRROR}, or lock the present versions: {RELOCK}"
        )),
        error => error.hint(),
    }
}

/// A new lock.
#[derive(Debug)]
pub struct Relocked {
    /// The lock.
    pub lock: DistributionLock,
    /// Whether Debian's signature was checked, which needs gpgv and Debian's keys on this host.
    pub is_signed: bool,
}

impl Supplier<'_> {
    /// Locks the present versions of the packages of an image, and of the packages that tests need
    /// in addition. `architecture` is Debian's name. Puts the image into the store.
    pub fn relock_distribution(
        &self,
        architecture: &str,
        settings: &Distribution,
        more: &BTreeSet<String>,
    ) -> Result<Relocked, DistributionError> {
        let (index, is_signed) = self.index(&settings.suite, architecture)?;
        let more: Vec<String> = more.iter().cloned().collect();
        let requested = [settings.packages.as_slice(), &more].concat();
        let selected = debian::resolve(&index, &requested)?;
        let pins: Vec<SourcePin> = selected.iter().map(|package| pin(package, None)).collect();
        self.fetch_pins(&pins)?;
        let mut packages = BTreeMap::new();
        for package in selected {
            let blob = self.package(&pin(package, None))?;
            let snapshot = debian::snapshot_location(&fs::read(blob.path())?);
            let locked = LockedPackage {
                version: package.version.clone(),
                pin: pin(package, Some(snapshot)),
            };
            packages.insert(package.name.clone(), locked);
        }
        let (size, sha256) = self.assemble(settings, &packages)?;
        let lock = DistributionLock {
            settings: settings.digest(),
            image: LockedFile { size, sha256 },
            packages,
        };
        Ok(Relocked { lock, is_signed })
    }

    /// The image of a lock, from the store or made of its packages.
    pub fn distribution(
        &self,
        settings: &Distribution,
        lock: &DistributionLock,
    ) -> Result<Verified, DistributionError> {
        if let Some(image) = self.store.blob(&lock.image.sha256)? {
            return Ok(image);
        }
        let pins: Vec<SourcePin> = lock
            .packages
            .values()
            .map(|package| package.pin.clone())
            .collect();
        self.fetch_pins(&pins)?;
        let (_, found) = self.assemble(settings, &lock.packages)?;
        let image = self.store.blob(&lock.image.sha256)?;
        image.ok_or(DistributionError::Differs {
            expected: lock.image.sha256,
            found,
        })
    }

    /// The packages of a release now, and whether its signature was checked.
    fn index(&self, suite: &str, architecture: &str) -> Result<(Index, bool), DistributionError> {
        let remotes = self.remotes()?;
        let path = format!("dists/{suite}/InRelease");
        let candidate = Candidate {
            file: "InRelease".to_owned(),
            inner: None,
            locations: vec![Some(Location::Debian(path.clone()))],
        };
        let found = discover(&self.store, &candidate, suite, &remotes)?;
        let release = self.store.blob_path(&found.sha256);
        let keys = debian_keys();
        let text = match keys {
            Some(keys) => signed_text(keys, &release)
                .map_err(|source| DistributionError::Signature { file: path, source })?,
            None => fs::read_to_string(&release)?,
        };
        let index = format!("main/binary-{architecture}/Packages.xz");
        let pin = debian::digest_in_release(&text, &index);
        let (size, sha256) = pin.ok_or_else(|| DistributionError::NoIndex {
            suite: suite.to_owned(),
            index: index.clone(),
        })?;
        let pin = SourcePin {
            file: "Packages.xz".to_owned(),
            size,
            sha256,
            locations: vec![Location::Debian(format!("dists/{suite}/{index}"))],
        };
        self.fetch_pins(std::slice::from_ref(&pin))?;
        let index = fs::read(self.package(&pin)?.path())?;
        Ok((Index::parse(&debian::unpack_xz(&index)?)?, keys.is_some()))
    }

    fn fetch_pins(&self, pins: &[SourcePin]) -> Result<(), DistributionError> {
        let failed = self.fetch_files(pins)?;
        if failed.is_empty() {
            return Ok(());
        }
        let wanted = pins.len();
        Err(FetchError::Several { wanted, failed }.into())
    }

    /// A file that was fetched, from the store.
    fn package(&self, pin: &SourcePin) -> Result<Verified, DistributionError> {
        let offline = Remotes::offline();
        Ok(fetch::fetch(&self.store, pin, &offline, &mut |_| {})?)
    }

    /// Makes an image and puts it into the store. Returns its length and SHA-256.
    fn assemble(
        &self,
        settings: &Distribution,
        packages: &BTreeMap<String, LockedPackage>,
    ) -> Result<(u64, Digest), DistributionError> {
        let mut root = Root::new(&settings.left_out);
        for (name, package) in packages {
            let bytes = fs::read(self.package(&package.pin)?.path())?;
            root.add(&bytes)
                .map_err(|source| DistributionError::Unpack {
                    package: name.clone(),
                    source,
                })?;
        }
        for entry in &settings.entry {
            root.put(&entry.path, entry.mode(), &contents(entry))?;
        }
        store_bytes(&self.store, &root.image()?)
    }
}

/// Puts bytes into the store.
fn store_bytes(store: &Store, bytes: &[u8]) -> Result<(u64, Digest), DistributionError> {
    let area = store.workspace()?;
    let file = area.path().join("image");
    fs::write(&file, bytes)
        .map_err(|error| StoreError::io(store.root(), error).needing(bytes.len() as u64))?;
    let digest = Digest::of(bytes);
    store.adopt(&file, &digest)?;
    Ok((bytes.len() as u64, digest))
}

fn pin(package: &Package, snapshot: Option<Location>) -> SourcePin {
    let file = package.path.rsplit('/').next().unwrap_or(&package.path);
    SourcePin {
        file: file.to_owned(),
        size: package.size,
        sha256: package.sha256,
        locations: [Location::Debian(package.path.clone())]
            .into_iter()
            .chain(snapshot)
            .collect(),
    }
}

fn contents(entry: &DistributionEntry) -> Contents {
    let DistributionEntry {
        text,
        symlink,
        copy,
        ..
    } = entry;
    let text = text.clone().map(Contents::Text);
    let symlink = || symlink.clone().map(Contents::Symlink);
    let copy = || copy.clone().map(Contents::Copy);
    text.or_else(symlink)
        .or_else(copy)
        .unwrap_or(Contents::Directory)
}
