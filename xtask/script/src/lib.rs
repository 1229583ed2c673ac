//! The shell scripts of tests, other than running them.
//!
//! | module | subject |
//! |---|---|
//! | [`statements`] | the statements of a test script, marked so that a failure has a line |
//! | [`syntax`] | errors of a script, found before a boot |
//! | [`standalone`] | a test exported as one shell script |

pub mod standalone;
pub mod statements;
pub mod syntax;
