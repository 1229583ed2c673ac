//! Records the actions of a test for an export, if one is requested.

use camino::Utf8Path;
use qemu::{BootFiles, LaunchRequest, QemuError};
use session::Handover;

use super::Case;
use script::standalone::{DEVICE_TREE, INITRAMFS, KERNEL, Start};

/// Why a start cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    /// Its command line is invalid.
    #[error(transparent)]
    Line(#[from] QemuError),
    /// A file on its command line cannot be read.
    #[error("failed to keep a file of QEMU's command line")]
    File(#[from] std::io::Error),
}

impl Case<'_> {
    /// Records a start of QEMU with the current contents of the files on its command line.
    pub(super) fn record(
        &self,
        request: &LaunchRequest<'_>,
        directory: &Utf8Path,
        handover: &Handover,
    ) -> Result<(), RecordError> {
        let Some(recorder) = &self.setting.config.debug.recorder else {
            return Ok(());
        };
        let scratch = &self.setting.scratch;
        let mut stand_in = request.clone();
        stand_in.boot = BootFiles {
            kernel: scratch.join(KERNEL),
            initrd: Some(scratch.join(INITRAMFS)),
            device_tree: (request.boot.device_tree.as_ref()).map(|_| scratch.join(DEVICE_TREE)),
        };
        let limit = self.boot_limit() + self.test_limit();
        let places = (scratch.as_path(), directory);
        let (boot, handover) = (request.boot.clone(), handover.clone());
        let start = Start::new(stand_in.resolve()?.script(), places, boot, handover, limit);
        Ok(recorder.start(start)?)
    }

    /// Records a helper command that either script used.
    pub(super) fn record_word(&self, word: &str) {
        if let Some(recorder) = &self.setting.config.debug.recorder {
            recorder.word(word);
        }
    }
}
