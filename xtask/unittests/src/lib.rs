//! The tests of a built tree of kvm-unit-tests.
//!
//! | module | subject |
//! |---|---|
//! | [`section`] | the sections of its `unittests.cfg` |
//! | [`harness`] | how the `run` script of each test directory starts QEMU, as data |
//! | [`invocation`] | whether a test runs here, and with which arguments |
//! | [`environment`] | the variables in the initrd of a test |
//! | [`values`] | the part of shell syntax that values may use |
//! | [`judge`] | the verdict from QEMU's status and the printed lines |
//!
//! `suite` reads a tree, and `guest` runs the tests. `docs/foreign-suites.md` describes the format.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;

pub mod environment;
pub mod harness;
pub mod invocation;
pub mod judge;
pub mod section;
pub mod values;

use harness::{Efi, Harness};
use section::Section;

/// One test of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitTest {
    /// The tree.
    pub tree: Arc<Tree>,
    /// Its section of `unittests.cfg`.
    pub section: Section,
}

/// A built tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its directory, absolute.
    pub root: Utf8PathBuf,
    /// The directory as on the command line.
    pub shown: Utf8PathBuf,
    /// The variables of its `config.mak`.
    pub config: BTreeMap<String, String>,
    /// How its tests are started.
    pub harness: Harness,
    /// `errata.txt`, if the tree has one and its tests read it.
    pub errata: Option<String>,
}

impl Tree {
    /// How its programs are started by EFI firmware, if it is built for one.
    #[must_use]
    pub fn efi(&self) -> Option<&Efi> {
        let is_efi = self
            .config
            .get("CONFIG_EFI")
            .is_some_and(|value| value == "y");
        self.harness.efi.as_ref().filter(|_| is_efi)
    }
}

/// The group of tests that run only on request.
const MANUAL: &str = "nodefault";
/// The groups of tests that are migrated, and that pass by a panic.
const MIGRATION: &str = "migration";
const PANIC: &str = "panic";

impl UnitTest {
    /// Whether it runs only if its group or its full name is given.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.is_in(MANUAL)
    }

    /// The group because of which the harness must act while the test runs, if it is in one.
    #[must_use]
    pub fn assisted(&self) -> Option<&'static str> {
        [MIGRATION, PANIC]
            .into_iter()
            .find(|group| self.is_in(group))
    }

    /// Why a script that only starts QEMU cannot run the test.
    #[must_use]
    pub fn unexportable(&self) -> Option<String> {
        let group = self.assisted().map(|group| format!("in the group {group}"));
        group.or_else(|| self.tree.efi().map(|_| "an EFI program".to_owned()))
    }

    fn is_in(&self, group: &str) -> bool {
        self.section.groups.iter().any(|name| name == group)
    }
}
