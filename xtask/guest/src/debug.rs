//! What a run does for somebody who looks closer at one test.

use std::sync::Arc;

use crate::standalone::Recorder;

/// Nothing of it by default.
#[derive(Debug, Clone, Default)]
pub struct Debug {
    /// Keeps what the test does, for its export.
    pub recorder: Option<Arc<Recorder>>,
}
