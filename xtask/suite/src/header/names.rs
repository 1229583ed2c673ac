//! Refuses names in a header that no released QEMU has.

use std::ops::Range;

use qemu::Version;
use toml::Spanned;

use super::spans::Fault;
use crate::known::{Kind, KnownNames};

/// The names that a header may use.
pub(super) struct Names {
    /// `None` if the header requires a QEMU that is newer than the known ones.
    known: Option<&'static KnownNames>,
}

impl Names {
    /// The names for a header with this `requires.qemu`.
    pub(super) fn new(oldest: Option<Version>) -> Self {
        let known = KnownNames::committed();
        Self {
            known: (!oldest.is_some_and(|oldest| known.is_beyond(oldest))).then_some(known),
        }
    }

    /// Converts a list of names, and adds an error for each unknown one.
    pub(super) fn checked(
        &self,
        kind: Kind,
        names: Vec<Spanned<String>>,
        faults: &mut Vec<Fault>,
    ) -> Vec<String> {
        for name in &names {
            faults.extend(self.fault(kind, name.as_ref(), name.span()));
        }
        names.into_iter().map(Spanned::into_inner).collect()
    }

    /// An error if no name has this prefix.
    pub(super) fn prefix_fault(
        &self,
        kind: Kind,
        prefix: &str,
        span: Range<usize>,
    ) -> Option<Fault> {
        let unknown = self
            .known
            .is_some_and(|known| !known.has_prefix(kind, prefix));
        unknown.then(|| Fault {
            span,
            title: format!("no QEMU has a {} that starts with `{prefix}`", kind.noun()),
            label: "nothing is offered with any QEMU".to_owned(),
            help: Some(NEWER.to_owned()),
        })
    }

    /// An error if this name is unknown.
    pub(super) fn fault(&self, kind: Kind, name: &str, span: Range<usize>) -> Option<Fault> {
        let known = self.known.filter(|known| !known.has(kind, name))?;
        let help = known.nearest(kind, name);
        Some(Fault {
            span,
            title: format!("no QEMU has the {} `{name}`", kind.noun()),
            label: "unknown name".to_owned(),
            help: Some(help.map_or_else(
                || NEWER.to_owned(),
                |near| format!("did you mean `{near}`? {NEWER}"),
            )),
        })
    }
}

/// The advice for a name that no released QEMU has.
const NEWER: &str = "for what only a newer QEMU has, set `requires.qemu` to its version";
