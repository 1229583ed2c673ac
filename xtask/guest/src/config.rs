//! The settings that all tests of a run share.

use std::sync::Arc;

use attach::LiveGuests;
use camino::Utf8PathBuf;
use session::limits::HostSpeed;
use verdict::golden::bless::Blessing;

use crate::debug::Debug;
use start::decision::StartPolicy;
use start::template::Templates;

/// The settings that all tests of a run share.
#[derive(Debug, Clone)]
pub struct CaseConfig {
    /// The folder of the tests, such as `guest-tests`.
    pub suite: Utf8PathBuf,
    /// The speed of the host, which scales the limits.
    pub speed: Arc<HostSpeed>,
    /// The factor of all limits.
    pub timeout_factor: f64,
    /// Makes the guest's kernel print all messages to the console, not only warnings and errors.
    pub kernel_log: bool,
    /// Sends the output of tests as events.
    pub no_capture: bool,
    /// Whether golden output is compared or written.
    pub bless: Blessing,
    /// The path of this program, which host scripts call for helper commands.
    pub kiln: Utf8PathBuf,
    /// The search path for programs.
    pub path: Vec<Utf8PathBuf>,
    /// How guests start.
    pub start: StartPolicy,
    /// The templates of the run. If absent, all guests boot.
    pub templates: Option<Arc<Templates>>,
    /// The requests of the trace for device tests of disks.
    pub trace: Option<Arc<[qtest::trace::Request]>>,
    /// Debugging options.
    pub debug: Debug,
    /// The running guests, for other commands that attach to them.
    pub live: Arc<LiveGuests>,
    /// Flags that a reproducing command line needs in addition to test, architecture and seed.
    pub reproduce: ReproduceFlags,
}

/// The flags of a run by the kinds of tests that they affect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReproduceFlags {
    /// For every test.
    pub all: Vec<String>,
    /// For tests that boot guests.
    pub guest: Vec<String>,
}
