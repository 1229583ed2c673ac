//! What a build does otherwise than an ordinary one, to find out that no output shows it.

use std::time::Duration;

use camino::Utf8PathBuf;
use host::process::Command;
use plan::step::{Product, Step};
use store::EntryName;

use super::{BuildError, Options};
use crate::sandbox::{self, ClockAhead, HostRoot, Sandboxing, Toolbox, foreign_root};
use crate::unpack::Order;

/// How long `make` may take to list its options.
const LIMIT: Duration = Duration::from_secs(20);

/// What a build does otherwise. Nothing in here may change a byte of what comes out, but for `root`,
/// whose compilers make other toolchains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variation {
    /// In which order the directories of source trees are filled.
    pub order: Order,
    /// Lets `make` take up targets in an order that this seed gives.
    pub shuffle: Option<u32>,
    /// The system whose tools are used; the host's own where absent.
    pub root: Option<Utf8PathBuf>,
    /// The clock that scripts see.
    pub clock: Option<ClockAhead>,
}

impl Variation {
    /// What `MAKEFLAGS` holds in addition to the job server.
    pub(super) fn make_flags(&self) -> String {
        self.shuffle
            .map_or_else(String::new, |seed| format!(" --shuffle={seed}"))
    }
}

impl Options {
    /// Fails where the variation names another system that cannot be used, or that lacks one of these
    /// tools.
    pub fn check_root<'a>(
        &self,
        tools: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), BuildError> {
        let Some(root) = &self.variation.root else {
            return Ok(());
        };
        drop(self.entrance()?);
        let tools = Toolbox::find_in_system(tools, root);
        if tools.missing().is_empty() {
            return Ok(());
        }
        Err(BuildError::Tools {
            missing: tools.missing().to_vec(),
            root: Some(root.clone()),
        })
    }

    /// Whether the `make` that scripts call can shuffle its targets: GNU make 4.4 and later can.
    pub fn make_shuffles(&self) -> Result<bool, BuildError> {
        let words = ["make".to_owned(), "--help".to_owned()];
        let argv: Vec<String> = self.entrance()?.into_iter().chain(words).collect();
        // A make that has no help has no shuffling either.
        Ok(Command::from_argv(&argv)
            .read(LIMIT)
            .is_ok_and(|help| help.contains("--shuffle")))
    }

    /// Whether scripts run in the sandbox here: only there can their clock be another one.
    #[must_use]
    pub fn has_sandbox(&self) -> bool {
        let root = HostRoot::probe(self.variation.root.as_deref());
        let found = sandbox::probe(self.sandbox, &root, &self.path);
        matches!(found, Sandboxing::Bubblewrap { .. })
    }

    /// The short id of the host whose compilers are used.
    pub(super) fn ask_host_id(&self) -> Result<String, BuildError> {
        let id = host::identity::identity_within(&self.entrance()?);
        Ok(id.map_err(BuildError::Host)?.short())
    }

    /// The name of a step's entry.
    pub fn entry_name(&self, step: &Step) -> Result<EntryName, BuildError> {
        Ok(match (step.product, &self.host_id) {
            (Product::Image, _) => EntryName::image(step.key),
            (Product::Toolchain, Some(id)) => EntryName::of(step, id),
            (Product::Toolchain, None) => EntryName::of(step, &self.ask_host_id()?),
        })
    }

    /// What comes before a command line that is to be run where scripts get their tools from.
    fn entrance(&self) -> Result<Vec<String>, BuildError> {
        match &self.variation.root {
            None => Ok(Vec::new()),
            Some(root) => foreign_root::check(root)
                .and_then(|()| foreign_root::entrance(root, &self.path))
                .map_err(BuildError::Root),
        }
    }
}
