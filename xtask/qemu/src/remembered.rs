//! Caches the capabilities of QEMU binaries in a directory, as long as a binary does not change.
//!
//! Used by every command that starts guests. The caller probes QEMU ([`crate::probe::ask`]).

use camino::{Utf8Path, Utf8PathBuf};
use plan::digest::Digest;

use crate::{Facts, QemuError};

/// The version of the cache. Raise it when the meaning of [`Facts`] changes.
const FORMAT: u32 = 6;

/// A binary and everything that the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The binary.
    pub binary: &'a Utf8Path,
    /// The machines to query.
    pub machines: &'a [&'a str],
    /// Variables of the dynamic loader and of QEMU's modules, with which the same file may answer
    /// differently.
    pub environment: &'a str,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The capabilities of the binary.
    pub facts: Facts,
    /// The cache file, if the answer came from it.
    pub remembered: Option<Utf8PathBuf>,
}

impl Question<'_> {
    /// The answer from `directory`, or else from `ask`, which is then cached. A script is always
    /// probed, because it may start another QEMU.
    pub fn answer(
        &self,
        directory: &Utf8Path,
        ask: impl FnOnce() -> Result<Facts, QemuError>,
    ) -> Result<Answer, QemuError> {
        let file = directory.join(format!("{}.json", self.key()?));
        let is_kept = !host::files::is_script(self.binary);
        if is_kept
            && let Ok(text) = host::files::read(&file)
            && let Ok(facts) = serde_json::from_slice::<Facts>(&text)
        {
            let remembered = Some(file);
            return Ok(Answer { facts, remembered });
        }
        let facts = ask()?;
        if is_kept && let Ok(text) = serde_json::to_vec(&facts) {
            // In a read-only directory QEMU is probed again the next time.
            let _ = host::files::write(&file, &text);
        }
        Ok(Answer {
            facts,
            remembered: None,
        })
    }

    fn key(&self) -> Result<Digest, QemuError> {
        let Self {
            binary,
            machines,
            environment,
        } = self;
        let identity =
            host::files::identity(binary).map_err(QemuError::io("failed to read QEMU"))?;
        let text = format!("{FORMAT} {binary} {identity} {environment} {machines:?}");
        Ok(Digest::of(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Whether QEMU was probed.
    fn is_asked(question: Question<'_>, directory: &Utf8Path) -> bool {
        let asked = Cell::new(false);
        let answer = question.answer(directory, || {
            asked.set(true);
            Ok(Facts {
                target: "x".to_owned(),
                ..Facts::default()
            })
        });
        let answer = answer.unwrap();
        assert_eq!(answer.facts.target, "x");
        assert_eq!(answer.remembered.is_none(), asked.get());
        asked.get()
    }

    #[test]
    fn same_question_is_asked_once() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        let (binary, cache) = (home.join("qemu"), home.join("probe"));
        fs_err::write(&binary, "\x7fELF one").unwrap();
        let question = Question {
            binary: &binary,
            machines: &["q35"],
            environment: "",
        };
        assert!(is_asked(question, &cache));
        assert!(!is_asked(question, &cache));
        let machines = Question {
            machines: &["q35", "pc"],
            ..question
        };
        let environment = Question {
            environment: "QEMU_MODULE_DIR=/m",
            ..question
        };
        for other in [machines, environment] {
            assert!(is_asked(other, &cache), "{other:?}");
            assert!(!is_asked(other, &cache), "{other:?}");
        }
        // An unreadable file is replaced.
        for entry in fs_err::read_dir(&cache).unwrap() {
            fs_err::write(entry.unwrap().path(), "{").unwrap();
        }
        assert!(is_asked(question, &cache));
        assert!(!is_asked(question, &cache));
        fs_err::write(&binary, "\x7fELF another").unwrap();
        assert!(is_asked(question, &cache));
    }

    #[test]
    fn script_is_asked_every_time() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        let (binary, cache) = (home.join("qemu"), home.join("probe"));
        fs_err::write(&binary, "#!/bin/sh\nexec qemu\n").unwrap();
        let question = Question {
            binary: &binary,
            machines: &[],
            environment: "",
        };
        assert!(is_asked(question, &cache) && is_asked(question, &cache));
        assert!(!cache.exists());
    }

    #[test]
    fn unwritable_directory_and_missing_binary_are_handled() {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        let (binary, cache) = (home.join("qemu"), home.join("file"));
        let question = Question {
            binary: &binary,
            machines: &[],
            environment: "",
        };
        let missing = question.answer(&cache, || panic!("not asked"));
        assert!(missing.is_err());
        fs_err::write(&binary, "\x7fELF").unwrap();
        fs_err::write(&cache, "not a directory").unwrap();
        assert!(is_asked(question, &cache) && is_asked(question, &cache));
    }
}
