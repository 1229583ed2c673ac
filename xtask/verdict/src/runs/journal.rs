//! Records the events of a run in its folder as they arrive.

use std::io::{self, Write as _};

use crate::event::RunEvent;
use crate::report::json;

/// The file name in a run's folder.
pub const FILE: &str = "events.jsonl";

/// Writes events as they arrive.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<fs_err::File>,
}

impl Journal {
    /// Writes an event. The first one creates the file in the run's folder. After an error nothing
    /// more is written, so that it is reported once.
    pub fn take(&mut self, event: &RunEvent) -> io::Result<()> {
        if let RunEvent::RunStarted { run_dir, .. } = event {
            self.file = Some(fs_err::File::create(run_dir.join(FILE))?);
        }
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        writeln!(file, "{}", json::line(event))?;
        self.file = Some(file);
        Ok(())
    }
}
