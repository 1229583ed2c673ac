//! Reports as text: pure functions of what a run told. The terminal is `xtask`'s.

pub mod json;
pub mod junit;
