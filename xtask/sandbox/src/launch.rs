//! The command line that runs a build script, with and without a sandbox. A function of its
//! arguments.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use plan::step::Script;

use crate::faketime::ClockAhead;
use crate::isolation::{isolation, strings};
use crate::probe::Sandboxing;
use crate::root::HostRoot;

/// The directories of one step on the host, each mounted at a fixed path in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The work area: contains `build`, `tools`, `files` and `build.sh`, and the links of a run
    /// without sandbox.
    pub work: Utf8PathBuf,
    /// The output tree.
    pub out: Utf8PathBuf,
    /// Source trees by name.
    pub sources: BTreeMap<String, Utf8PathBuf>,
    /// Output trees of the inputs, mounted below `/in`, by recipe.
    pub inputs: BTreeMap<String, Utf8PathBuf>,
    /// Output tree that is mounted at the toolchain's path.
    pub toolchain: Option<Utf8PathBuf>,
}

/// A command line to run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The complete environment except the job server's `MAKEFLAGS`.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub directory: Utf8PathBuf,
}

/// The modes of outputs must not depend on the caller's umask.
const WRAPPER: &str = "umask 022 && exec sh -eu \"$1\"";

/// Name of the script in the work area and in the sandbox.
pub const SCRIPT: &str = "build.sh";

/// Variables that contain paths, and so have other values without a sandbox.
const PLACES: [&str; 8] = ["SRC", "IN", "FILES", "BUILD", "OUT", "TC", "HOME", "PATH"];

/// The variables of a script's environment that do not contain paths, for a build outside of a sandbox
/// that must have the same result.
#[must_use]
pub fn variables(script: &Script) -> BTreeMap<String, String> {
    let all = script.env.clone().into_iter();
    all.filter(|(name, _)| !PLACES.contains(&name.as_str()))
        .collect()
}

/// The command that runs a script.
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

/// The links below the work area that stand in for the fixed paths in a run without sandbox: link
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

/// The path on the host of a path in the sandbox.
fn real_place(path: &str, places: &Places) -> Utf8PathBuf {
    let inside = Utf8Path::new(path);
    if let Ok(rest) = inside.strip_prefix("/out") {
        return join(&places.out, rest);
    }
    inside
        .strip_prefix("/")
        .map_or_else(|_| inside.to_owned(), |rest| join(&places.work, rest))
}

/// Like `join`, but an empty `rest` adds no slash.
fn join(base: &Utf8Path, rest: &Utf8Path) -> Utf8PathBuf {
    if rest.as_str().is_empty() {
        base.to_owned()
    } else {
        base.join(rest)
    }
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
