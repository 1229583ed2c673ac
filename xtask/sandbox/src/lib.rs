//! The environment of a build script: fixed paths, declared tools, no network.
//!
//! `forge` calls [`launch`] with the directories of one step. With user namespaces it returns a
//! bubblewrap command line. Without them it returns the same script with variables that contain the
//! real paths. This is the only exception to "what is hashed is what is run", and it affects only
//! paths: no output may contain one, which is why recipes map paths. Everything here except
//! [`HostRoot::probe`], [`probe`] and [`Toolbox::find`] is a function of its arguments.
//!
//! ```text
//! /src/<source>   /in/<recipe>   /tc/<triple>   /files/<name>   /tools   /build.sh     read-only
//! /build   /out   /tmp                                                                 writable
//! /usr /bin /lib…   /etc/{ld.so.cache,alternatives}                      the host's, read-only
//! ```
//!
//! | module | subject |
//! |---|---|
//! | `launch` | the command line and the environment of a script |
//! | `isolation` | the options that every sandbox has |
//! | `probe` | whether this host can run the sandbox |
//! | `root` | the directories of the host that a sandbox shows |
//! | [`foreign_root`] | the root directory of another distribution in place of the host's |
//! | `tools` | the host programs that a script declares |
//! | `faketime` | a clock that runs ahead, for builds that are compared |

mod faketime;
pub mod foreign_root;
mod isolation;
mod launch;
mod probe;
mod root;
mod tools;

pub use faketime::ClockAhead;
pub use launch::{Launch, Places, SCRIPT, launch, links, variables};
pub use probe::{SandboxChoice, Sandboxing, probe};
pub use root::{HostRoot, RootEntry};
pub use tools::Toolbox;

#[cfg(test)]
mod tests;
