//! How a test says that its guest is to end: by a report, or by an end of the guest itself.

/// What must happen for a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedEnd {
    /// The test's end record.
    Report,
    /// An announced end of the guest.
    Leave(Leave),
}

/// Ends of a guest that a test may announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It powers itself off.
    Poweroff,
    /// It resets itself.
    Reboot,
    /// Its kernel panics.
    Panic,
}

impl Leave {
    /// As in the header and in the record.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Poweroff => "poweroff",
            Self::Reboot => "reboot",
            Self::Panic => "panic",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Poweroff, Self::Reboot, Self::Panic]
            .into_iter()
            .find(|leave| leave.label() == word)
    }
}
