//! Access to processes, signals, the environment and the host's package manager.
//!
//! The other crates use this crate for every effect that is not a plain file. Facts are gathered
//! once into plain structs ([`env::Env`], [`packages::Facts`]), and pure functions decide what
//! follows from them. Nothing in here knows recipes, images or guests.
//!
//! | module | subject |
//! |---|---|
//! | `process`, `children`, `guard`, `family` | starts, watches and ends child processes, and all their descendants |
//! | `interrupt` | Ctrl-C and similar signals |
//! | `env` | the environment, read once; which variables are secrets |
//! | `files`, `scratch` | whole files; temporary directories and lock files |
//! | `clock`, `load`, `test_time` | the clock, CPU time of children and threads; time limits that exclude waits for a CPU |
//! | `wait` | the only wait loop |
//! | `jobs` | the budget of job slots of all builds |
//! | `limits` | time limits of transfers |
//! | `packages`, `debian` | installs missing tools; finds Debian mirrors |
//! | `tools`, `identity` | finds programs on `PATH`; identifies the host compilers |
//! | `terminal`, `secret`, `random`, `causes` | the terminal, URLs with passwords, random numbers, error chains |

pub mod causes;
pub mod children;
pub mod clock;
pub mod debian;
pub mod env;
pub mod family;
pub mod files;
pub mod guard;
pub mod identity;
pub mod interrupt;
pub mod jobs;
pub mod limits;
pub mod load;
pub mod packages;
pub mod process;
pub mod random;
pub mod scratch;
pub mod secret;
pub mod terminal;
pub mod test_time;
pub mod tools;
pub mod wait;
