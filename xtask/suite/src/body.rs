//! What a test runs: the closed list of kinds.
//!
//! The compiler reports the functions that treat kinds differently when a variant is added, because
//! they match without a wildcard. The exceptions are properties of one kind: the manual tests of
//! [`Body::Suite`], and the kinds that the header of a script can select.

use std::sync::Arc;

use qtest::{Machine, Test};
use verdict::kind::TestKind;

use crate::bare::BareTest;
use crate::ktest_script::Script;
use unittests::UnitTest;

/// What a test runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Scripts for a guest, for the host that starts it, or both.
    Guest(Scripts),
    /// A script on the host that starts no guest.
    Host,
    /// A test of a device model on a machine without a guest.
    Device(&'static Test, &'static Machine),
    /// A guest without an operating system, from `guest-tests/bare/`.
    Bare(BareTest),
    /// A guest without an operating system, from a tree of kvm-unit-tests.
    Suite(Arc<UnitTest>),
    /// A script of ktest, or one of its functions.
    Ktest(Arc<Script>),
}

/// Which scripts a test file defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// `in_host` alone: its exit status is the result.
    Host,
    /// `in_guest` alone: the guest is booted without further options.
    Guest,
    /// Both.
    Both,
}

/// What must be provided before a test can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The image of its architecture.
    pub image: bool,
    /// The bare-metal guests of its architecture. A test with neither of both is the same test on every
    /// architecture, so a run has it once.
    pub bare: bool,
    /// The accelerator of its architecture, which is tried with the image.
    pub accel: bool,
}

impl Needs {
    /// Whether it boots a guest of ours.
    #[must_use]
    pub fn boots(&self) -> bool {
        self.image || self.bare
    }
}

impl Body {
    /// The needs of this kind.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::Guest(_) | Self::Ktest(_) => Needs {
                image: true,
                bare: false,
                accel: true,
            },
            Self::Host | Self::Device(..) => Needs {
                image: false,
                bare: false,
                accel: false,
            },
            Self::Bare(_) => Needs {
                image: false,
                bare: true,
                accel: true,
            },
            Self::Suite(_) => Needs {
                image: false,
                bare: false,
                accel: true,
            },
        }
    }

    /// Whether its file is a script with statements, choices and devices.
    #[must_use]
    pub fn is_script(&self) -> bool {
        match self {
            Self::Guest(_) | Self::Host => true,
            Self::Device(..) | Self::Bare(_) | Self::Suite(_) | Self::Ktest(_) => false,
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> TestKind {
        match self {
            Self::Guest(_) => TestKind::Guest,
            Self::Host => TestKind::Host,
            Self::Device(..) => TestKind::Device,
            Self::Bare(_) => TestKind::Bare,
            Self::Suite(_) => TestKind::Suite,
            Self::Ktest(_) => TestKind::Ktest,
        }
    }
}

impl Scripts {
    /// Whether there is an `in_guest`.
    #[must_use]
    pub fn has_guest(self) -> bool {
        self != Self::Host
    }
}
