//! What every test of a run is run with.

use std::sync::Arc;

use camino::Utf8PathBuf;
use session::limits::HostSpeed;
use verdict::golden::bless::Blessing;

use crate::debug::Debug;
use crate::start::StartPolicy;
use crate::template::Templates;

/// What every test of a run is run with, whichever it is.
#[derive(Debug, Clone)]
pub struct CaseConfig {
    /// The folder of the tests, such as `guest-tests`.
    pub suite: Utf8PathBuf,
    /// How fast the host is, which the limits follow.
    pub speed: Arc<HostSpeed>,
    /// All limits are multiplied by it.
    pub timeout_factor: f64,
    /// Lets the guest's kernel say everything on the console, not only warnings and worse.
    pub kernel_log: bool,
    /// Sends what tests print as events.
    pub no_capture: bool,
    /// Whether golden output is compared or written.
    pub bless: Blessing,
    /// This program, which host scripts call for helper commands.
    pub kiln: Utf8PathBuf,
    /// Where programs are looked for.
    pub path: Vec<Utf8PathBuf>,
    /// How guests start.
    pub start: StartPolicy,
    /// The templates of the run; where absent, all guests boot.
    pub templates: Option<Arc<Templates>>,
    /// For a developer who looks closer.
    pub debug: Debug,
    /// Flags that a reproducing command line needs in addition to test, architecture and seed.
    pub reproduce: ReproduceFlags,
}

/// The flags of a run, by the tests that they matter to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReproduceFlags {
    /// For every test.
    pub all: Vec<String>,
    /// For tests that boot guests.
    pub guest: Vec<String>,
}
