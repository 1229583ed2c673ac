//! Turns a plan into files: fetches, unpacks, builds, and packs ready images.
//!
//! [`build`] performs a plan. Everything from outside passes through [`fetch`], everything that is
//! kept passes through [`store`], and a recipe's script sees what [`sandbox`] shows. This crate
//! never prints: progress is sent as [`event::Event`].
//!
//! | module | subject |
//! |---|---|
//! | `build` | performs a plan: walks back from the wanted steps, fetches, unpacks, builds |
//! | `fetch` | brings pinned files into the store, with resuming and retries |
//! | `unpack` | unpacks and patches source archives |
//! | `sandbox` | the environment of a build script |
//! | `gather` | copies files of earlier steps into the content of an image |
//! | `initramfs` | resolves the entries of an initramfs to bytes |
//! | `prebuilt` | packs images for the repository |
//! | `generated` | digests of files that programs of the host generated |
//! | `repro`, `compare` | compares two builds and locates the first difference |
//! | `scan` | searches outputs for strings that identify the build machine |
//! | `archive`, `excerpt` | reads cpio, tar and `ar` in memory; formats bytes around an offset |
//! | `event` | progress events |

mod archive;
pub mod build;
pub mod compare;
pub mod event;
mod excerpt;
pub mod fetch;
pub mod gather;
pub mod generated;
pub mod initramfs;
pub mod prebuilt;
pub mod repro;
pub mod sandbox;
pub mod scan;
pub mod unpack;
