//! The arguments of QEMU for a test of kvm-unit-tests.

use camino::{Utf8Path, Utf8PathBuf};
use qemu::Facts;
use qemu::launch::argv::Fds;
use unittests::invocation::Invocation;

/// What the test wants, and where the file with its variables is.
pub(super) struct Line<'a> {
    invocation: &'a Invocation,
    /// The initrd, if the test gets one.
    environment: Option<Utf8PathBuf>,
}

impl<'a> Line<'a> {
    /// Writes the file with the variables of the test.
    pub(super) fn new(invocation: &'a Invocation, scratch: &Utf8Path) -> std::io::Result<Self> {
        if let Some(program) = &invocation.program {
            fs_err::create_dir_all(program.parent().unwrap_or(scratch))?;
            fs_err::copy(&invocation.kernel, program)?;
        }
        let file = scratch.join("environment");
        if let Some(environment) = &invocation.environment {
            fs_err::write(&file, environment)?;
        }
        Ok(Self {
            invocation,
            environment: invocation.environment.is_some().then_some(file),
        })
    }

    /// The arguments of the test, and more.
    pub(super) fn argv(&self, fds: Fds, more: &[String]) -> Vec<String> {
        self.argv_of(fds, &self.invocation.kernel, more)
    }

    /// The same with another kernel. The order is that of the `run` scripts: the options of the test are
    /// last and win.
    pub(super) fn argv_of(&self, fds: Fds, kernel: &Utf8Path, more: &[String]) -> Vec<String> {
        let qmp = format!("socket,id=kiln-qmp,fd={}", fds.qmp);
        let console = format!("socket,id=kiln-console,fd={}", fds.console);
        let channels = [
            "-chardev",
            &qmp,
            "-mon",
            "chardev=kiln-qmp,mode=control",
            "-chardev",
            &console,
            "-serial",
            "chardev:kiln-console",
        ];
        let mut line = self.compose(&channels, kernel);
        line.extend(more.iter().cloned());
        line
    }

    /// The arguments for a script, whose guest has the console on standard output.
    pub(super) fn script(&self, kernel: &Utf8Path) -> Vec<String> {
        self.compose(&["-serial", "stdio"], kernel)
    }

    fn compose(&self, channels: &[&str], kernel: &Utf8Path) -> Vec<String> {
        let mut line = self.invocation.before.clone();
        line.extend(["-display", "none"].map(str::to_owned));
        line.extend(channels.iter().map(|&word| word.to_owned()));
        if self.invocation.program.is_none() {
            line.extend(["-kernel".to_owned(), kernel.to_string()]);
        }
        line.extend(self.invocation.after.iter().cloned());
        if let Some(file) = &self.environment {
            line.extend(["-initrd".to_owned(), file.to_string()]);
        }
        line
    }

    /// The types of the devices that the arguments name.
    pub(super) fn devices(&self, facts: &Facts) -> Vec<String> {
        let all = [&self.invocation.before[..], &self.invocation.after[..]].concat();
        let pairs = all.windows(2).filter(|pair| pair[0] == "-device");
        let names = pairs.filter_map(|pair| pair[1].split(',').next());
        let mut devices: Vec<_> = names
            .map(|name| facts.device_type(name).to_owned())
            .collect();
        devices.sort();
        devices.dedup();
        devices
    }
}
