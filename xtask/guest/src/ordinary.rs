//! An ordinary boot: QEMU's default machine, firmware and devices, compressed files, and the
//! console as the only channel. `bench boot` compares it with a test of Kiln.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use plan::arch::OrdinaryKernel;
use qemu::launch::argv::Fds;
use qemu::vm::ProcessSpec;
use qemu::{BootFiles, QemuError, Vm};
use session::fold::Happened;
use session::protocol::Call;
use session::{Handover, Host, Policy, Replies, conduct};
use suite::header::Channel;
use suite::{Suite, TestFile};
use verdict::outcome::{Outcome, STATUS_HARD_ERROR};

use crate::case::Library;
use start::platform::ArchRun;

/// Time limit of an ordinary boot.
const LIMIT: Duration = Duration::from_secs(120);

/// Kernel and initramfs in compressed form. Generated files are written to `dir`.
pub fn files(run: &ArchRun, dir: &Utf8Path) -> io::Result<BootFiles> {
    let zipped = |path: &Utf8Path, name: &str| -> io::Result<Utf8PathBuf> {
        let packed = dir.join(format!("{}-{name}.gz", run.arch.name));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&fs_err::read(path)?)?;
        fs_err::write(&packed, encoder.finish()?)?;
        Ok(packed)
    };
    let boot = run.boot().map_err(io::Error::other)?;
    let initrd = boot.initrd.as_deref();
    let initrd = initrd.map(|initrd| zipped(initrd, "initramfs"));
    let kernel = match run.arch.qemu.ordinary.kernel {
        OrdinaryKernel::Plain => boot.kernel.clone(),
        OrdinaryKernel::Compressed => boot.kernel.with_file_name("compressed"),
        OrdinaryKernel::Gzip => zipped(&boot.kernel, "kernel")?,
    };
    let initrd = initrd.transpose()?;
    Ok(BootFiles {
        kernel,
        initrd,
        device_tree: boot.device_tree.clone(),
    })
}

/// The variables of a run that the guest's library reads. All are empty: the test calls no helper that
/// needs a value.
const VARIABLES: [&str; 9] = [
    "KILN_BITS",
    "KILN_CALLS_ITSELF",
    "KILN_ENDIAN",
    "KILN_SHELL_ON_FAIL",
    "KILN_SLOT_CONNECTOR",
    "KILN_SLOT_ENTRY",
    "KILN_STDIN",
    "KILN_WAIT",
    "QEMU_TEST",
];

/// The handover of a test without choices, as in a run.
pub fn handover(suite: &Suite, test: &TestFile) -> io::Result<Handover> {
    let run = "/kiln/run".to_owned();
    let library = Library::read(&suite.dir)?;
    Ok(Handover {
        files: vec![
            ("/kiln/test".to_owned(), 0o755, fs_err::read(&test.path)?),
            (run.clone(), 0o755, library.guest),
        ],
        environment: VARIABLES
            .map(|name| (name.to_owned(), String::new()))
            .into(),
        run,
    })
}

/// Boots and runs the test over the console. Returns its outcome and the console output.
pub fn boot(
    run: &ArchRun,
    files: &BootFiles,
    handover: &Handover,
    dir: &Utf8Path,
) -> Result<(Outcome, Vec<u8>), QemuError> {
    let spec = ProcessSpec {
        binary: &run.binary,
        run_dir: dir,
        directory: dir,
    };
    let mut vm = Vm::spawn_with(spec, false, |fds| argv(run, files, fds))?;
    let policy = Policy::alone(Channel::Console, LIMIT);
    let mut listener = Listener(Vec::new());
    let outcome = conduct(&mut vm, &policy, handover, &mut listener).outcome;
    Ok((outcome, listener.0))
}

fn argv(run: &ArchRun, files: &BootFiles, fds: Fds) -> Vec<String> {
    let ordinary = &run.arch.qemu.ordinary;
    let mut argv = ordinary.args.clone();
    let mut pair = |option: &str, value: String| argv.extend([option.to_owned(), value]);
    pair("-accel", run.accel.as_str().to_owned());
    pair("-m", run.arch.qemu.memory.clone());
    pair("-display", "none".to_owned());
    pair("-kernel", files.kernel.to_string());
    if let Some(initrd) = &files.initrd {
        pair("-initrd", initrd.to_string());
    }
    if let Some(device_tree) = &files.device_tree {
        pair("-dtb", device_tree.to_string());
    }
    pair(
        "-append",
        format!("{} kiln.channel=console", ordinary.append),
    );
    pair("-chardev", format!("socket,id=kiln-qmp,fd={}", fds.qmp));
    pair("-mon", "chardev=kiln-qmp,mode=control".to_owned());
    pair(
        "-chardev",
        format!("socket,id=kiln-console,fd={}", fds.console),
    );
    pair("-serial", "chardev:kiln-console".to_owned());
    argv
}

/// Collects the console output and ignores everything else.
struct Listener(Vec<u8>);

impl Host for Listener {
    fn output(&mut self, _: &[u8]) {}

    fn control(&mut self, _: &[u8]) {}

    fn console(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    fn note(&mut self, _: String) {}

    fn call(&mut self, _: &Call, _: &Arc<Replies>) -> Option<(i32, String)> {
        Some((STATUS_HARD_ERROR, String::new()))
    }

    fn stop(&mut self) -> Option<Happened> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_the_library_is_set() {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let library = Library::read(&root.join("guest-tests")).unwrap();
        let library = String::from_utf8(library.guest).unwrap();
        let names = library.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let read = names.filter(|name| name.starts_with("KILN_") || *name == "QEMU_TEST");
        let read: std::collections::BTreeSet<&str> = read.collect();
        assert!(read.len() > 3, "{read:?}");
        for name in read {
            assert!(VARIABLES.contains(&name), "{name}");
        }
    }
}
