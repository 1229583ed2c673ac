//! The config of a kernel for Kiln's guests: the options of Kiln's own kernel, those that tests require, and
//! the fragments of the command line.

use camino::{Utf8Path, Utf8PathBuf};
use kernel::Fragments;
use plan::Project;
use plan::arch::Arch;

use crate::cli::kernel::TreeArgs;
use crate::command::test;
use crate::context::{ALL, Context};
use crate::exit::{Exit, Failure};
use crate::kernels;
use crate::ktest;

/// The fragments of Kiln's own kernel in the repository; the later one wins.
fn own(arch: &Arch) -> Vec<Utf8PathBuf> {
    let directory = Utf8Path::new("images");
    let small = arch.linux.small.then_some("common/linux-small.fragment");
    let common = ["common/linux-common.fragment"].into_iter().chain(small);
    let target = directory.join(&arch.name).join("linux.fragment");
    common
        .map(|file| directory.join(file))
        .chain([target])
        .collect()
}

/// Whether a requested option is one of Kiln's own kernel.
#[must_use]
pub fn is_own(arch: &Arch, origin: &str) -> bool {
    own(arch).iter().any(|file| file == origin)
}

/// The frozen config of Kiln's own kernel.
#[must_use]
pub fn frozen(context: &Context, arch: &Arch) -> Utf8PathBuf {
    context
        .root
        .join("images")
        .join(&arch.name)
        .join("linux.config")
}

/// The architecture of a kernel: the selected one, or that of this host.
pub fn arch<'a>(
    context: &Context,
    project: &'a Project,
    args: &TreeArgs,
) -> Result<&'a Arch, Failure> {
    let requested = match args.source.arch.as_slice() {
        [] => kernels::native(project),
        [one] if one != ALL => {
            let arches = context.arches(project, &args.source.arch)?;
            arches.first().and_then(|name| project.arches.get(name))
        }
        _ => None,
    };
    requested.ok_or_else(|| {
        let first = project.arches.keys().next().cloned().unwrap_or_default();
        let error = anyhow::anyhow!("expected exactly one `--arch`");
        Failure::new(Exit::Usage, error).hint(format!("--arch {first}"))
    })
}

/// All requested options of a kernel.
pub fn fragments(
    context: &Context,
    project: &Project,
    arch: &Arch,
    args: &TreeArgs,
) -> Result<Fragments, Failure> {
    let usage = |error: anyhow::Error| Failure::new(Exit::Usage, error);
    let mut all = Fragments::default();
    let add = |all: &mut Fragments, path: &Utf8Path, shown: &Utf8Path| {
        let text = host::files::read_text(path).map_err(|error| usage(error.into()))?;
        let text = text.ok_or_else(|| usage(anyhow::anyhow!("no config fragment at `{shown}`")))?;
        all.add(&text, shown.as_str())
            .map_err(|error| usage(error.into()))
    };
    for file in own(arch) {
        add(&mut all, &context.root.join(&file), &file)?;
    }
    let arches = [arch.name.clone()];
    let mut suite = test::load(context, &arches)?;
    for tests in ktest::load(
        context,
        project,
        &args.ktest,
        std::slice::from_ref(&args.src),
    )? {
        suite.add(tests);
    }
    for test in suite.tests.iter().filter(|test| test.is_for(&arch.name)) {
        for option in test.header.kernel_options() {
            all.require(&option, &test.name());
        }
    }
    for file in &args.config {
        add(&mut all, &context.env.absolute(file), file)?;
    }
    Ok(all)
}
