//! What to run: program, arguments, environment and descriptors. Also formats a command as a shell
//! line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use command_fds::{CommandFdExt as _, FdMapping};

use super::ProcessError;
use crate::guard;

/// Where a standard stream of a child is connected.
#[derive(Debug, Default)]
pub enum Stdio {
    /// `/dev/null`.
    #[default]
    Null,
    /// The stream of this process.
    Inherit,
    /// A pipe to this process, taken from [`super::Running`].
    Pipe,
    /// An open file, socket or pipe end.
    Fd(OwnedFd),
}

/// A child to start. stdin is `/dev/null` unless set. stdout and stderr are inherited unless set.
#[derive(Debug)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env_clear: bool,
    secrets: Secrets,
    env: BTreeMap<OsString, Option<OsString>>,
    directory: Option<PathBuf>,
    pub(super) stdin: Stdio,
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
    fds: Vec<(OwnedFd, i32)>,
    pub(super) own_group: bool,
    dies_with_us: DiesWithUs,
}

/// Which processes of a child end with this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DiesWithUs {
    Nobody,
    Child,
    Family,
}

/// Which secret variables a child inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secrets {
    /// All, for a command of the user's own.
    All,
    /// All but the credentials of Kiln itself.
    OfOthers,
    /// None.
    None,
}

impl Command {
    /// Names a program by path, or by name on the child's PATH.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env_clear: false,
            secrets: Secrets::OfOthers,
            env: BTreeMap::new(),
            directory: None,
            stdin: Stdio::Null,
            stdout: Stdio::Inherit,
            stderr: Stdio::Inherit,
            fds: Vec::new(),
            own_group: true,
            dies_with_us: DiesWithUs::Child,
        }
    }

    /// Takes a whole argv, the program first. An empty one has no program and fails as not found.
    pub fn from_argv<S: AsRef<OsStr>>(argv: &[S]) -> Self {
        let program = argv.first().map_or(OsStr::new(""), AsRef::as_ref);
        Self::new(program).args(argv.iter().skip(1))
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Starts from an empty environment.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.env_clear = true;
        self
    }

    /// Withholds every variable that seems to hold a secret, such as `GITHUB_TOKEN`. For
    /// third-party programs.
    #[must_use]
    pub fn without_secrets(mut self) -> Self {
        self.secrets = Secrets::None;
        self
    }

    /// Also passes the credentials of Kiln itself. For a command of the user's own.
    #[must_use]
    pub fn with_secrets(mut self) -> Self {
        self.secrets = Secrets::All;
        self
    }

    /// The variables that the child does not inherit because they hold a secret.
    fn withheld(&self) -> Vec<OsString> {
        match self.secrets {
            Secrets::All => Vec::new(),
            Secrets::OfOthers => crate::env::OWN_SECRETS.map(OsString::from).to_vec(),
            Secrets::None => crate::env::secret_variables(),
        }
    }

    /// Sets a variable of the child.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Sets variables of the child.
    #[must_use]
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        for (name, value) in variables {
            self.env
                .insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        }
        self
    }

    /// Removes a variable of the child.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Starts the child in this directory.
    #[must_use]
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Sets stdin.
    #[must_use]
    pub fn stdin(mut self, stdin: Stdio) -> Self {
        self.stdin = stdin;
        self
    }

    /// Sets stdout.
    #[must_use]
    pub fn stdout(mut self, stdout: Stdio) -> Self {
        self.stdout = stdout;
        self
    }

    /// Sets stderr.
    #[must_use]
    pub fn stderr(mut self, stderr: Stdio) -> Self {
        self.stderr = stderr;
        self
    }

    /// Passes an open descriptor to the child under this number (3 or more).
    #[must_use]
    pub fn inherit_fd(mut self, fd: OwnedFd, number: i32) -> Self {
        self.fds.push((fd, number));
        self
    }

    /// The next free number for [`Command::inherit_fd`], from 3.
    #[must_use]
    pub fn next_fd(&self) -> i32 {
        self.fds
            .iter()
            .map(|(_, number)| number + 1)
            .max()
            .unwrap_or(3)
            .max(3)
    }

    /// Keeps the child in this process group, so that it may use the terminal. Only the child
    /// itself is killed then.
    #[must_use]
    pub fn same_group(mut self) -> Self {
        self.own_group = false;
        self
    }

    /// Lets the child survive this process. For commands that end by themselves within moments.
    #[must_use]
    pub fn outlive_parent(mut self) -> Self {
        self.dies_with_us = DiesWithUs::Nobody;
        self
    }

    /// Also ends all descendants of the child when it ends, including those that left its group:
    /// see [`crate::family`]. Costs a process, so it is for programs of others, such as a test's
    /// script.
    #[must_use]
    pub fn whole_family(mut self) -> Self {
        self.dies_with_us = DiesWithUs::Family;
        self
    }

    /// The program as given.
    #[must_use]
    pub fn program(&self) -> &OsStr {
        &self.program
    }

    /// The arguments after the program.
    #[must_use]
    pub fn arguments(&self) -> &[OsString] {
        &self.args
    }

    /// Formats the command as a line that can be pasted into a shell.
    #[must_use]
    pub fn shell_line(&self) -> String {
        let mut words = Vec::new();
        if let Some(directory) = &self.directory {
            words.extend([
                "cd".to_owned(),
                quote(directory.as_os_str()),
                "&&".to_owned(),
            ]);
        }
        if self.env_clear || self.env.values().any(Option::is_none) {
            words.push("env".to_owned());
        }
        if self.env_clear {
            words.push("-i".to_owned());
        }
        for (name, _) in self
            .env
            .iter()
            .filter(|(_, value)| value.is_none() && !self.env_clear)
        {
            words.extend(["-u".to_owned(), quote(name)]);
        }
        for (name, value) in &self.env {
            if let Some(value) = value {
                words.push(format!("{}={}", name.to_string_lossy(), quote(value)));
            }
        }
        words.push(quote(&self.program));
        words.extend(self.args.iter().map(quote));
        words.join(" ")
    }

    /// The search path that the child will have, or `None` if its environment has none.
    fn search_path(&self) -> Option<OsString> {
        match self.env.get(OsStr::new("PATH")) {
            Some(path) => path.clone(),
            None if self.env_clear => None,
            None => crate::env::path_variable(),
        }
    }

    /// Checks that the program exists, so that the error is the same with and without the guard.
    fn find_program(&self) -> Result<(), ProcessError> {
        let not_found = || ProcessError::NotFound {
            program: self.program.to_string_lossy().into_owned(),
        };
        let given = Path::new(&self.program);
        if given.as_os_str().is_empty() {
            return Err(not_found());
        }
        if given.components().count() > 1 || given.is_absolute() {
            let base = self.directory.as_deref().unwrap_or(Path::new(""));
            return if base.join(given).exists() {
                Ok(())
            } else {
                Err(not_found())
            };
        }
        // Without PATH, execvp searches the C library's default path.
        let path = self
            .search_path()
            .unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
        let found = std::env::split_paths(&path).any(|directory| directory.join(given).is_file());
        if found { Ok(()) } else { Err(not_found()) }
    }

    /// Converts to a command of the standard library.
    pub(super) fn into_std(self) -> Result<Prepared, ProcessError> {
        self.find_program()?;
        let label = self.program.to_string_lossy().into_owned();
        let guard = guard::executable().filter(|_| self.dies_with_us != DiesWithUs::Nobody);
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let mut command = match &guard {
            Some(executable) => std::process::Command::new(executable),
            None => std::process::Command::new(&self.program),
        };
        let family = self.dies_with_us == DiesWithUs::Family && guard.is_some();
        if guard.is_some() {
            let subcommand = if family {
                guard::FAMILY
            } else {
                guard::SUBCOMMAND
            };
            command
                .args(guard::arguments(subcommand))
                .arg(&self.program);
        }
        command.args(&self.args);
        if self.env_clear {
            command.env_clear();
        } else {
            for name in self.withheld() {
                command.env_remove(name);
            }
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if self.own_group {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        if !self.fds.is_empty() {
            let number = first_twice(&self.fds);
            let mappings = self.fds.into_iter();
            let mappings = mappings
                .map(|(parent_fd, child_fd)| FdMapping {
                    parent_fd,
                    child_fd,
                })
                .collect();
            let twice = |_| ProcessError::DescriptorTwice {
                program: label.clone(),
                number,
            };
            command.fd_mappings(mappings).map_err(twice)?;
        }
        command
            .stdin(self.stdin)
            .stdout(self.stdout)
            .stderr(self.stderr);
        Ok(Prepared {
            command,
            label,
            own_group: self.own_group,
            guarded: guard.is_some(),
            family,
        })
    }
}

/// A command that is ready to start.
pub(super) struct Prepared {
    pub(super) command: std::process::Command,
    pub(super) label: String,
    pub(super) own_group: bool,
    pub(super) guarded: bool,
    pub(super) family: bool,
}

/// The first number that is given twice, or else the first one.
fn first_twice(fds: &[(OwnedFd, i32)]) -> i32 {
    let twice = fds
        .iter()
        .enumerate()
        .find(|(at, (_, number))| fds[..*at].iter().any(|(_, earlier)| earlier == number));
    twice.map_or(fds[0].1, |(_, (_, number))| *number)
}

impl From<Stdio> for std::process::Stdio {
    fn from(stdio: Stdio) -> Self {
        match stdio {
            Stdio::Null => Self::null(),
            Stdio::Inherit => Self::inherit(),
            Stdio::Pipe => Self::piped(),
            Stdio::Fd(fd) => fd.into(),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shell_line())
    }
}

/// Quotes a word for a POSIX shell if necessary.
#[must_use]
pub fn quote(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref().to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Formats a whole argv as a shell line.
#[must_use]
pub fn quote_line<S: AsRef<OsStr>>(argv: &[S]) -> String {
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_displays_as_shell_line() {
        let check = |command: Command, line: &str| assert_eq!(command.to_string(), line);
        check(Command::new("true"), "true");
        check(
            Command::from_argv(&["a b", "c'd", "", "$x", "x=y,z:1"]),
            r"'a b' 'c'\''d' '' '$x' x=y,z:1",
        );
        check(
            Command::new("make")
                .arg("-j2")
                .env("LC_ALL", "C")
                .env("B", "two words"),
            "B='two words' LC_ALL=C make -j2",
        );
        check(
            Command::new("make")
                .env_clear()
                .env("A", "1")
                .env_remove("C")
                .current_dir("/x y"),
            "cd '/x y' && env -i A=1 make",
        );
        check(
            Command::new("make").env_remove("DISPLAY").env("A", "1"),
            "env -u DISPLAY A=1 make",
        );
    }

    #[test]
    fn missing_program_is_reported_before_start() {
        let check = |command: Command| {
            let error = command.into_std().err().expect("not found");
            assert!(matches!(error, ProcessError::NotFound { .. }), "{error}");
            assert_eq!(error.hint().as_deref(), Some("cargo xtask setup"));
        };
        check(Command::new("kiln-no-such-program"));
        check(Command::new("/nowhere/program"));
        check(Command::new(""));
        check(Command::new("sh").env("PATH", "/nowhere"));
        check(Command::new("./sh").current_dir("/nowhere"));
    }
}
