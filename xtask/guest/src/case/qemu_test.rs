//! Support for scripts that were written for qemu-test: a log file of the guest, and unnamed
//! choices.
//!
//! Used for scripts that call their own functions. `guest-tests/lib/host.sh` has the shell
//! functions, and the crate `qemu` handles old options and the default network card.

use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use super::Case;
use evidence::logfile::LogFile;
use suite::choice::scan;

/// The guest's output in the scratch folder: `$tmplog`.
pub(super) const LOG: &str = "tmplog";

/// The state for one such test.
#[derive(Debug)]
pub(super) struct QemuTest {
    path: Utf8PathBuf,
    log: Mutex<Option<LogFile>>,
    unnamed: Mutex<Vec<Vec<String>>>,
}

impl QemuTest {
    /// Numbers the choices of a script.
    pub(super) fn new(script: &str, scratch: &Utf8Path) -> Self {
        Self {
            path: scratch.join(LOG),
            log: Mutex::default(),
            unnamed: Mutex::new(scan::unnamed(script)),
        }
    }

    /// Starts the log of a new guest.
    pub(super) fn begin_log(&self) -> std::io::Result<()> {
        *lock(&self.log) = Some(LogFile::create(&self.path)?);
        Ok(())
    }

    /// The name of an unnamed `choose` with these values.
    pub(super) fn name(&self, words: &[String]) -> String {
        scan::name(&mut lock(&self.unnamed), words)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Case<'_> {
    /// Appends to the log that the script reads.
    pub(super) fn log_for_script(&self, bytes: &[u8]) {
        if let Some(qemu_test) = &self.qemu_test
            && let Some(log) = lock(&qemu_test.log).as_mut()
        {
            log.write(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_keep_the_numbers_of_the_script() {
        let script = "x=$(choose a b)\ny=$(choose c d)\n";
        let qemu_test = QemuTest::new(script, Utf8Path::new("/scratch"));
        let name = |words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            qemu_test.name(&words)
        };
        assert_eq!(
            ["c d", "a b", "e f", "c d"].map(name),
            ["choice2", "choice1", "choice3", "choice2"]
        );
    }
}
