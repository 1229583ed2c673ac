//! How a child ended: by an exit code, or by a signal.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExitStatus {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl ExitStatus {
    /// Exit code 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// The code, unless a signal ended it.
    #[must_use]
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) => None,
        }
    }

    /// The signal, if one ended it.
    #[must_use]
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Code(_) => None,
            Self::Signal(signal) => Some(signal),
        }
    }

    /// The status as in a shell's `$?`: 128 + signal for a signal.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl From<std::process::ExitStatus> for ExitStatus {
    fn from(status: std::process::ExitStatus) -> Self {
        let signal = status.signal().map(Self::Signal);
        // A status that is neither belongs to a stopped child, which `wait` does not report.
        signal.unwrap_or_else(|| Self::Code(status.code().unwrap_or(-1)))
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
        }
    }
}

/// The name of a signal that ends processes, as in `kill -l` with the prefix `SIG`.
#[must_use]
pub fn signal_name(signal: i32) -> Option<&'static str> {
    signal_hook::low_level::signal_name(signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_by_signal_is_distinguished() {
        let check = |status: ExitStatus, text: &str, shell: i32, success: bool| {
            assert_eq!(status.to_string(), text);
            assert_eq!(status.shell_code(), shell);
            assert_eq!(status.success(), success);
        };
        check(ExitStatus::Code(0), "exit status 0", 0, true);
        check(ExitStatus::Code(99), "exit status 99", 99, false);
        check(ExitStatus::Signal(11), "signal 11 (SIGSEGV)", 139, false);
        check(ExitStatus::Signal(9), "signal 9 (SIGKILL)", 137, false);
        check(ExitStatus::Signal(60), "signal 60", 188, false);
    }
}
