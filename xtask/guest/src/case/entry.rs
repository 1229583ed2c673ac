//! Creates a guest of a test: restores it from a template, or boots it.

use camino::Utf8Path;
use qemu::{Launch, QemuError, Start as QemuStart, Vm};
use verdict::event::{GuestStart, StartKind};

use super::Case;
use start::template::{NotRestored, Resumed, WarmRequest};

/// A guest that is about to start.
pub(super) struct Entry<'a> {
    pub(super) number: usize,
    pub(super) launch: &'a Launch,
    /// Whether QEMU is expected to refuse to start.
    pub(super) refused: bool,
    /// The base of relative paths in the arguments of the test.
    pub(super) directory: &'a Utf8Path,
    pub(super) run_dir: &'a Utf8Path,
    /// Whether QEMU runs under another program.
    pub(super) wrapped: bool,
}

/// A QEMU whose guest boots, migrates in or waits for its test.
pub(super) struct Entered {
    pub(super) vm: Vm,
    /// The launch that was used.
    pub(super) launch: Launch,
    /// Set if the guest was restored.
    pub(super) resumed: Option<Resumed>,
}

/// Why the guest could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    /// QEMU was not started.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// A guest was not restored, so that the test has to run again from its beginning.
    #[error("{0}")]
    NotRestored(String),
}

impl Case<'_> {
    /// Restores the guest if possible, and boots it otherwise.
    pub(super) fn enter_guest(&self, entry: &Entry<'_>) -> Result<Entered, EntryError> {
        match self.restore(entry) {
            Ok(entered) => {
                let reason = "the machine has a template".to_owned();
                self.note_start(entry.number, StartKind::Warm, reason);
                Ok(entered)
            }
            Err(NotRestored::Failed(why)) => {
                // The first reason counts.
                let _ = self.setting.not_restored.set(why.clone());
                Err(EntryError::NotRestored(why))
            }
            Err(NotRestored::Boots(reason)) => {
                self.note_start(entry.number, StartKind::Cold, reason);
                let vm = Vm::spawn(entry.launch, entry.run_dir, entry.directory)?;
                if entry.launch.start == QemuStart::Boot {
                    vm.release();
                }
                Ok(Entered {
                    vm,
                    launch: entry.launch.clone(),
                    resumed: None,
                })
            }
        }
    }

    fn restore(&self, entry: &Entry<'_>) -> Result<Entered, NotRestored> {
        let setting = self.setting;
        let Some(templates) = &setting.config.templates else {
            let reason = "the run keeps no templates".to_owned();
            return Err(NotRestored::Boots(reason));
        };
        let restored = templates.restore(&WarmRequest {
            arch: setting.arch,
            machine: self.machine,
            launch: entry.launch,
            policy: setting.start,
            asks_for_cold: setting.test.test.header.cold,
            refused: entry.refused,
            wrapped: entry.wrapped,
            run_dir: entry.run_dir,
            directory: entry.directory,
            clock: &setting.clock(),
            limit: self.boot_limit(),
        })?;
        self.note_boot_time(restored.boot);
        Ok(Entered {
            vm: restored.vm,
            launch: restored.launch,
            resumed: Some(restored.resumed),
        })
    }

    /// The `--start` option that repeats how the guests started.
    pub(super) fn start_flag(&self) -> &'static str {
        let starts = &self.state().starts;
        if starts.is_empty() {
            ""
        } else if starts.values().any(|guest| guest.start == StartKind::Warm) {
            " --start=warm"
        } else {
            " --start=cold"
        }
    }

    fn note_start(&self, number: usize, start: StartKind, reason: String) {
        let start = GuestStart { start, reason };
        self.state().starts.insert(number, start);
    }
}
