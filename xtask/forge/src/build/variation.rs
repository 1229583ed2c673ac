//! Deviations from an ordinary build, used to prove that no output depends on them.

use std::time::Duration;

use camino::Utf8PathBuf;
use host::process::Command;
use plan::step::{Product, Step};
use store::EntryName;

use super::{BuildError, Options};
use sandbox::{self, ClockAhead, HostRoot, Sandboxing, Toolbox, foreign_root};
use unpack::Order;

/// Time limit for `make` to list its options.
const LIMIT: Duration = Duration::from_secs(20);

/// The deviations. None may change a byte of the outputs, except that the compilers of `root` make
/// other toolchains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variation {
    /// The order in which the directories of source trees are filled.
    pub order: Order,
    /// The seed of a random order of `make`'s targets.
    pub shuffle: Option<u32>,
    /// The root whose tools are used, or the host's own.
    pub root: Option<Utf8PathBuf>,
    /// The clock that scripts see.
    pub clock: Option<ClockAhead>,
}

impl Variation {
    /// The part of `MAKEFLAGS` next to the job server.
    pub(super) fn make_flags(&self) -> String {
        self.shuffle
            .map_or_else(String::new, |seed| format!(" --shuffle={seed}"))
    }
}

impl Options {
    /// Fails if the variation names a root that cannot be used, or that lacks one of these tools.
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

    /// Whether the `make` of scripts can shuffle its targets: GNU make 4.4 and later can.
    pub fn make_shuffles(&self) -> Result<bool, BuildError> {
        let words = ["make".to_owned(), "--help".to_owned()];
        let argv: Vec<String> = self.entrance()?.into_iter().chain(words).collect();
        // A make without help output has no shuffling either.
        Ok(Command::from_argv(&argv)
            .read(LIMIT)
            .is_ok_and(|help| help.contains("--shuffle")))
    }

    /// Whether scripts run in the sandbox, which is a requirement of another clock.
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

    /// The command prefix that enters the root that provides the tools.
    fn entrance(&self) -> Result<Vec<String>, BuildError> {
        match &self.variation.root {
            None => Ok(Vec::new()),
            Some(root) => foreign_root::check(root)
                .and_then(|()| foreign_root::entrance(root, &self.path))
                .map_err(BuildError::Root),
        }
    }
}
