//! Looks into build outputs: where two differ first, and whether one identifies the build machine.
//!
//! Used by `forge`, which stops a build that leaks a path or a name, and by the commands that build
//! twice and compare. This crate never changes a file.
//!
//! | module | subject |
//! |---|---|
//! | [`compare`] | the first difference of two trees or files, with section, symbol or member |
//! | [`scan`] | searches outputs for strings that identify the build machine |
//! | `archive` | reads cpio, tar and `ar` in memory |
//! | `excerpt` | formats the bytes around an offset |

mod archive;
pub mod compare;
mod excerpt;
pub mod scan;
