//! Prepares the platforms of tests: the QEMU binary and its capabilities, and for guests the image
//! and accelerator, per architecture. Shared by `test`, `boot` and `bench`.

use std::collections::BTreeSet;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::packages;
use plan::Project;
use plan::arch::Arch;
use plan::digest::Digest;
use plan::step::{BARE, IMAGE};
use qemu::accel::AccelRequest;
use qemu::remembered::Question;
use qemu::tools::ToolDirs;
use qemu::{BootFiles, Facts};
use start::platform::{ArchRun, HostPart, Image};
use store::{EntryName, Ready};

use crate::cli::{AccelChoice, GuestArgs};
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::output;
use crate::render;
use crate::supply::{Supply, store_failure};

/// Time limit to probe a QEMU binary.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

/// The architectures of a run whose guests are started.
#[derive(Debug, Clone, Default)]
pub struct Guests {
    /// Those whose image is booted.
    pub boots: Vec<String>,
    /// Those with bare-metal tests.
    pub bare: Vec<String>,
}

impl Guests {
    /// Images alone.
    #[must_use]
    pub fn booting(arches: &[String]) -> Self {
        Self {
            boots: arches.to_vec(),
            bare: Vec::new(),
        }
    }
}

/// Everything that a run needs per architecture. Images are only prepared for those in `boots`.
pub fn prepare(
    supply: &Supply<'_>,
    args: &GuestArgs,
    guests: &Guests,
) -> Result<Vec<ArchRun>, Failure> {
    // QEMU comes first, because an image is useless without it.
    let binaries = supply
        .arches
        .iter()
        .map(|name| locate(supply, name, args))
        .collect::<Result<Vec<_>, _>>()?;
    let mut images = supply.provided(IMAGE, &guests.boots)?;
    let mut bare = supply.provided(BARE, &guests.bare)?;
    let asked: Vec<Result<ArchRun, Failure>> = std::thread::scope(|scope| {
        let threads: Vec<_> = binaries
            .into_iter()
            .map(|(arch, binary)| {
                let image = images.remove(&arch.name);
                let bare = bare.remove(&arch.name).map(|ready| ready.path());
                scope.spawn(move || {
                    let run = platform(supply, arch, binary, image.as_ref(), args)?;
                    Ok(ArchRun { bare, ..run })
                })
            })
            .collect();
        let lost = || Failure::new(Exit::Failed, anyhow::anyhow!("a probing thread panicked"));
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(lost())))
            .collect()
    });
    asked.into_iter().collect()
}

/// The facts about a QEMU without a boot.
pub(crate) struct Known {
    /// Its capabilities.
    pub(crate) facts: Facts,
    /// The tools that were built with it.
    pub(crate) tools: ToolDirs,
}

/// The facts about the QEMU of each architecture, which need no image.
pub(crate) fn known(
    supply: &Supply<'_>,
    args: &GuestArgs,
) -> Result<Vec<(String, Known)>, Failure> {
    let asked = supply.arches.iter().map(|name| {
        let (arch, binary) = locate(supply, name, args)?;
        let known = Known {
            facts: facts(supply, arch, &binary)?,
            tools: tools(supply.context, args, &binary),
        };
        Ok((name.clone(), known))
    });
    asked.collect()
}

/// The tools of a QEMU. Those on PATH belong to a QEMU on PATH.
fn tools(context: &Context, args: &GuestArgs, binary: &Utf8Path) -> ToolDirs {
    let is_named = context.qemu(args.qemu.as_ref()).is_some();
    ToolDirs::of(binary, (!is_named).then_some(&context.env.path))
}

/// Skips the architectures that the user's QEMU was not built for, with a note, because a
/// developer's tree rarely has all targets. If it has none, all are kept and the later search
/// reports the error.
pub(crate) fn keep_built(
    context: &Context,
    project: &Project,
    args: &GuestArgs,
    arches: &mut Vec<String>,
) {
    let Some(place) = &context.qemu(args.qemu.as_ref()) else {
        return;
    };
    // The target of a file may be unknown. The later search reports the error.
    let target = place.is_file().then(|| target(context, place)).flatten();
    let built = |name: &String| {
        let arch = project.arches.get(name);
        arch.is_some_and(|arch| match &target {
            Some(target) => qemu::binary::target(&arch.qemu) == target,
            None => qemu::binary::locate(Some(place), &arch.qemu).is_ok(),
        })
    };
    let (there, absent): (Vec<String>, Vec<String>) = arches.drain(..).partition(built);
    if there.is_empty() {
        *arches = absent;
        return;
    }
    for name in absent {
        output::note(format!("{name}: skipped, `{place}` has no QEMU for it"));
    }
    *arches = there;
}

/// Leaves out the architectures whose QEMU is not on PATH, or not in the directory that was named. Notes
/// state which, and how to install what they lack.
pub(crate) fn keep_installed(
    context: &Context,
    project: &Project,
    args: &GuestArgs,
    arches: &mut Vec<String>,
) -> Result<(), Failure> {
    if context.qemu(args.qemu.as_ref()).is_some() {
        keep_built(context, project, args, arches);
        return Ok(());
    }
    let binary = |name: &String| project.arches[name].qemu.binary.clone();
    let is_here = |name: &String| host::tools::find(&binary(name)).is_some();
    let (present, absent): (Vec<String>, Vec<String>) = arches.drain(..).partition(is_here);
    *arches = present;
    let missing: BTreeSet<String> = absent.iter().map(binary).collect();
    let missing: Vec<String> = missing.into_iter().collect();
    if missing.is_empty() {
        return Ok(());
    }
    for name in &absent {
        let binary = binary(name);
        output::note(format!("{name}: skipped, `{binary}` is not installed"));
    }
    let facts = packages::gather(&missing, &context.env).map_err(hinted!(Exit::SetupMissing))?;
    let setup = packages::plan_setup(&missing, &facts);
    for note in &setup.notes {
        output::note(note);
    }
    for command in setup.commands() {
        output::note(format!("to install: {command}"));
    }
    Ok(())
}

fn target(context: &Context, binary: &Utf8Path) -> Option<String> {
    let scratch = context.scratch("probe").ok()?;
    let binary = context.env.absolute(binary);
    qemu::probe::target(&binary, scratch.path(), PROBE_LIMIT).ok()
}

/// Describes the QEMU of a run.
pub(crate) fn describe(run: &ArchRun) -> String {
    render::test::platform(&run.platform())
}

fn locate<'a>(
    supply: &'a Supply<'_>,
    name: &str,
    args: &GuestArgs,
) -> Result<(&'a Arch, Utf8PathBuf), Failure> {
    let arch = supply.project.arches.get(name).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            anyhow::anyhow!("unknown architecture `{name}`"),
        )
    })?;
    let place = supply.context.qemu(args.qemu.as_ref());
    let binary = qemu::binary::locate(place.as_deref(), &arch.qemu).map_err(qemu_failure)?;
    Ok((arch, binary))
}

fn platform(
    supply: &Supply<'_>,
    arch: &Arch,
    binary: Utf8PathBuf,
    image: Option<&Ready>,
    args: &GuestArgs,
) -> Result<ArchRun, Failure> {
    let context = supply.context;
    let mut run = ArchRun {
        facts: facts(supply, arch, &binary)?,
        arch: context.with_machines(arch),
        tools: tools(context, args, &binary),
        binary,
        accel: qemu::Accel::Tcg,
        image: None,
        bare: None,
    };
    if let Some(image) = image {
        let boot = boot_files(image)?;
        run.accel = accelerator(supply, &run, &boot, args.accel)?;
        run.image = Some(Image {
            name: image.name().to_string(),
            directory: image.path(),
            boot,
            content: content(image),
            kernel: None,
            host: HostPart::default(),
            system: None,
        });
    }
    if run.accel == qemu::Accel::Kvm {
        // The stored facts about CPU models are for the default accelerator.
        let scratch = context.scratch("probe")?;
        run.facts.cpus = qemu::probe::cpus(&run.binary, run.accel, scratch.path(), PROBE_LIMIT)
            .map_err(qemu_failure)?;
    }
    Ok(run)
}

/// Determines the accelerator of guests.
fn accelerator(
    supply: &Supply<'_>,
    run: &ArchRun,
    boot: &BootFiles,
    accel: AccelChoice,
) -> Result<qemu::Accel, Failure> {
    let context = supply.context;
    let request = match accel {
        AccelChoice::Auto => AccelRequest::Auto,
        AccelChoice::Tcg => AccelRequest::Tcg,
        AccelChoice::Kvm => AccelRequest::Kvm,
    };
    let trial = guest::accel::Trial {
        arch: &run.arch,
        boot,
        binary: &run.binary,
        facts: &run.facts,
        temp_dir: &verdict::runs::run_dir::temp_dir(&context.env),
        verdicts: &supply.store.probe_dir(),
    };
    let (accel, why) =
        guest::accel::choose(request, &trial).map_err(hinted!(Exit::SetupMissing))?;
    if let Some(why) = why.filter(|_| !context.global.quiet) {
        output::note(format!("{}: {why}", run.arch.name));
    }
    Ok(accel)
}

/// The kernel with symbols that a build from source stores. It is not part of an image.
pub(crate) fn symbols(supply: &Supply<'_>, arch: &str) -> Result<Option<Utf8PathBuf>, Failure> {
    let (_, step) = supply.step("linux", arch)?;
    let entry = supply.store.entry(&EntryName::image(step.key));
    let ready = entry.map_err(store_failure)?.ready();
    let kernel = ready.map(|ready| ready.path().join("vmlinux"));
    Ok(kernel.filter(|path| path.is_file()))
}

/// A digest of the contents of an image.
fn content(image: &Ready) -> Digest {
    let files = image.meta().files.iter();
    let files = files.map(|(name, file)| format!("{name} {}\n", file.sha256));
    Digest::of(files.collect::<String>().as_bytes())
}

/// Kernel and initramfs of an image, with the device tree where it has one.
pub(crate) fn boot_files(image: &Ready) -> Result<BootFiles, Failure> {
    let file = |name: &str| {
        image.file(name).ok_or_else(|| {
            Failure::new(
                Exit::Failed,
                anyhow::anyhow!("missing `{name}` in the image at `{}`", image.path()),
            )
        })
    };
    Ok(BootFiles {
        kernel: file("kernel")?,
        initrd: Some(file("initramfs.cpio")?),
        device_tree: image.file("device-tree"),
    })
}

/// The capabilities of a binary. Refuses one for another target.
fn facts(supply: &Supply<'_>, arch: &Arch, binary: &Utf8Path) -> Result<Facts, Failure> {
    let facts = known_facts(supply, arch, binary)?;
    let expected = qemu::binary::target(&arch.qemu);
    if facts.target == expected {
        return Ok(facts);
    }
    Err(qemu_failure(qemu::QemuError::Target {
        binary: binary.to_owned(),
        expected: expected.to_owned(),
        found: facts.target,
    }))
}

/// The capabilities of a binary, cached in the store.
fn known_facts(supply: &Supply<'_>, arch: &Arch, binary: &Utf8Path) -> Result<Facts, Failure> {
    let context = supply.context;
    let machines = arch.qemu.machines.values();
    let machines: Vec<&str> = machines.map(|machine| machine.name.as_str()).collect();
    let environment = format!("{:?}", context.env.loader);
    let question = Question {
        binary,
        machines: &machines,
        environment: &environment,
    };
    let scratch = context.scratch("probe")?;
    let answer = question
        .answer(&supply.store.probe_dir(), || {
            qemu::probe::ask(binary, &machines, scratch.path(), PROBE_LIMIT)
        })
        .map_err(qemu_failure)?;
    if let Some(file) = &answer.remembered {
        supply.store.touch(file);
    }
    let facts = answer.facts;
    for (subject, why) in facts.unanswered.iter().filter(|_| !context.global.quiet) {
        output::note(format!(
            "{}: failed to query QEMU about {subject}: {why}",
            arch.name
        ));
    }
    Ok(facts)
}

/// A QEMU that is missing or cannot be probed is a setup error.
pub(crate) fn qemu_failure(error: qemu::QemuError) -> Failure {
    let hint = error.hint();
    Failure::new(Exit::SetupMissing, error).hint(hint)
}
