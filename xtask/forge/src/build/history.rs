//! The durations of earlier builds of steps, from the store.

use std::collections::BTreeMap;

use serde::Deserialize;

use store::Store;

/// A recipe and its architecture.
pub(super) type Which = (String, Option<String>);

/// The relevant fields of `entry.json`.
#[derive(Deserialize)]
struct Entry {
    recipe: String,
    arch: Option<String>,
    seconds: f64,
}

/// Seconds by recipe and architecture, the longest if the store has several versions.
///
/// Only used to guess a good order, so unreadable entries are ignored.
pub(super) fn seconds(store: &Store) -> BTreeMap<Which, f64> {
    let mut known: BTreeMap<Which, f64> = BTreeMap::new();
    let listing = store
        .root()
        .join("v1/entries")
        .read_dir_utf8()
        .into_iter()
        .flatten()
        .flatten();
    for entry in listing {
        let text = fs_err::read(entry.path().join("entry.json")).unwrap_or_default();
        if let Ok(entry) = serde_json::from_slice::<Entry>(&text) {
            let seconds = known.entry((entry.recipe, entry.arch)).or_default();
            *seconds = seconds.max(entry.seconds);
        }
    }
    known
}
