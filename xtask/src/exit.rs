//! The exit codes that docs/automation.md documents.

use std::process::ExitCode;

use crate::output::{self, Color, Style};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Success: every selected test passed or was skipped with a reason.
    Success,
    /// The command line, or a file of the user, is wrong.
    Usage,
    /// No test is selected. The code is that of nextest.
    NoTests,
    /// QEMU, an image, a host tool or a usable store is missing.
    SetupMissing,
    /// A guest test failed.
    TestFailed,
    /// A build failed, or an internal error.
    Failed,
    /// A fetch or a verification failed.
    FetchFailed,
    /// A signal. `main` uses the signal's own code if it is known.
    Interrupted,
    /// The exit code of a program that was run on the user's behalf.
    Child(u8),
}

impl Exit {
    /// The numeric code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Usage => 2,
            Self::NoTests => 4,
            Self::SetupMissing => 96,
            Self::TestFailed => 100,
            Self::Failed => 101,
            Self::FetchFailed => 102,
            Self::Interrupted => 130,
            Self::Child(code) => code,
        }
    }

    /// The exit for a message of the command line parser. Help and version are not errors.
    #[must_use]
    pub fn of_parser(code: i32) -> Self {
        if code == 0 {
            Self::Success
        } else {
            Self::Usage
        }
    }

    /// The exit after all output, given whether a write failed: the reader's copy may be truncated.
    #[must_use]
    pub fn of_output(self, failed: bool) -> Self {
        match self {
            exit if exit.is_success() && failed => Self::Failed,
            exit => exit,
        }
    }

    /// The exit for `git bisect run`: only a verdict of tests, which is a [`Self::Child`], may
    /// judge a commit.
    #[must_use]
    pub fn for_bisect(self) -> Self {
        match self {
            Self::Success | Self::Child(_) => self,
            _ => Self::Child(verdict::bisect::GIVE_UP),
        }
    }

    /// Whether it is a success, including that of a child.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.code() == 0
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error at the top level: message, hint and exit code.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// The error, printed with its causes. `None` if a child has printed it.
    pub error: Option<anyhow::Error>,
    /// The command that fixes it.
    pub hint: Option<String>,
}

impl Failure {
    /// Creates a failure without a hint.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: Some(error.into()),
            hint: None,
        }
    }

    /// A failure that a child has already printed.
    #[must_use]
    pub fn reported(exit: Exit) -> Self {
        Self {
            exit,
            error: None,
            hint: None,
        }
    }

    /// Whether the error is of this type.
    pub(crate) fn is<E: std::error::Error + Send + Sync + 'static>(&self) -> bool {
        self.error.as_ref().is_some_and(anyhow::Error::is::<E>)
    }

    /// Adds the command that fixes it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl Failure {
    /// Prints the error, its causes and the hint.
    pub fn explain(&self, style: Style) {
        let mut causes = self.error.iter().flat_map(anyhow::Error::chain);
        if let Some(first) = causes.next() {
            output::note(format!("{}: {first}", style.paint(Color::Red, "error")));
        }
        for cause in causes {
            output::note(format!("  caused by: {cause}"));
        }
        if let Some(hint) = &self.hint {
            output::note(format!("{}: {hint}", style.paint(Color::Cyan, "help")));
        }
    }
}

/// For `map_err`: the failure for a library's error, with its hint.
#[macro_export]
macro_rules! hinted {
    ($exit:expr) => {
        |error| {
            let hint = error.hint();
            $crate::exit::Failure::new($exit, error).hint(hint)
        }
    };
}
pub use hinted;

/// The result of a subcommand.
pub type CommandResult = Result<Exit, Failure>;

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn lost_output_is_not_a_success() {
        for (exit, failed, expect) in [
            (Exit::Success, false, 0),
            (Exit::Success, true, 101),
            (Exit::Child(0), true, 101),
            (Exit::Child(100), true, 100),
            (Exit::Usage, true, 2),
        ] {
            assert_eq!(exit.of_output(failed).code(), expect, "{exit:?} {failed}");
        }
    }

    #[test]
    fn only_verdicts_reach_git_bisect() {
        for (exit, expect) in [
            (Exit::Success, 0),
            (Exit::Child(1), 1),
            (Exit::Child(125), 125),
            (Exit::Usage, 128),
            (Exit::Failed, 128),
            (Exit::NoTests, 128),
        ] {
            assert_eq!(exit.for_bisect().code(), expect, "{exit:?}");
        }
    }

    #[test]
    fn successful_child_is_a_success() {
        assert!(Exit::Success.is_success() && Exit::Child(0).is_success());
        assert!(!Exit::Child(100).is_success() && !Exit::NoTests.is_success());
    }
}
