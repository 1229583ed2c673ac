//! The events of a run as they came, kept next to its report.

use std::io::{self, Write as _};

use crate::event::RunEvent;
use crate::report::json;

/// What a run's folder keeps of its events.
pub const FILE: &str = "events.jsonl";

/// Writes events down as they come.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<fs_err::File>,
}

impl Journal {
    /// Writes an event down, the first of them into a new file in the run's folder. After an error
    /// it writes no more, so that it is reported once.
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
