//! Decides which origins are tried for an image, and in which order. Pure.

use std::fmt;

/// What the command line allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which existing images are used.
    pub reuse: Reuse,
    /// Refuse to change the lock (`--locked`).
    pub locked: bool,
    /// Do not use the network (`--offline`).
    pub offline: bool,
}

/// Which existing images are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Images of any origin.
    #[default]
    Any,
    /// Images of any origin but the repository (`--no-prebuilt`).
    NotPrebuilt,
    /// None: all images are built (`--from-source`).
    Nothing,
}

/// The facts about an image before any origin is tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The lock has the image with the key of the recipes.
    pub in_lock: bool,
    /// The origins that have it, or may have it.
    pub available: Vec<Origin>,
}

/// Where an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An entry of the store.
    Store,
    /// Files in the store that were imported or fetched before.
    Blobs,
    /// An archive in the repository.
    Prebuilt,
    /// A mirror, or a build if no mirror has it.
    Mirror,
    /// A build.
    Source,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Store | Self::Blobs => "store",
            Self::Prebuilt => "prebuilt",
            Self::Mirror => "mirror",
            Self::Source => "source",
        })
    }
}

/// The origins to try, in order. The last one is always a build.
///
/// An image that is not in the lock is only used from the store, because nothing verifies the bytes
/// of other origins.
#[must_use]
pub fn origins(policy: Policy, facts: &ImageFacts) -> Vec<Origin> {
    let is_tried = |origin: &Origin| {
        let allowed = match origin {
            Origin::Source => return true,
            Origin::Store => true,
            Origin::Blobs => facts.in_lock,
            Origin::Prebuilt => facts.in_lock && policy.reuse == Reuse::Any,
            Origin::Mirror => facts.in_lock && !policy.offline,
        };
        allowed && policy.reuse != Reuse::Nothing && facts.available.contains(origin)
    };
    let all = [
        Origin::Store,
        Origin::Blobs,
        Origin::Prebuilt,
        Origin::Mirror,
        Origin::Source,
    ];
    all.into_iter().filter(is_tried).collect()
}

#[cfg(test)]
mod tests {
    use super::Origin::{Blobs, Mirror, Prebuilt, Source, Store};
    use super::*;

    #[test]
    fn origins_are_tried_from_near_to_far() {
        let check = |policy, in_lock, available: &[Origin], expect: &[Origin]| {
            let facts = ImageFacts {
                in_lock,
                available: available.to_vec(),
            };
            assert_eq!(origins(policy, &facts), expect, "{policy:?} {facts:?}");
        };
        let everywhere = &[Mirror, Prebuilt, Blobs, Store];
        let any = Policy::default();
        let offline = Policy {
            offline: true,
            ..any
        };
        let [not_prebuilt, nothing] = [Reuse::NotPrebuilt, Reuse::Nothing].map(|reuse| Policy {
            reuse,
            ..Policy::default()
        });
        check(
            any,
            true,
            everywhere,
            &[Store, Blobs, Prebuilt, Mirror, Source],
        );
        check(any, true, &[Mirror], &[Mirror, Source]);
        check(any, true, &[], &[Source]);
        check(any, false, everywhere, &[Store, Source]);
        check(offline, true, everywhere, &[Store, Blobs, Prebuilt, Source]);
        check(
            not_prebuilt,
            true,
            everywhere,
            &[Store, Blobs, Mirror, Source],
        );
        check(nothing, true, everywhere, &[Source]);
    }
}
