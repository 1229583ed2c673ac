//! Garbage collection: a plan that can be printed, carried out while no other process has the store
//! open.
//!
//! An item that is named by the root of an existing checkout stays. Any other item is removed once
//! it was unused for some time. If the store is over its size limit, the least recently used ones
//! are removed earlier.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, SystemTime};

use camino::Utf8PathBuf;
use fs_err as fs;

use crate::inventory::{Item, Kind};
use crate::roots::Root;
use crate::usage::Alone;
use crate::workspace::remove_tree;
use crate::{Store, StoreError};

/// What may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Removes an unneeded item after it was unused for this long.
    pub idle: Duration,
    /// The size limit of the store in bytes.
    pub max_bytes: Option<u64>,
}

/// Why an item stays or is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A checkout needs it.
    Needed(Utf8PathBuf),
    /// It detects that a release tree was replaced by an older one, and cannot be restored.
    Memory,
    /// No checkout needs it, but it was used recently.
    Recent(Duration),
    /// No checkout needs it, and it was unused for this long.
    Idle(Duration),
    /// The store is too large, and this is among the least recently used unneeded items.
    Surplus(Duration),
}

/// What a collection would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Items to remove.
    pub remove: Vec<(Item, Reason)>,
    /// Items to keep.
    pub keep: Vec<(Item, Reason)>,
    /// Roots whose checkouts no longer exist.
    pub forget: Vec<Root>,
}

impl Plan {
    /// Number of bytes that the collection frees.
    #[must_use]
    pub fn freed(&self) -> u64 {
        self.remove.iter().map(|(item, _)| item.bytes).sum()
    }

    /// Number of bytes that stay.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.keep.iter().map(|(item, _)| item.bytes).sum()
    }
}

/// Decides what to remove: a pure function of the items and the time.
#[must_use]
pub fn plan(items: Vec<Item>, roots: Vec<Root>, policy: &Policy, now: SystemTime) -> Plan {
    let (alive, forget): (Vec<_>, Vec<_>) = roots.into_iter().partition(Root::is_alive);
    let needed = needed(&alive);
    let mut remove = Vec::new();
    let mut keep = Vec::new();
    let mut spare = Vec::new();
    for item in items {
        let idle = now.duration_since(item.used).unwrap_or_default();
        // A root names entries by key. A host id may follow the key in the entry's name.
        let name = match item.kind {
            Kind::Entry => item.name.split('-').next().unwrap_or_default(),
            _ => item.name.as_str(),
        };
        let checkout = needed.get(&(item.kind, name));
        match checkout.map(|&checkout| checkout.clone()) {
            Some(checkout) => keep.push((item, Reason::Needed(checkout))),
            None if item.kind == Kind::Mirror => keep.push((item, Reason::Memory)),
            None if idle >= policy.idle => remove.push((item, Reason::Idle(idle))),
            None => spare.push((item, idle)),
        }
    }
    // Oldest first, until the store is small enough.
    spare.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.name.cmp(&other.0.name)));
    let kept: u64 = keep.iter().map(|(item, _)| item.bytes).sum();
    let mut total = kept + spare.iter().map(|(item, _)| item.bytes).sum::<u64>();
    for (item, idle) in spare {
        if policy.max_bytes.is_some_and(|limit| total > limit) {
            total -= item.bytes;
            remove.push((item, Reason::Surplus(idle)));
        } else {
            keep.push((item, Reason::Recent(idle)));
        }
    }
    for list in [&mut remove, &mut keep] {
        list.sort_by(|(one, _), (other, _)| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    }
    Plan {
        remove,
        keep,
        forget,
    }
}

fn needed(roots: &[Root]) -> BTreeMap<(Kind, &str), &Utf8PathBuf> {
    let mut needed = BTreeMap::new();
    for root in roots {
        let kinds: [(Kind, &BTreeSet<String>); 3] = [
            (Kind::Entry, &root.entries),
            (Kind::Tree, &root.trees),
            (Kind::Blob, &root.blobs),
        ];
        for (kind, names) in kinds {
            for name in names {
                needed
                    .entry((kind, name.as_str()))
                    .or_insert(&root.checkout);
            }
        }
    }
    needed
}

impl Store {
    /// What [`Alone::collect`] would do now.
    pub fn plan_gc(&self, policy: &Policy) -> Result<Plan, StoreError> {
        Ok(plan(
            self.inventory()?,
            self.roots()?,
            policy,
            host::clock::now(),
        ))
    }
}

impl Alone<'_> {
    /// Removes the items of the plan. An item that no longer exists is not an error.
    pub fn collect(&self, plan: &Plan) -> Result<(), StoreError> {
        let store = self.store();
        let area = store.workspace()?;
        let wrap = |error| store.io(error);
        for (number, (item, _)) in plan.remove.iter().enumerate() {
            // Moved away at once. If the run is killed meanwhile, a dead work area is left.
            let away = area.path().join(number.to_string());
            match fs::rename(&item.path, &away) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                result => result.map_err(wrap)?,
            }
            let gone = if away.is_dir() {
                remove_tree(&away)
            } else {
                fs::remove_file(&away)
            };
            gone.map_err(wrap)?;
        }
        for root in &plan.forget {
            match store.forget_root(root) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(wrap)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn item(kind: Kind, name: &str, bytes: u64, idle_days: u32) -> Item {
        Item {
            kind,
            name: name.to_owned(),
            about: None,
            bytes,
            used: SystemTime::UNIX_EPOCH + DAY * (1000 - idle_days),
            path: Utf8PathBuf::from(format!("store/{name}")),
        }
    }

    fn root(checkout: &camino::Utf8Path, blobs: &[&str]) -> Root {
        let mut root = Root::new(checkout);
        root.blobs = blobs.iter().map(|&name| name.to_owned()).collect();
        root
    }

    fn removed(plan: &Plan) -> Vec<&str> {
        let names = plan.remove.iter().map(|(item, _)| item.name.as_str());
        names.collect()
    }

    #[test]
    fn needed_entries_survive_age_and_size_limits() {
        let dir = tempfile::tempdir().unwrap();
        let checkout = camino::Utf8Path::from_path(dir.path()).unwrap();
        fs::create_dir(checkout.join("recipes")).unwrap();
        let items = || {
            vec![
                item(Kind::Blob, "needed", 100, 400),
                item(Kind::Blob, "old", 10, 31),
                item(Kind::Blob, "young", 10, 29),
                // A tree of the same name is a different item.
                item(Kind::Tree, "needed", 10, 400),
            ]
        };
        let roots = || {
            vec![
                root(checkout, &["needed"]),
                root(camino::Utf8Path::new("/gone"), &["old"]),
            ]
        };
        let now = SystemTime::UNIX_EPOCH + DAY * 1000;
        let policy = Policy {
            idle: DAY * 30,
            max_bytes: None,
        };
        let found = plan(items(), roots(), &policy, now);
        assert_eq!(removed(&found), ["needed", "old"]);
        assert_eq!(found.remove[0].0.kind, Kind::Tree);
        assert_eq!(found.keep[0].1, Reason::Needed(checkout.to_owned()));
        assert_eq!(found.forget.len(), 1);
        assert_eq!((found.freed(), found.remaining()), (20, 110));

        // A needed item stays although it exceeds the limit by itself.
        let policy = Policy {
            max_bytes: Some(50),
            ..policy
        };
        let found = plan(items(), roots(), &policy, now);
        assert_eq!(removed(&found), ["needed", "old", "young"]);
        assert_eq!(found.remove[2].1, Reason::Surplus(DAY * 29));
    }

    #[test]
    fn least_recently_used_entry_is_removed_first() {
        let items = ["a", "b", "c", "d"].into_iter().zip([1, 4, 2, 3]);
        let items = items.map(|(name, days)| item(Kind::Entry, name, 10, days));
        let policy = Policy {
            idle: DAY * 30,
            max_bytes: Some(25),
        };
        let now = SystemTime::UNIX_EPOCH + DAY * 1000;
        let found = plan(items.collect(), Vec::new(), &policy, now);
        assert_eq!(removed(&found), ["b", "d"]);
    }
}
