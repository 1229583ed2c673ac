//! How the guests of a test start.
//!
//! | module | subject |
//! |---|---|
//! | [`platform`] | an architecture of a run: its QEMU and its image |
//! | [`decision`] | whether a guest boots or is restored; pure |
//! | [`template`] | saves guests and restores them |

pub mod decision;
pub mod platform;
pub mod template;
