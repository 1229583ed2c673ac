//! What a report shows of logs, consoles and crashes.
//!
//! | module | subject |
//! |---|---|
//! | [`logfile`] | log files with a limit, and their last lines |
//! | [`excerpt`] | the part of a guest's console that a report shows |
//! | [`symbols`] | the names of functions in a kernel's backtrace |
//! | [`backtrace`] | the backtrace of a QEMU that crashed |

pub mod backtrace;
pub mod excerpt;
pub mod logfile;
pub mod symbols;
