//! Runs on disk: numbered folders with logs and a report, found, read, joined and pruned.

pub mod joined;
pub mod journal;
pub mod kept;
pub mod run_dir;
