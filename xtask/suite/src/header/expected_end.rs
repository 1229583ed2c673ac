//! How the guest of a test is expected to end: with a report, or by an announced event.

/// The condition for a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedEnd {
    /// The test's end record.
    Report,
    /// An announced event that ends the guest.
    Leave(Leave),
}

/// Events that a test can announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The guest powers itself off.
    Poweroff,
    /// The guest resets itself.
    Reboot,
    /// The guest's kernel panics.
    Panic,
}

impl Leave {
    /// The name in the header and in the record.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Poweroff => "poweroff",
            Self::Reboot => "reboot",
            Self::Panic => "panic",
        }
    }

    /// Parses the name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Poweroff, Self::Reboot, Self::Panic]
            .into_iter()
            .find(|leave| leave.label() == word)
    }
}
