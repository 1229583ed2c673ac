//! Runs on disk: numbered folders with logs and a report. Finds, reads, merges and prunes them.

pub mod joined;
pub mod journal;
pub mod run_dir;
pub mod stored;
