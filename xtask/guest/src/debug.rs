//! Debugging options of a run: additional options for QEMU, and instructions for the user.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use attach::GDB;
use camino::{Utf8Path, Utf8PathBuf};
use host::process::command::quote;
use host::wait::{self, Limit, NotReceived};
use plan::arch::{Arch, Endian};

use script::standalone::Recorder;

/// The default enables nothing.
#[derive(Debug, Clone, Default)]
pub struct Debug {
    /// Records the actions of the test for its export.
    pub recorder: Option<Arc<Recorder>>,
    /// Makes QEMU wait for a debugger.
    pub gdb: Option<Gdb>,
    /// Adds a second monitor for the user.
    pub monitor: Option<Monitor>,
    /// Patterns of QEMU's trace events to log.
    pub trace: Vec<String>,
    /// The `strace` that QEMU runs under.
    pub strace: Option<Utf8PathBuf>,
    /// Lets QEMU write a core dump when it crashes.
    pub core_dumps: bool,
    /// Offers shells to `cargo xtask shell`.
    pub shell: bool,
    /// The keyboard of the user who gets a shell in a guest whose script failed.
    pub keyboard: Option<Arc<Keyboard>>,
}

/// The user's input, for the guest that reads it.
#[derive(Debug)]
pub struct Keyboard(Mutex<Receiver<Vec<u8>>>);

impl Keyboard {
    /// Reads from a channel.
    #[must_use]
    pub fn new(keys: Receiver<Vec<u8>>) -> Self {
        Self(Mutex::new(keys))
    }

    /// Forwards the input until the receiver is gone or the input ends.
    pub(crate) fn pass_on(
        &self,
        mut to: impl std::io::Write,
        is_over: impl Fn() -> bool,
    ) -> std::io::Result<()> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_over() {
            match wait::receive(&keys, Limit::unless(&is_over)) {
                Ok(bytes) => to.write_all(&bytes)?,
                Err(NotReceived::GaveUp(_)) => break,
                // The end-of-file key would be lost in a shell that has not started yet.
                Err(NotReceived::Closed) => return to.write_all(b"exit\n"),
            }
        }
        Ok(())
    }
}

/// A debugger for the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gdb {
    /// The program.
    pub program: String,
    /// Kernels with symbols by architecture, if available.
    pub symbols: BTreeMap<String, Utf8PathBuf>,
}

/// The language of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monitor {
    /// The human monitor.
    Hmp,
    /// QMP.
    Qmp,
}

/// The directories of one QEMU's sockets and logs.
#[derive(Debug, Clone, Copy)]
pub struct DebugPaths<'a> {
    /// For sockets.
    pub run_dir: &'a Utf8Path,
    /// The directory of logs, which is kept.
    pub logs: &'a Utf8Path,
    /// Suffix of log names: empty for a test's first guest, then `.2` and so on.
    pub suffix: &'a str,
}

impl Debug {
    /// Whether the user decides when the test ends, so that no limit applies.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.is_held() || self.keyboard.is_some()
    }

    /// Whether QEMU waits for the user to attach before its guest runs.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.gdb.is_some() || self.monitor.is_some()
    }

    /// Whether guests offer shells to `cargo xtask shell`. A guest that a user examines always does.
    #[must_use]
    pub fn offers_shell(&self) -> bool {
        self.shell || self.is_unlimited()
    }

    /// Additional options for QEMU.
    #[must_use]
    pub fn options(&self, paths: DebugPaths<'_>) -> Vec<String> {
        let mut options = Vec::new();
        let mut pair = |option: &str, value: String| options.extend([option.to_owned(), value]);
        let socket = |name| paths.run_dir.join(name).as_str().replace(',', ",,");
        if self.gdb.is_some() {
            let socket = socket(GDB);
            pair("-gdb", format!("unix:{socket},server=on,wait=off"));
        }
        if let Some(monitor) = self.monitor {
            let (id, socket) = ("kiln-monitor", socket(MONITOR));
            let chardev = format!("socket,id={id},path={socket},server=on,wait=off");
            pair("-chardev", chardev);
            pair("-mon", format!("chardev={id},mode={}", monitor.mode()));
        }
        let log = trace_log(paths);
        for pattern in &self.trace {
            let pattern = pattern.replace(',', ",,");
            let log = log.as_str().replace(',', ",,");
            pair("-trace", format!("enable={pattern},file={log}"));
        }
        options
    }

    /// The instructions for the user: commands to type in a terminal.
    #[must_use]
    pub fn lines(&self, arch: &Arch, paths: DebugPaths<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(gdb) = &self.gdb {
            lines.push(gdb.line(arch, &paths.run_dir.join(GDB)));
        }
        if self.monitor.is_some() {
            let socket = quote(paths.run_dir.join(MONITOR));
            lines.push(format!("socat -,icanon=0,echo=0 UNIX-CONNECT:{socket}"));
            if self.gdb.is_none() {
                lines.push("the guest waits for `cont` in this monitor".to_owned());
            }
        }
        if !self.trace.is_empty() {
            lines.push(format!("trace events: {}", trace_log(paths)));
        }
        if self.strace.is_some() {
            lines.push(format!("system calls: {}", strace_log(paths)));
        }
        lines
    }

    /// A note after QEMU has exited: a valid pattern may not match any event of the used devices.
    #[must_use]
    pub fn afterwards(&self, logs: &Utf8Path, suffix: &str) -> Option<String> {
        let log = trace_log(DebugPaths {
            run_dir: logs,
            logs,
            suffix,
        });
        let is_empty = fs_err::metadata(&log).map_or(true, |file| file.len() == 0);
        let named = self.trace.join("`, `");
        (!self.trace.is_empty() && is_empty)
            .then(|| format!("no trace event of `{named}` happened: {log} is empty"))
    }

    /// Writes the program that starts a QEMU under strace, or with core dumps, if requested.
    pub fn wrapper(
        &self,
        binary: &Utf8Path,
        paths: DebugPaths<'_>,
    ) -> std::io::Result<Option<Utf8PathBuf>> {
        if self.strace.is_none() && !self.core_dumps {
            return Ok(None);
        }
        let mut script = "#!/bin/sh\n".to_owned();
        if self.core_dumps {
            // As much as the host allows.
            script.push_str("ulimit -c \"$(ulimit -H -c)\"\n");
        }
        script.push_str("exec ");
        if let Some(strace) = &self.strace {
            let [strace, log] = [strace, &strace_log(paths)].map(quote);
            script.push_str(&[strace.as_str(), " -f -tt -o ", log.as_str(), " "].concat());
        }
        script.push_str(&[quote(binary).as_str(), " \"$@\"\n"].concat());
        let path = paths.run_dir.join("start-qemu");
        host::files::write_program(&path, script.as_bytes())?;
        Ok(Some(path))
    }
}

const MONITOR: &str = "monitor";

impl Gdb {
    /// The command that attaches to a QEMU's socket, for a shell.
    #[must_use]
    pub fn line(&self, arch: &Arch, socket: &Utf8Path) -> String {
        host::process::command::quote_line(&self.command(arch, socket))
    }

    /// The command that attaches to a QEMU's socket.
    #[must_use]
    pub fn command(&self, arch: &Arch, socket: &Utf8Path) -> Vec<String> {
        let mut words = vec![self.program.clone(), "-q".to_owned()];
        words.extend(self.symbols.get(&arch.name).map(ToString::to_string));
        if let Some(name) = &arch.gdb {
            words.extend(["-ex".to_owned(), format!("set architecture {name}")]);
        }
        // QEMU does not report it, and without symbols gdb guesses wrong if guest and host differ.
        let endian = match arch.endian {
            Endian::Big => "big",
            Endian::Little => "little",
        };
        words.extend(["-ex".to_owned(), format!("set endian {endian}")]);
        words.extend(["-ex".to_owned(), format!("target remote {socket}")]);
        words
    }
}

impl Monitor {
    fn mode(self) -> &'static str {
        match self {
            Self::Hmp => "readline",
            Self::Qmp => "control",
        }
    }
}

fn trace_log(paths: DebugPaths<'_>) -> Utf8PathBuf {
    paths.logs.join(format!("trace{}.log", paths.suffix))
}

fn strace_log(paths: DebugPaths<'_>) -> Utf8PathBuf {
    paths.logs.join(format!("strace{}.log", paths.suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: (&str, &str) = ("/tmp/run,1", "/logs");

    fn paths(suffix: &str) -> DebugPaths<'_> {
        DebugPaths {
            run_dir: Utf8Path::new(PATHS.0),
            logs: Utf8Path::new(PATHS.1),
            suffix,
        }
    }

    fn gdb() -> Gdb {
        Gdb {
            program: "gdb-multiarch".to_owned(),
            symbols: [("ppc64".to_owned(), "/store/vm linux".into())].into(),
        }
    }

    /// An architecture of the repository.
    fn arch(name: &str) -> Arch {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = host::files::read_tree(&root, &["recipes", "images"], &["images/prebuilt"]);
        plan::load(&files.unwrap()).unwrap().arches[name].clone()
    }

    #[test]
    fn each_flag_adds_its_options() {
        let check = |debug: Debug, expect: &str| {
            assert_eq!(debug.options(paths(".2")).join(" "), expect);
        };
        check(Debug::default(), "");
        check(
            Debug {
                gdb: Some(gdb()),
                ..Debug::default()
            },
            "-gdb unix:/tmp/run,,1/gdb,server=on,wait=off",
        );
        for (monitor, mode) in [(Monitor::Hmp, "readline"), (Monitor::Qmp, "control")] {
            check(
                Debug {
                    monitor: Some(monitor),
                    ..Debug::default()
                },
                &format!(
                    "-chardev socket,id=kiln-monitor,path=/tmp/run,,1/monitor,server=on,wait=off \
                     -mon chardev=kiln-monitor,mode={mode}"
                ),
            );
        }
        check(
            Debug {
                trace: vec!["pci_*".to_owned(), "a,b".to_owned()],
                ..Debug::default()
            },
            "-trace enable=pci_*,file=/logs/trace.2.log -trace enable=a,,b,file=/logs/trace.2.log",
        );
    }

    #[test]
    fn flags_decide_about_limits_and_shells() {
        let check = |debug: Debug, expect: [bool; 3]| {
            let found = [debug.is_held(), debug.is_unlimited(), debug.offers_shell()];
            assert_eq!(found, expect, "{debug:?}");
        };
        check(Debug::default(), [false, false, false]);
        let shell = Debug {
            shell: true,
            ..Debug::default()
        };
        check(shell, [false, false, true]);
        let monitor = Debug {
            monitor: Some(Monitor::Hmp),
            ..Debug::default()
        };
        check(monitor, [true, true, true]);
        let keyboard = Debug {
            keyboard: Some(Arc::new(Keyboard::new(std::sync::mpsc::channel().1))),
            ..Debug::default()
        };
        check(keyboard, [false, true, true]);
    }

    #[test]
    fn debugger_gets_symbols_and_byte_order() {
        let check = |name: &str, expect: &str| {
            let line = gdb().line(&arch(name), Utf8Path::new("/run/gdb"));
            assert_eq!(line, expect);
        };
        check(
            "ppc64",
            "gdb-multiarch -q '/store/vm linux' -ex 'set architecture powerpc:common64' \
             -ex 'set endian big' -ex 'target remote /run/gdb'",
        );
        check(
            "x86_64",
            "gdb-multiarch -q -ex 'set architecture i386:x86-64' -ex 'set endian little' \
             -ex 'target remote /run/gdb'",
        );
    }

    #[test]
    fn wrapper_starts_qemu_under_strace_with_core_dumps() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = Utf8Path::from_path(folder.path()).unwrap();
        let check = |debug: &Debug, expect: Option<&str>| {
            let paths = DebugPaths {
                run_dir,
                ..paths("")
            };
            let program = debug.wrapper(Utf8Path::new("/bin/qemu x"), paths).unwrap();
            let text = program.map(|path| fs_err::read_to_string(path).unwrap());
            assert_eq!(text.as_deref(), expect);
        };
        let mut debug = Debug::default();
        check(&debug, None);
        debug.core_dumps = true;
        let limit = "#!/bin/sh\nulimit -c \"$(ulimit -H -c)\"\n";
        check(&debug, Some(&format!("{limit}exec '/bin/qemu x' \"$@\"\n")));
        debug.strace = Some("/usr/bin/strace".into());
        let strace = "/usr/bin/strace -f -tt -o /logs/strace.log";
        check(
            &debug,
            Some(&format!("{limit}exec {strace} '/bin/qemu x' \"$@\"\n")),
        );
    }

    #[test]
    fn empty_trace_log_gets_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Utf8Path::from_path(folder.path()).unwrap();
        let debug = Debug {
            trace: vec!["nvme_*".to_owned()],
            ..Debug::default()
        };
        assert_eq!(Debug::default().afterwards(logs, ""), None);
        let note = format!("no trace event of `nvme_*` happened: {logs}/trace.log is empty");
        assert_eq!(debug.afterwards(logs, ""), Some(note));
        fs_err::write(logs.join("trace.log"), "nvme_read\n").unwrap();
        assert_eq!(debug.afterwards(logs, ""), None);
    }
}
