//! Scripts of ktest on the command line: asks them for what they need, and finds it on this host.

use std::collections::BTreeSet;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::command::quote;
use host::process::{Command, Output};
use host::tools::find_in;
use plan::Project;
use suite::TestFile;
use suite::ktest::{self, CDROM, Form, Found, Needs, PROGRAMS, SHELL};

use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::kernels;

/// For a script to say what it needs.
const LIMIT: Duration = Duration::from_secs(60);
/// Read by bash before a script: what would download or build something is only reported.
const BASH_ENV: &str = "needs() { echo \"kiln_needs=$*\"; exit 1; }\n\
                        git() { needs \"a checkout: git $*\"; }\n\
                        make() { needs \"make $*\"; }\n\
                        wget() { needs \"wget $*\"; }\n\
                        curl() { needs \"curl $*\"; }\n\
                        export ktest_cpus=1\n";
/// What shows the root of a tree of ktest.
const LIBRARY: &str = "lib/common.sh";

/// The tests of some scripts, which may require files of the trees of some kernels.
pub(crate) fn load(
    context: &Context,
    project: &Project,
    files: &[Utf8PathBuf],
    trees: &[Utf8PathBuf],
) -> Result<Vec<Vec<TestFile>>, Failure> {
    let mut first_form = Vec::new();
    let mut all = Vec::new();
    for file in files {
        let tests = script(context, project, trees, file)?;
        if tests.iter().all(|test| test.area == ktest::AREA) {
            first_form.extend(tests);
        } else {
            all.push(tests);
        }
    }
    all.push(first_form);
    Ok(all)
}

fn script(
    context: &Context,
    project: &Project,
    trees: &[Utf8PathBuf],
    shown: &Utf8Path,
) -> Result<Vec<TestFile>, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, anyhow::anyhow!(message));
    if find_in(SHELL, &context.env.path).is_none() {
        let error = anyhow::anyhow!("no program `{SHELL}` on this host, which ktest scripts need");
        return Err(Failure::new(Exit::SetupMissing, error));
    }
    let path = context.env.absolute(shown);
    let text = host::files::read_text(&path).map_err(hint_less)?;
    let text = text.ok_or_else(|| usage(format!("no ktest script at `{shown}`")))?;
    let checked = run(context, &path, &["-n"], &[])?;
    if !checked.status.success() {
        let line = first_line(&checked.stderr);
        let error = usage(format!("`{shown}` has a syntax error: {line}"));
        return Err(error.hint(format!("bash -n {}", quote(shown))));
    }
    let asked = run(context, &path, &[], &["deps"])?;
    let output = asked.stdout_text();
    let missing = output
        .lines()
        .find_map(|line| line.strip_prefix("kiln_needs="));
    let mut needs = match (Needs::parse(&output), missing) {
        (Some(needs), _) => needs,
        (None, Some(_)) => Needs::unknown(),
        (None, None) => {
            let line = first_line(&asked.stderr);
            let why = "is not a ktest script: `deps` prints neither `MEM=` nor `ktest_mem=`";
            let printed = if line.is_empty() { "" } else { ": " };
            return Err(usage(format!("`{shown}` {why}{printed}{line}")));
        }
    };
    needs.add_nvdimms(&text);
    let arch = kernels::native(project).map_or_else(String::new, |arch| arch.name.clone());
    let mut found = Found {
        skip: missing
            .map(|what| format!("needs {what}"))
            .or_else(|| needs.unsupported(&arch)),
        path: path.clone(),
        shown: shown.to_owned(),
        arch,
        ..Found::default()
    };
    found.programs = programs(context, &needs, &text);
    match needs.form {
        Form::First => {
            found.in_guest = in_cdrom(&path);
            required(context, trees, &needs, &mut found);
        }
        Form::Functions => {
            // A script that cannot list its tests is a single one, which is skipped.
            found.tests = match missing {
                Some(_) => vec![ktest::ALL.to_owned()],
                None => listed(context, &path)?,
            };
            if found.tests.is_empty() {
                return Err(usage(format!("`{shown}` has no function `test_*`")));
            }
            let root = path.ancestors().find(|root| root.join(LIBRARY).is_file());
            let root = root.or(path.parent()).unwrap_or(&path);
            found.in_guest = ktest::in_tree(root, &path);
            found.files = tree(root).map_err(hint_less)?;
        }
    }
    found.files.push((path, found.in_guest.clone()));
    Ok(ktest::tests(&needs, &found, &text))
}

/// The tests that a script lists.
fn listed(context: &Context, script: &Utf8Path) -> Result<Vec<String>, Failure> {
    let listed = run(context, script, &[], &["list-tests"])?.stdout_text();
    Ok(listed.split_whitespace().map(str::to_owned).collect())
}

/// Runs bash on a script.
fn run(
    context: &Context,
    script: &Utf8Path,
    options: &[&str],
    args: &[&str],
) -> Result<Output, Failure> {
    let scratch = context.scratch("ktest")?;
    let file = scratch.path().join("env");
    host::files::write(&file, BASH_ENV.as_bytes()).map_err(hint_less)?;
    let folder = script.parent().unwrap_or(script);
    let command = Command::new(SHELL).args(options).arg(script).args(args);
    let command = command
        .env("BASH_ENV", &file)
        .without_secrets()
        .current_dir(folder);
    command.output(LIMIT).map_err(hinted!(Exit::Usage))
}

/// The programs of this host that a script calls, and those that ktest's own functions call.
fn programs(context: &Context, needs: &Needs, text: &str) -> Vec<String> {
    let shared = PROGRAMS
        .into_iter()
        .filter(|_| needs.form == Form::Functions);
    let wanted: BTreeSet<&str> = shared.chain(ktest::words(text)).collect();
    let is_there = |name: &&str| find_in(name, &context.env.path).is_some();
    let programs = wanted.into_iter().filter(is_there).chain([SHELL]);
    let programs: BTreeSet<&str> = programs.collect();
    programs.into_iter().map(str::to_owned).collect()
}

/// Finds what a script of the first form requires: next to it, on PATH, or in the kernel's source tree.
fn required(context: &Context, trees: &[Utf8PathBuf], needs: &Needs, found: &mut Found) {
    let folder = found.path.parent().unwrap_or(&found.path).to_owned();
    let trees = trees.iter().map(|tree| context.env.absolute(tree));
    let trees: Vec<_> = trees.collect();
    let [files, of_kernel] = needs.required();
    let files = files.into_iter().map(|name| {
        let near = Some(folder.join(&name)).filter(|path| path.is_file());
        let path = near.or_else(|| find_in(&name, &context.env.path));
        let reason =
            format!("`{name}` of REQUIRE is neither next to the script nor on PATH: install it");
        path.ok_or(reason)
    });
    let of_kernel = of_kernel.into_iter().map(|name| {
        let absolute = Some(Utf8PathBuf::from(&name)).filter(|path| path.is_absolute());
        let mut paths = trees.iter().map(|tree| tree.join(&name)).chain(absolute);
        let path = paths.find(|path| path.is_file());
        path.ok_or_else(|| format!("`{name}` of LREQUIRE is not in the tree of `--kernel DIR`"))
    });
    for required in files.chain(of_kernel).collect::<Vec<_>>() {
        if let Ok(path) = &required {
            found.files.push((path.clone(), in_cdrom(path)));
        }
        found.skip = found.skip.take().or(required.err());
    }
}

fn in_cdrom(path: &Utf8Path) -> Utf8PathBuf {
    Utf8Path::new(CDROM).join(path.file_name().unwrap_or_default())
}

/// The files of a tree that its scripts may read, with their paths in the guest.
fn tree(root: &Utf8Path) -> std::io::Result<Vec<(Utf8PathBuf, Utf8PathBuf)>> {
    let is_tree = root.join(LIBRARY).is_file();
    let (mut open, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            let Ok(path) = Utf8PathBuf::try_from(entry.path()) else {
                continue;
            };
            let name = path.file_name().unwrap_or_default();
            let is_at_root = folder == root;
            if name.starts_with('.') {
                continue;
            }
            // A symbolic link to a directory may lead back to one above it.
            if entry.file_type()?.is_dir() {
                let is_wanted = !is_at_root || (is_tree && TREE_FOLDERS.contains(&name));
                open.extend(is_wanted.then_some(path));
            } else if path.is_file() {
                found.push((path.clone(), ktest::in_tree(root, &path)));
            }
        }
    }
    Ok(found)
}

/// The folders of a tree of ktest that its scripts read.
const TREE_FOLDERS: [&str; 2] = ["lib", "tests"];

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    verdict::text::line(text.lines().next().unwrap_or_default().as_bytes())
}

fn hint_less(error: std::io::Error) -> Failure {
    Failure::new(Exit::SetupMissing, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_has_neither_hidden_nor_linked_directories() {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(directory.path()).unwrap();
        for file in [
            LIBRARY,
            "tests/a.ktest",
            "tests/.git/b",
            "tests/.c",
            "doc/d",
        ] {
            host::files::write(&root.join(file), b"").unwrap();
        }
        fs_err::os::unix::fs::symlink("..", root.join("tests/loop")).unwrap();
        fs_err::os::unix::fs::symlink("a.ktest", root.join("tests/link.ktest")).unwrap();
        let mut found: Vec<_> = tree(root).unwrap().into_iter().map(|it| it.1).collect();
        found.sort();
        let expect = ["lib/common.sh", "tests/a.ktest", "tests/link.ktest"];
        assert_eq!(
            found,
            expect.map(|file| Utf8Path::new(ktest::TREE).join(file))
        );
    }
}
