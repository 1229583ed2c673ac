//! The settings and the locks of guests with Debian, as files of the repository.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use plan::diagnostic::Diagnostic;
use plan::digest::Digest;
use plan::distribution::{self, Distribution, DistributionLock};
use qemu::RootDisk;
use start::platform::{ArchRun, System};
use suite::{Selected, Suite};

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::supply::{DISTRIBUTION, Supply};

/// The settings.
pub fn settings(context: &Context) -> Result<Distribution, Failure> {
    let text = text(context, Utf8Path::new(distribution::PATH))?;
    let text = text.ok_or_else(|| {
        let error = anyhow::anyhow!("the repository has no `{}`", distribution::PATH);
        Failure::new(Exit::Usage, error)
    })?;
    Distribution::parse(&text).map_err(|found| failure(context, &found))
}

/// The lock of an architecture, which must have been made from the present settings.
pub fn lock(context: &Context, arch: &str) -> Result<DistributionLock, Failure> {
    let settings = settings(context)?;
    debian_architecture(&settings, arch)?;
    let path = distribution::lock_path(arch);
    let text = text(context, &path)?.ok_or_else(|| {
        let error = anyhow::anyhow!("the repository has no `{path}`");
        Failure::new(Exit::SetupMissing, error).hint(relock(arch))
    })?;
    let lock = DistributionLock::parse(arch, &text).map_err(|found| failure(context, &found))?;
    if lock.settings != settings.digest() {
        let error = anyhow::anyhow!(
            "`{path}` is for other settings than those of `{}`",
            distribution::PATH
        );
        return Err(Failure::new(Exit::Usage, error).hint(relock(arch)));
    }
    Ok(lock)
}

/// Lets the guests of a run boot Debian with the kernel of their image.
pub(crate) fn apply(supply: &Supply<'_>, runs: &mut [ArchRun]) -> Result<(), Failure> {
    let settings = settings(supply.context)?;
    for run in runs {
        let Some(image) = &mut run.image else {
            continue;
        };
        let digest = lock(supply.context, &run.arch.name)?.image.sha256;
        let root = supply.distribution(&run.arch.name, &digest)?;
        image.name = format!("{}+{DISTRIBUTION}-{}", image.name, digest.short());
        image.content = Digest::of(format!("{}\n{digest}\n", image.content).as_bytes());
        image.system = Some(System {
            root: RootDisk {
                image: root.path().to_owned(),
                append: settings.append.clone(),
            },
            memory: settings.memory.clone(),
            boot_timeout_factor: settings.boot_timeout_factor,
        });
    }
    Ok(())
}

/// Refuses tests that need packages of Debian which the locks lack.
pub(crate) fn check(context: &Context, selected: &[Selected<'_>]) -> Result<(), Failure> {
    let mut locks: BTreeMap<&str, DistributionLock> = BTreeMap::new();
    for test in selected {
        let packages = test.test.header.debian.iter().flatten();
        for package in packages {
            let lock = match locks.entry(test.arch) {
                Entry::Occupied(lock) => lock.into_mut(),
                Entry::Vacant(free) => free.insert(lock(context, test.arch)?),
            };
            if !lock.packages.contains_key(package) {
                let path = distribution::lock_path(test.arch);
                let name = test.name();
                let error = anyhow::anyhow!(
                    "`{name}` needs the package `{package}`, which is not in `{path}`"
                );
                return Err(Failure::new(Exit::Usage, error).hint(relock(test.arch)));
            }
        }
    }
    Ok(())
}

/// The packages that tests need in addition to those of the settings.
#[must_use]
pub fn requested(suite: &Suite) -> BTreeSet<String> {
    let tests = suite.tests.iter();
    let packages = tests.filter_map(|test| test.header.debian.as_ref());
    packages.flatten().cloned().collect()
}

/// The command that writes the lock of an architecture.
fn relock(arch: &str) -> String {
    let command = "cargo xtask images --image debian --relock --arch";
    format!("{command} {arch}")
}

/// Debian's name of an architecture.
pub fn debian_architecture<'a>(settings: &'a Distribution, arch: &str) -> Result<&'a str, Failure> {
    let name = settings.architectures.get(arch).map(String::as_str);
    name.ok_or_else(|| {
        let known: Vec<&str> = settings.architectures.keys().map(String::as_str).collect();
        let known = known.join(", ");
        let error = anyhow::anyhow!("no image with Debian for {arch}: expected one of {known}");
        Failure::new(Exit::Usage, error)
    })
}

fn text(context: &Context, path: &Utf8Path) -> Result<Option<String>, Failure> {
    host::files::read_text(&context.root.join(path))
        .map_err(|error| Failure::new(Exit::SetupMissing, error))
}

fn failure(context: &Context, found: &[Diagnostic]) -> Failure {
    context.draw(found, "in the settings of Debian")
}
