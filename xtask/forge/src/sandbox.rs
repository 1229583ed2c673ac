//! The view that a build script has: fixed places, declared tools, no network, nothing else.
//!
//! `build` calls [`launch`] with the places of one step; with user namespaces it answers with a
//! bubblewrap command line, without them with the same script and variables that name the real
//! places. That is the one exception to "what is hashed is what is run", and it names places only:
//! no output may contain one, which is why recipes map paths. Everything here but
//! [`HostRoot::probe`], [`probe`] and [`Toolbox::find`] is a function of its arguments.
//!
//! ```text
//! /src/<source>   /in/<recipe>   /tc/<triple>   /files/<name>   /tools   /build.sh     read-only
//! /build   /out   /tmp                                                                 writable
//! /usr /bin /lib…   /etc/{ld.so.cache,alternatives}                      the host's, read-only
//! ```

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use plan::step::Script;

mod faketime;
pub mod foreign_root;
mod probe;
mod root;
mod tools;

pub use faketime::ClockAhead;
pub use probe::{Sandboxing, probe};
pub use root::{HostRoot, RootEntry};
pub use tools::Toolbox;

/// Whether builds run in the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SandboxChoice {
    /// In the sandbox where the host allows it.
    #[default]
    Auto,
    /// Without it.
    Off,
}

/// The places of one step on the host, each shown at a fixed path in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The work area: holds `build`, `tools`, `files` and `build.sh`, and the links of a run
    /// without sandbox.
    pub work: Utf8PathBuf,
    /// What the step produces.
    pub out: Utf8PathBuf,
    /// Source trees by name.
    pub sources: BTreeMap<String, Utf8PathBuf>,
    /// Output trees of the inputs that are shown below `/in`, by recipe.
    pub inputs: BTreeMap<String, Utf8PathBuf>,
    /// Output tree that is shown at the toolchain's path.
    pub toolchain: Option<Utf8PathBuf>,
}

/// A command line to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment, but for the job server's `MAKEFLAGS`.
    pub env: BTreeMap<String, String>,
    /// Where it starts.
    pub directory: Utf8PathBuf,
}

/// The mode bits of outputs must not follow the caller's umask.
const WRAPPER: &str = "umask 022 && exec sh -eu \"$1\"";

/// Name of the script in the work area and in the sandbox.
pub(crate) const SCRIPT: &str = "build.sh";

/// The variables that name places, and so have other values without a sandbox.
const PLACES: [&str; 8] = ["SRC", "IN", "FILES", "BUILD", "OUT", "TC", "HOME", "PATH"];

/// How to run a script.
#[must_use]
pub fn launch(how: &Sandboxing, script: &Script, places: &Places) -> Launch {
    match how {
        Sandboxing::Bubblewrap {
            program,
            root,
            clock,
        } => Launch {
            argv: bubblewrap(program, root, clock.as_ref(), script, places),
            env: script.env.clone(),
            directory: places.work.clone(),
        },
        Sandboxing::None { .. } => {
            let work = &places.work;
            let script_path = work.join(SCRIPT);
            Launch {
                argv: strings([
                    work.join("tools/sh").as_str(),
                    "-c",
                    WRAPPER,
                    "sh",
                    script_path.as_str(),
                ]),
                env: real_environment(script, places),
                directory: work.join("build"),
            }
        }
    }
}

/// The links that make the fixed places' shape below the work area, for a run without sandbox: link
/// path to target.
#[must_use]
pub fn links(script: &Script, places: &Places) -> BTreeMap<Utf8PathBuf, Utf8PathBuf> {
    let below = |directory: &'static str| {
        let work = &places.work;
        move |(name, target): (&String, &Utf8PathBuf)| {
            (work.join(directory).join(name), target.clone())
        }
    };
    let mut links: BTreeMap<_, _> = places.sources.iter().map(below("src")).collect();
    links.extend(places.inputs.iter().map(below("in")));
    if let (Some(inside), Some(target)) = (&script.toolchain_path, &places.toolchain) {
        links.insert(real_place(inside, places), target.clone());
    }
    links
}

fn real_environment(script: &Script, places: &Places) -> BTreeMap<String, String> {
    let real = |path: &str| real_place(path, places).into_string();
    let value = |name: &str, value: &str| {
        if PLACES.contains(&name) {
            value.split(':').map(real).collect::<Vec<_>>().join(":")
        } else {
            value.to_owned()
        }
    };
    script
        .env
        .iter()
        .map(|(name, text)| (name.clone(), value(name, text)))
        .collect()
}

/// Where a path of the sandbox is on the host.
fn real_place(path: &str, places: &Places) -> Utf8PathBuf {
    let inside = Utf8Path::new(path);
    if let Ok(rest) = inside.strip_prefix("/out") {
        return join(&places.out, rest);
    }
    inside
        .strip_prefix("/")
        .map_or_else(|_| inside.to_owned(), |rest| join(&places.work, rest))
}

/// As `join`, but an empty rest adds no slash.
fn join(base: &Utf8Path, rest: &Utf8Path) -> Utf8PathBuf {
    if rest.as_str().is_empty() {
        base.to_owned()
    } else {
        base.join(rest)
    }
}

fn strings<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// The options that every sandbox has; the probe tries exactly these.
///
/// The user is the same on every host and has no capability, so that a build as root meets the
/// write-protected files that any other build meets.
fn isolation(root: &HostRoot) -> Vec<String> {
    let mut argv = strings([
        "--unshare-all",
        "--die-with-parent",
        "--uid",
        "1000",
        "--gid",
        "1000",
        "--cap-drop",
        "ALL",
        "--hostname",
        "kiln",
    ]);
    for entry in &root.entries {
        match entry {
            RootEntry::Shown(path) => {
                let host = root.on_host(path);
                argv.extend(strings(["--ro-bind", host.as_str(), path.as_str()]));
            }
            RootEntry::Link { path, target } => {
                argv.extend(strings(["--symlink", target.as_str(), path.as_str()]));
            }
        }
    }
    argv.extend(strings([
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
    ]));
    argv
}

fn bubblewrap(
    program: &Utf8Path,
    root: &HostRoot,
    clock: Option<&ClockAhead>,
    script: &Script,
    places: &Places,
) -> Vec<String> {
    let work = &places.work;
    let mut argv = vec![program.to_string()];
    argv.extend(isolation(root));
    argv.extend(strings(["--dir", "/src", "--dir", "/in"]));
    let mut bind = |option: &str, host: &Utf8Path, inside: &str| {
        argv.extend(strings([option, host.as_str(), inside]));
    };
    bind("--ro-bind", &work.join("tools"), "/tools");
    bind("--ro-bind", &work.join(SCRIPT), "/build.sh");
    bind("--ro-bind", &work.join("files"), "/files");
    for (name, tree) in &places.sources {
        bind("--ro-bind", tree, &format!("/src/{name}"));
    }
    for (recipe, tree) in &places.inputs {
        bind("--ro-bind", tree, &format!("/in/{recipe}"));
    }
    if let (Some(inside), Some(tree)) = (&script.toolchain_path, &places.toolchain) {
        bind("--ro-bind", tree, inside);
    }
    for (file, inside) in clock.into_iter().flat_map(|_| ClockAhead::shown(work)) {
        bind("--ro-bind", &file, inside);
    }
    bind("--bind", &work.join("build"), "/build");
    bind("--bind", &places.out, "/out");
    argv.extend(strings(["--remount-ro", "/", "--chdir", "/build", "--"]));
    argv.extend(strings(["/tools/sh", "-c", WRAPPER, "sh", "/build.sh"]));
    argv
}

#[cfg(test)]
mod tests;
