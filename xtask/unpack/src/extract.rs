//! Writes the entries of a tar stream. It parses extended headers itself, so that an archive has
//! only one interpretation, and passes only names that `names` has cleaned to the file system.

use std::collections::HashMap;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::{OpenOptionsExt as _, symlink};
use host::interrupt;
use tar::{EntryType, PaxExtensions};

use crate::error::{Excess, Refusal, UnpackError};
use crate::names::{Kind, Names, clean};
use crate::stream::Limits;
use store::StoreError;

/// Maximum length of an extended header in bytes.
const EXTENSION: u64 = 64 * 1024;
/// Entries between two reports of progress.
const PROGRESS: u64 = 1000;

/// What to unpack, and where.
pub(crate) struct Job<'a> {
    /// Name of the archive, for messages.
    pub(crate) file: &'a str,
    /// The empty directory that becomes the tree.
    pub(crate) root: &'a Utf8Path,
    /// Number of leading components to drop.
    pub(crate) strip: usize,
    pub(crate) limits: &'a Limits,
    /// Called with the number of entries from time to time.
    pub(crate) progress: &'a mut dyn FnMut(u64),
}

/// Modification times of the archive's directories.
#[derive(Debug)]
pub(crate) struct Times {
    directories: HashMap<String, SystemTime>,
    newest: SystemTime,
}

impl Times {
    /// Times of an archive without entries for directories.
    #[cfg(test)]
    pub(crate) fn new(seconds: u64) -> Self {
        let newest = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Self {
            directories: HashMap::new(),
            newest,
        }
    }

    /// The time of a directory, else that of the archive's newest entry.
    pub(crate) fn of(&self, directory: &str) -> SystemTime {
        self.directories
            .get(directory)
            .copied()
            .unwrap_or(self.newest)
    }

    /// Sets the times of the directories, which every file created in them has changed.
    pub(crate) fn restore(&self, root: &Utf8Path) -> io::Result<()> {
        for (directory, time) in &self.directories {
            fs::File::open(root.join(directory))?.set_modified(*time)?;
        }
        Ok(())
    }
}

/// Extended headers until the entry that they describe.
#[derive(Default)]
struct Pending {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.link.is_none() && self.pax.is_none()
    }
}

/// One entry with the data of all its headers.
struct Item {
    raw_name: Vec<u8>,
    raw_link: Vec<u8>,
    kind: EntryType,
    size: u64,
    mode: u32,
    time: SystemTime,
}

/// Writes the entries of a tar stream below the job's root.
pub(crate) fn extract(job: &mut Job<'_>, bytes: &mut dyn Read) -> Result<Times, UnpackError> {
    let mut names = Names::new(job.limits.case_sensitive);
    let mut times = Times {
        directories: HashMap::new(),
        newest: SystemTime::UNIX_EPOCH,
    };
    let mut pending = Pending::default();
    let mut buffer = vec![0; 256 * 1024];
    let broken = |source| UnpackError::Broken {
        file: job.file.to_owned(),
        source,
    };
    let mut archive = tar::Archive::new(bytes);
    let mut count = 0;
    for entry in archive.entries().map_err(broken)?.raw(true) {
        interrupt::check().map_err(StoreError::from)?;
        let mut entry = entry.map_err(broken)?;
        count += 1;
        // A long name creates hundreds of directories, which take as much space as files.
        if count.max(names.count()) > job.limits.entries {
            return Err(too_many(job));
        }
        if count % PROGRESS == 0 {
            (job.progress)(count);
        }
        if extension(job, &mut pending, &mut entry)? {
            continue;
        }
        let item = describe(job, std::mem::take(&mut pending), &entry)?;
        times.newest = times.newest.max(item.time);
        write_entry(job, &mut names, &mut times, &item, &mut entry, &mut buffer)?;
    }
    if !pending.is_empty() {
        return Err(refuse(job, b"", Refusal::Extension));
    }
    if names.count() > job.limits.entries {
        return Err(too_many(job));
    }
    only_zeros(job, archive.into_inner(), &mut buffer)?;
    let links = names
        .links()
        .map_err(|(name, why)| refuse(job, name.as_bytes(), why))?;
    for (name, target) in links {
        symlink(target, job.root.join(name)).map_err(UnpackError::Write)?;
    }
    Ok(times)
}

/// Records an extended header for the next entry. Returns whether it was one.
fn extension<R: Read>(
    job: &Job<'_>,
    pending: &mut Pending,
    entry: &mut tar::Entry<'_, R>,
) -> Result<bool, UnpackError> {
    let kind = entry.header().entry_type();
    let slot = match kind {
        EntryType::GNULongName => &mut pending.name,
        EntryType::GNULongLink => &mut pending.link,
        EntryType::XHeader => &mut pending.pax,
        EntryType::XGlobalHeader => &mut None,
        _ => return Ok(false),
    };
    let refused = |why| refuse(job, &entry.header().path_bytes(), why);
    if slot.is_some() || entry.size() > EXTENSION {
        return Err(refused(Refusal::Extension));
    }
    let mut text = Vec::new();
    let size = entry.size();
    entry
        .read_to_end(&mut text)
        .map_err(|source| UnpackError::Broken {
            file: job.file.to_owned(),
            source,
        })?;
    let refused = |why| refuse(job, &entry.header().path_bytes(), why);
    if text.len() as u64 != size {
        return Err(refused(Refusal::Extension));
    }
    match kind {
        EntryType::GNULongName | EntryType::GNULongLink => {
            while text.last() == Some(&0) {
                text.pop();
            }
        }
        // `git archive` records the commit. Any other global header would change the following
        // entries.
        EntryType::XGlobalHeader => {
            let harmless = PaxExtensions::new(&text)
                .all(|record| record.is_ok_and(|record| record.key_bytes() == b"comment"));
            if !harmless {
                return Err(refused(Refusal::Kind(
                    "a global extended header".to_owned(),
                )));
            }
        }
        _ => {}
    }
    *slot = Some(text);
    Ok(true)
}

/// Combines the headers of an entry.
fn describe<R: Read>(
    job: &Job<'_>,
    pending: Pending,
    entry: &tar::Entry<'_, R>,
) -> Result<Item, UnpackError> {
    let header = entry.header();
    let broken = |source| UnpackError::Broken {
        file: job.file.to_owned(),
        source,
    };
    let mut raw_name = header.path_bytes().into_owned();
    let mut raw_link = header.link_name_bytes().unwrap_or_default().into_owned();
    let size = header.entry_size().map_err(broken)?;
    let mut other_size = None;
    for record in PaxExtensions::new(pending.pax.as_deref().unwrap_or_default()) {
        let record = record.map_err(broken)?;
        match record.key_bytes() {
            b"path" => record.value_bytes().clone_into(&mut raw_name),
            b"linkpath" => record.value_bytes().clone_into(&mut raw_link),
            b"size" => {
                let size = record.value().ok().and_then(|text| text.parse().ok());
                other_size = Some(size.ok_or_else(|| refuse(job, &raw_name, Refusal::Extension))?);
            }
            key if key.starts_with(b"GNU.sparse") => {
                return Err(refuse(
                    job,
                    &raw_name,
                    Refusal::Kind("a sparse file".to_owned()),
                ));
            }
            _ => {}
        }
    }
    raw_name = pending.name.unwrap_or(raw_name);
    raw_link = pending.link.unwrap_or(raw_link);
    if let Some(extension) = other_size.filter(|other| *other != size) {
        return Err(refuse(
            job,
            &raw_name,
            Refusal::TwoSizes {
                header: size,
                extension,
            },
        ));
    }
    let seconds = Duration::from_secs(header.mtime().map_err(broken)?);
    let time = SystemTime::UNIX_EPOCH
        .checked_add(seconds)
        .ok_or_else(|| refuse(job, &raw_name, Refusal::Time))?;
    let mode = header.mode().map_err(broken)?;
    Ok(Item {
        raw_name,
        raw_link,
        kind: header.entry_type(),
        size,
        mode,
        time,
    })
}

/// Writes one entry.
fn write_entry(
    job: &Job<'_>,
    names: &mut Names,
    times: &mut Times,
    item: &Item,
    content: &mut dyn Read,
    buffer: &mut [u8],
) -> Result<(), UnpackError> {
    let refused = |why| refuse(job, &item.raw_name, why);
    let kind = match item.kind {
        EntryType::Regular | EntryType::Link => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => {
            if item.raw_link.iter().any(u8::is_ascii_control) {
                return Err(refused(Refusal::Control));
            }
            let target = str::from_utf8(&item.raw_link).map_err(|_| refused(Refusal::NotUtf8))?;
            Kind::Link(target.to_owned())
        }
        other => return Err(refused(Refusal::Kind(kind_name(other)))),
    };
    let Some(name) = clean(&item.raw_name, job.strip).map_err(refused)? else {
        if kind == Kind::Directory {
            return Ok(());
        }
        return Err(refused(Refusal::OutsideStrip));
    };
    let is_new = names.kind(&name).is_none();
    for directory in names.claim(&name, kind.clone()).map_err(refused)? {
        make_directory(&job.root.join(directory))?;
    }
    let path = job.root.join(&name);
    match (item.kind, kind) {
        (_, Kind::Directory) => {
            if is_new {
                make_directory(&path)?;
            }
            times.directories.insert(name, item.time);
            Ok(())
        }
        (EntryType::Link, _) => {
            let shown = || String::from_utf8_lossy(&item.raw_link).into_owned();
            let target = clean(&item.raw_link, job.strip).map_err(refused)?;
            let target = target
                .filter(|target| *target != name && names.kind(target) == Some(&Kind::File))
                .ok_or_else(|| refused(Refusal::HardLink(shown())))?;
            copy(&job.root.join(target), &path).map_err(UnpackError::Write)
        }
        (_, Kind::File) => write(job, &path, item, content, buffer),
        (_, Kind::Link(_) | Kind::Implied) => Ok(()),
    }
}

fn write(
    job: &Job<'_>,
    path: &Utf8Path,
    item: &Item,
    content: &mut dyn Read,
    buffer: &mut [u8],
) -> Result<(), UnpackError> {
    // Ignores owner, special bits and write permissions of the archive.
    let mode = if item.mode & 0o100 == 0 { 0o644 } else { 0o755 };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(UnpackError::Write)?;
    let mut left = item.size;
    while left > 0 {
        let count = match content.read(buffer) {
            Ok(0) => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends within a file",
            )),
            result => result,
        }
        .map_err(|source| UnpackError::Broken {
            file: job.file.to_owned(),
            source,
        })?;
        file.write_all(&buffer[..count])
            .map_err(UnpackError::Write)?;
        left -= count as u64;
    }
    // The tree must not depend on the user's umask.
    file.set_permissions(std::fs::Permissions::from_mode(mode))
        .map_err(UnpackError::Write)?;
    file.set_modified(item.time).map_err(UnpackError::Write)
}

fn copy(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    let time = fs::metadata(from)?.modified()?;
    fs::copy(from, to)?;
    fs::OpenOptions::new()
        .write(true)
        .open(to)?
        .set_modified(time)
}

fn make_directory(path: &Utf8Path) -> Result<(), UnpackError> {
    fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
        .map_err(UnpackError::Write)
}

/// Checks that only padding follows the end mark.
fn only_zeros(job: &Job<'_>, rest: &mut dyn Read, buffer: &mut [u8]) -> Result<(), UnpackError> {
    loop {
        let count = rest.read(buffer).map_err(|source| UnpackError::Broken {
            file: job.file.to_owned(),
            source,
        })?;
        if count == 0 {
            return Ok(());
        }
        if buffer[..count].iter().any(|byte| *byte != 0) {
            return Err(UnpackError::Excess {
                file: job.file.to_owned(),
                why: Excess::Trailing,
            });
        }
    }
}

fn too_many(job: &Job<'_>) -> UnpackError {
    UnpackError::Excess {
        file: job.file.to_owned(),
        why: Excess::Entries(job.limits.entries),
    }
}

fn refuse(job: &Job<'_>, raw_name: &[u8], why: Refusal) -> UnpackError {
    let entry = String::from_utf8_lossy(raw_name).escape_debug().to_string();
    UnpackError::Refused {
        file: job.file.to_owned(),
        entry,
        why,
    }
}

fn kind_name(kind: EntryType) -> String {
    match kind {
        EntryType::Char | EntryType::Block => "a device".to_owned(),
        EntryType::Fifo => "a pipe".to_owned(),
        EntryType::GNUSparse => "a sparse file".to_owned(),
        other => format!("of type {:?}", char::from(other.as_byte())),
    }
}
