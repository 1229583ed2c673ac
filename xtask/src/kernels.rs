//! `--kernel DIR|FILE`: boots the kernel of a build tree instead of the image's own, in guests of
//! its architecture.

use std::sync::Arc;

use camino::Utf8Path;
use guest::accel::is_native;
use guest::login;
use hostfiles::{Host, HostFilesError, Modules, Overlay, Request, append_to};
use kernel::{Kernel, KernelError, KernelFile, Target};
use plan::Project;
use plan::arch::{Arch, Machine};
use plan::digest::Digest;
use plan::step::IMAGE;
use qemu::BootFiles;
use start::platform::{ArchRun, HostPart, OwnKernel};

use crate::cli::SourceArgs;
use crate::cli::boot::HostArgs;
use crate::context::Context;
use crate::distribution;
use crate::exit::{Exit, Failure};
use crate::platforms;
use crate::supply::Supply;

/// The first architecture whose programs this host runs.
pub(crate) fn native(project: &Project) -> Option<&Arch> {
    let mut arches = project.arches.values();
    arches.find(|arch| is_native(arch))
}

/// Keeps the architectures that a kernel was built for, where the command line names none.
fn keep_matching(
    context: &Context,
    project: &Project,
    place: &Utf8Path,
    arches: &mut Vec<String>,
) -> Result<(), Failure> {
    let source = SourceArgs::of(arches);
    let supply = Supply::open(context, &source)?;
    let images = supply.at_hand(IMAGE, arches)?;
    let place = context.env.absolute(place);
    let (mut refused, mut matching) = (Vec::new(), Vec::new());
    for (name, image) in &images {
        let boot = platforms::boot_files(image)?;
        let Some(arch) = project.arches.get(name) else {
            continue;
        };
        match kernel::find(&place, arch, target(&boot.kernel)?) {
            // An unsuitable config is reported just before the boot.
            Ok(_) | Err(KernelError::Config { .. }) => matching.push(name.clone()),
            Err(error) => refused.push(error),
        }
    }
    if matching.is_empty()
        && let Some(error) = kernel::summary(refused)
    {
        return Err(failure(error));
    }
    *arches = matching;
    Ok(())
}

/// Keeps the architectures that a kernel was built for, for guests of this host's files its own, and
/// those that Debian supports.
pub(crate) fn narrow(
    context: &Context,
    project: &Project,
    (kernel, host): (Option<&Utf8Path>, &HostArgs),
    arches: &mut Vec<String>,
) -> Result<(), Failure> {
    if host.is_host_image() || !host.program.is_empty() {
        arches.retain(|name| {
            let arch = project.arches.get(name);
            arch.is_some_and(is_native)
        });
    }
    if host.is_debian() {
        let settings = distribution::settings(context)?;
        arches.retain(|name| settings.architectures.contains_key(name));
    }
    match kernel {
        Some(kernel) => keep_matching(context, project, kernel, arches),
        None => Ok(()),
    }
}

/// What a guest with a shell for a person boots on a machine: kernel, initramfs, and what its kernel
/// command line needs. A guest of this host's files has the host's shell.
pub(crate) fn login(
    context: &Context,
    run: &ArchRun,
    (machine, is_host): (&Machine, bool),
    folder: &Utf8Path,
) -> Result<(BootFiles, &'static str), Failure> {
    let setup = |error| Failure::new(Exit::SetupMissing, error);
    let boot = run
        .boot()
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let (mut boot, mut parameter) = (boot.clone(), "");
    if let Some(image) = run.image.as_ref().filter(|image| image.system.is_none()) {
        let has_bash = host::tools::find_in(BASH, &context.env.path).is_some();
        let shell = if has_bash { BASH } else { "sh" };
        let mut request = image.host_request(machine, false);
        request.shell = Some(shell).filter(|_| is_host);
        let overlay = overlay(context, &request)?;
        let file = folder.join("host.cpio");
        append_to(boot.initrd.as_ref(), &overlay.archive, &file).map_err(host_failure)?;
        boot.initrd = Some(file);
        parameter = overlay.parameter;
    }
    // A distribution has its own login.
    let is_own = run
        .image
        .as_ref()
        .is_some_and(|image| image.system.is_none());
    if let Some(initrd) = boot.initrd.as_mut().filter(|_| is_own) {
        *initrd = login::initramfs(initrd, folder).map_err(setup)?;
    }
    Ok((boot, parameter))
}

/// The shell that people expect.
const BASH: &str = "bash";

/// Gives the guests of a run what its flags name: a kernel, files of the host, or Debian.
pub(crate) fn apply(
    supply: &Supply<'_>,
    runs: &mut [ArchRun],
    kernel: Option<&Utf8Path>,
    host: &HostArgs,
) -> Result<(), Failure> {
    let (context, is_host) = (supply.context, host.is_host_image());
    if host.is_debian() && (!host.program.is_empty() || !host.module.is_empty()) {
        let error = anyhow::anyhow!("a guest with Debian gets no files of this host");
        let hint = "`debian.packages` in the header of a test adds packages";
        return Err(Failure::new(Exit::Usage, error).hint(Some(hint.to_owned())));
    }
    let foreign = runs.iter().find(|run| !is_native(&run.arch));
    if let Some(run) = foreign.filter(|_| is_host || !host.program.is_empty()) {
        let name = &run.arch.name;
        let error = anyhow::anyhow!("the programs of this host are not for {name}");
        return Err(Failure::new(Exit::Usage, error));
    }
    let installed = match kernel {
        None if is_host => Some(
            hostfiles::newest(Utf8Path::new("/"))
                .map_err(host_failure)?
                .path,
        ),
        kernel => kernel.map(Utf8Path::to_owned),
    };
    if let Some(kernel) = installed {
        replace(context, runs, &kernel)?;
    }
    if host.is_debian() {
        return distribution::apply(supply, runs);
    }
    for run in runs {
        let Some(image) = &mut run.image else {
            continue;
        };
        if !host.module.is_empty() && image.modules().is_none() {
            let error = anyhow::anyhow!("the kernel that boots has no modules");
            let hint = "--image host, or --kernel with a build tree or an installed kernel";
            return Err(Failure::new(Exit::Usage, error).hint(Some(hint.to_owned())));
        }
        image.host = HostPart {
            programs: host.program.clone(),
            modules: host.module.clone(),
            loads_drivers: is_host,
        };
        let profile = &run.arch.qemu;
        let Some(machine) = profile.machines.get(&profile.machine) else {
            continue;
        };
        // What is missing for every guest is an error of the run.
        overlay(context, &image.host_request(machine, false))?;
    }
    Ok(())
}

/// The archive of what guests get of this host.
fn overlay(context: &Context, request: &Request<'_>) -> Result<Overlay, Failure> {
    if request.is_empty() {
        return Ok(Overlay::default());
    }
    let host = Host::new(&context.env.path, &context.env.own_program());
    let overlay = host.and_then(|host| host.overlay(request));
    overlay.map_err(host_failure)
}

/// Something of this host that cannot go into a guest.
fn host_failure(error: HostFilesError) -> Failure {
    let hint = error.hint();
    Failure::new(Exit::SetupMissing, error).hint(hint)
}

/// The modules of a kernel: those of its build tree, or those that are installed for its release.
fn modules(place: &Utf8Path, version: &str) -> std::io::Result<Option<Arc<Modules>>> {
    let modules = if place.is_dir() {
        Modules::built(place)?
    } else {
        Modules::installed(Utf8Path::new("/"), version)?
    };
    Ok(modules.is_known().then(|| Arc::new(modules)))
}

/// Lets guests boot a kernel in place of their image's own.
fn replace(context: &Context, runs: &mut [ArchRun], place: &Utf8Path) -> Result<(), Failure> {
    let place = context.env.absolute(place);
    for run in runs {
        let Some(image) = &mut run.image else {
            continue;
        };
        let found = kernel::find(&place, &run.arch, target(&image.boot.kernel)?);
        let Kernel {
            path,
            file,
            symbols,
        } = found.map_err(failure)?;
        let (_, digest) =
            store::digest_file(&path).map_err(|error| Failure::new(Exit::SetupMissing, error))?;
        let version = file.version.unwrap_or_else(|| digest.short());
        image.name = format!("{}+kernel-{}", image.name, digest.short());
        // Templates of guests with the image's own kernel do not apply.
        image.content = Digest::of(format!("{}\n{digest}\n", image.content).as_bytes());
        let modules = modules(&place, &version);
        let config = if place.is_dir() {
            place.join(".config")
        } else {
            format!("/boot/config-{version}").into()
        };
        image.kernel = Some(OwnKernel {
            config,
            name: format!("{version} ({path})"),
            symbols,
            modules: modules.map_err(|error| Failure::new(Exit::SetupMissing, error))?,
        });
        image.boot.kernel = path;
    }
    Ok(())
}

/// The target of an image's own kernel.
fn target(kernel: &Utf8Path) -> Result<Target, Failure> {
    let bytes =
        host::files::read(kernel).map_err(|error| Failure::new(Exit::SetupMissing, error))?;
    let file = KernelFile::identify(&bytes);
    let unknown = || failure(KernelError::Format(kernel.to_owned()));
    Ok(file.ok_or_else(unknown)?.target)
}

/// `git bisect` skips a kernel that is missing or lacks drivers of a guest, but not a file that can
/// never be booted.
fn failure(error: KernelError) -> Failure {
    let exit = match error {
        KernelError::NotBuilt { .. }
        | KernelError::Stale { .. }
        | KernelError::Config { .. }
        | KernelError::Io(_) => Exit::SetupMissing,
        KernelError::Absent(_) | KernelError::Format(_) | KernelError::Target { .. } => Exit::Usage,
    };
    let hint = error.hint();
    Failure::new(exit, error).hint(hint)
}
