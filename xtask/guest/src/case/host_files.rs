//! Files of the host for the guests of a test: programs, and modules of the kernel.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, ProcessError};
use hostfiles::{Host, HostFilesError, Overlay, Request, append_to};
use plan::arch::Machine;
use suite::Body;
use suite::header::{COMPILER, is_source};
use verdict::outcome::Outcome;

use super::Setting;
/// The image's initramfs with files of the host.
pub(super) struct HostInitramfs {
    /// The path of the file.
    pub(super) path: Utf8PathBuf,
    /// The additional kernel parameter.
    pub(super) parameter: &'static str,
}

/// Creates the initramfs of a test, if its header or the run requests files of the host.
pub(super) fn gather(
    setting: &Setting<'_>,
    machine: &Machine,
) -> Result<Option<HostInitramfs>, Outcome> {
    let header = &setting.test.test.header;
    let needs = header.body.needs();
    let Some(image) = setting.arch.image.as_ref().filter(|_| needs.image) else {
        return Ok(None);
    };
    let has_disks = !header.scratch.is_empty();
    let request = image.host_request(machine, has_disks);
    let programs = header.host.programs.iter().cloned();
    let of_script = match &header.body {
        Body::Ktest(script) => script.files.clone(),
        Body::Guest(_) | Body::Host | Body::Device(..) | Body::Bare(_) | Body::Suite(_) => {
            Vec::new()
        }
    };
    let (sources, programs) = programs.partition(|name| is_source(name));
    let request = Request {
        programs: [request.programs, programs].concat(),
        modules: [request.modules, header.host.modules.clone()].concat(),
        placed: [compile(setting, sources)?, of_script].concat(),
        ..request
    };
    if request.is_empty() {
        return Ok(None);
    }
    let path = setting.scratch.join("host.cpio");
    let Overlay { archive, parameter } = Host::new(&setting.config.path, &setting.config.kiln)
        .and_then(|host| host.overlay(&request))
        .map_err(|error| outcome(&error))?;
    let initrd = image.boot.initrd.as_ref();
    append_to(initrd, &archive, &path).map_err(|error| outcome(&error))?;
    Ok(Some(HostInitramfs { path, parameter }))
}

/// Compiles C files next to the test. Returns each with its destination.
fn compile(
    setting: &Setting<'_>,
    sources: Vec<String>,
) -> Result<Vec<(Utf8PathBuf, Utf8PathBuf)>, Outcome> {
    let folder = setting.test.test.path.parent();
    let folder = folder.unwrap_or(Utf8Path::new("."));
    let programs = sources.into_iter().map(|source| {
        let name = source.trim_end_matches(".c");
        let program = setting.scratch.join(name);
        let broken = |message| Outcome::HarnessError { message };
        let made = host::scratch::create_private(&setting.scratch);
        made.map_err(|error| broken(error.to_string()))?;
        let compiler = Command::new(COMPILER).args(["-O2", "-o"]).arg(&program);
        let compiler = compiler.arg(&source).current_dir(folder);
        let failed = |error: ProcessError| broken(host::causes::one_line(&error));
        compiler.read(COMPILER_WAIT).map_err(failed)?;
        Ok((program, Utf8Path::new("/bin").join(name)))
    });
    programs.collect()
}

/// Time limit for one small program.
const COMPILER_WAIT: Duration = Duration::from_secs(120);

/// A missing module is treated like a missing device of QEMU.
fn outcome(error: &HostFilesError) -> Outcome {
    let text = error.to_string();
    if error.is_absent() {
        return Outcome::Skipped { reason: text };
    }
    let hint = error.hint();
    let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
    Outcome::HarnessError {
        message: text + &hint,
    }
}
