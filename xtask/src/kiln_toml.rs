//! Reads `kiln.toml` of the checkout and of the user. The crate `settings` parses them.

use camino::Utf8Path;
use host::env::Env;
use plan::diagnostic::Diagnostic;
use settings::{Base, File, ProfileError, Settings};

/// The name of a settings file.
const NAME: &str = "kiln.toml";
/// The directory of the user's file below the configuration directory.
const FOLDER: &str = "kiln";

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The files contain errors.
    #[error("{} errors in settings", .0.len())]
    Wrong(Vec<Diagnostic>),
    /// The profile does not exist.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl SettingsError {
    /// The command that fixes the error.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Profile(error) => error.hint(),
            Self::Io(_) | Self::Wrong(_) => None,
        }
    }
}

/// Reads both files, if they exist, and selects a profile.
pub(crate) fn read(
    env: &Env,
    root: &Utf8Path,
    profile: Option<&str>,
) -> Result<Settings, SettingsError> {
    let base = Base {
        root,
        home: env.home.as_deref(),
    };
    let mut found = Vec::new();
    let checkout = file(&root.join(NAME), NAME.into(), base, &mut found)?;
    let user = match &env.config_dir {
        Some(dir) => {
            let path = dir.join(FOLDER).join(NAME);
            file(&path, &path, base, &mut found)?
        }
        None => File::default(),
    };
    if found.is_empty() {
        Ok(Settings::new(checkout, user, profile)?)
    } else {
        Err(SettingsError::Wrong(found))
    }
}

/// Reads one file. `shown` is its path in messages.
fn file(
    path: &Utf8Path,
    shown: &Utf8Path,
    base: Base<'_>,
    found: &mut Vec<Diagnostic>,
) -> std::io::Result<File> {
    let text = host::files::read_text(path)?.unwrap_or_default();
    Ok(File::read(shown, &text, base).unwrap_or_else(|faults| {
        found.extend(faults);
        File::default()
    }))
}
