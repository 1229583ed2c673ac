//! Recipes, plans and keys: the pure part of Kiln.
//!
//! Everything here is a function of its arguments. Lints (`clippy.toml`) forbid files, processes,
//! sockets, environment variables, clocks and `HashMap`. `xtask` reads the files, `forge` performs
//! the plan, and `qemu` and `guest` read the machine profiles.
//!
//! [`load`] parses the repository's files, and [`Project::plan`] turns them into a [`step::Plan`].
//!
//! | module | subject |
//! |---|---|
//! | `project`, `repository`, `tree` | the repository as data |
//! | `recipe`, `source`, `spdx`, `bump` | a validated recipe, its pinned sources and licence, its next version |
//! | `arch`, `skeleton` | a target: `images/<arch>.toml`; the files of a new target |
//! | `resolve`, `template`, `wildcard`, `relative` | renders templates and reads the files of a recipe for one target |
//! | `step`, `links` | steps, plans, and the order of recipes |
//! | `key`, `digest` | build keys and digests |
//! | `lock`, `canary`, `generated` | `images.lock`, objects of the canaries, files that host programs generate |
//! | `distribution` | the guest with Debian: settings and lock |
//! | `cpio` | the bytes of an initramfs |
//! | `document`, `diagnostic`, `suggest` | parses TOML; errors with locations and suggestions |
//! | `size`, `duration` | units |

pub mod arch;
pub mod bump;
pub mod canary;
pub mod cpio;
pub mod diagnostic;
pub mod digest;
pub mod distribution;
pub mod document;
pub mod duration;
pub mod generated;
pub mod key;
pub mod lock;
pub mod recipe;
pub mod size;
pub mod skeleton;
pub mod source;
pub mod spdx;
pub mod step;
pub mod suggest;
pub mod template;

mod links;
mod project;
mod relative;
mod repository;
mod resolve;
mod tree;
mod wildcard;

pub use project::{PlanError, Project, load};
