//! A source archive as a patched tree of the store, unpacked at most once.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::source::Source;
use serde::{Deserialize, Serialize};

use store::{Access, Store, StoreError, Verified, Workspace};

use crate::error::UnpackError;
use crate::event::Event;
use crate::order::Order;
use crate::stream::Limits;
use crate::{extract, patch, stream};

/// The facts that a tree must still match after a power cut.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Census {
    entries: u64,
    bytes: u64,
}

/// The destination of a tree, and how it is filled.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The store.
    pub store: &'a Store,
    /// The order in which its directories are filled.
    pub order: Order,
}

impl<'a> From<&'a Store> for Destination<'a> {
    /// A store, with trees as in ordinary builds.
    fn from(store: &'a Store) -> Self {
        Self {
            store,
            order: Order::default(),
        }
    }
}

/// The unpacked and patched tree of `source`, from the store or newly unpacked.
pub fn tree<'a>(
    place: impl Into<Destination<'a>>,
    source: &Source,
    archive: &Verified,
    events: &mut dyn FnMut(Event),
) -> Result<Utf8PathBuf, UnpackError> {
    let Destination { store, order } = place.into();
    if archive.digest() != source.pin.sha256 {
        return Err(UnpackError::OtherArchive {
            file: source.pin.file.clone(),
            expected: source.pin.sha256,
            got: archive.digest(),
        });
    }
    let id = source.tree_id();
    let directory = store.tree_dir(&id);
    if is_whole(store, &directory)? {
        store.touch_tree(&id);
        return Ok(directory.join("root"));
    }
    let _guard = store.lock(&format!("tree-{id}"), || {
        events(Event::Waiting {
            file: source.pin.file.clone(),
        });
    })?;
    if is_whole(store, &directory)? {
        return Ok(directory.join("root"));
    }
    let area = store.workspace()?;
    let staged = area.path().join("tree");
    let root = staged.join("root");
    let wrap = |error| StoreError::io(store.root(), error);
    fs::create_dir_all(&root).map_err(wrap)?;
    events(Event::Started {
        name: source.name.clone(),
    });
    let limits = Limits::default();
    let mut job = extract::Job {
        file: &source.pin.file,
        root: &root,
        strip: source.strip,
        limits: &limits,
        progress: &mut |entries| {
            events(Event::Progress {
                name: source.name.clone(),
                entries,
            });
        },
    };
    let times = stream::read(
        archive.path(),
        job.file,
        source.inner.as_deref(),
        &limits,
        |bytes| extract::extract(&mut job, bytes),
    )
    .map_err(|error| error.in_store(store.root()))?;
    for one in &source.patches {
        patch::apply(&root, one, &times)?;
    }
    order.fill(&root).map_err(wrap)?;
    times.restore(&root).map_err(wrap)?;
    let census = census(&root).map_err(wrap)?;
    let text = serde_json::to_vec(&census)
        .map_err(io::Error::from)
        .map_err(wrap)?;
    fs::write(staged.join("tree.json"), text).map_err(wrap)?;
    store.mark_boot(&staged).map_err(wrap)?;
    fs::rename(&staged, &directory).map_err(wrap)?;
    events(Event::Finished {
        name: source.name.clone(),
        entries: census.entries,
    });
    Ok(directory.join("root"))
}

/// Whether a tree exists. Removes one that lost bytes in a power cut.
fn is_whole(store: &Store, directory: &Utf8Path) -> Result<bool, StoreError> {
    if !directory.is_dir() {
        return Ok(false);
    }
    if store.is_of_this_boot(directory) {
        return Ok(true);
    }
    let noted = fs::read(directory.join("tree.json"))
        .ok()
        .and_then(|text| serde_json::from_slice::<Census>(&text).ok());
    if noted.is_some() && noted == census(&directory.join("root")).ok() {
        // A read-only store is checked again next time.
        let _ = store.mark_boot(directory);
        return Ok(true);
    }
    if store.access() == Access::Write {
        discard(&store.workspace()?, directory)
            .map_err(|error| StoreError::io(store.root(), error))?;
    }
    Ok(false)
}

/// Moves a tree away. Its files are removed with the work area.
fn discard(area: &Workspace, directory: &Utf8Path) -> io::Result<()> {
    match fs::rename(directory, area.path().join("discarded")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn census(directory: &Utf8Path) -> io::Result<Census> {
    let mut total = Census {
        entries: 0,
        bytes: 0,
    };
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in directory.read_dir_utf8()? {
            let entry = entry?;
            let kind = entry.file_type()?;
            total.entries += 1;
            if kind.is_dir() {
                pending.push(entry.into_path());
            } else if kind.is_file() {
                total.bytes += entry.metadata()?.len();
            }
        }
    }
    Ok(total)
}
