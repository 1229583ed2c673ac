//! The options of the commands for releases.

use camino::Utf8PathBuf;
use clap::Args;
use host::secret::SecretUrl;

use super::{DEBUGGING, EXECUTION, GuestArgs, SELECTION, SourceArgs};

/// What the release is called, where it goes, and who signs it.
const RELEASE: &str = "Release";

#[derive(Debug, Args)]
pub(crate) struct LegalArgs {
    /// Select an architecture; repeatable [default: all]
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub(crate) arch: Vec<String>,
}

/// The keys that sign a release.
#[derive(Debug, Args)]
#[command(next_help_heading = RELEASE)]
pub(crate) struct SignArgs {
    /// Sign with this secret key of minisign; repeatable
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) sign: Vec<Utf8PathBuf>,
    /// Read a key's password from a file; repeatable
    ///
    /// The password is the first line. `KILN_SIGN_PASSWORD` holds a password itself.
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_password_file: Vec<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// Publish to this directory or URL
    ///
    /// URLs are `s3://bucket/prefix` and `oci://registry/name[:tag]`.
    #[arg(long, value_name = "DIR|URL", help_heading = RELEASE)]
    pub(crate) to: SecretUrl,
    #[command(flatten)]
    pub(crate) signing: SignArgs,
    /// Set the version [default: that of the workspace]
    #[arg(long, value_name = "VERSION", value_parser = version, help_heading = RELEASE)]
    pub(crate) version: Option<String>,
    /// Set the public URL of the release
    ///
    /// It is written into the list for download managers.
    #[arg(long, value_name = "URL", help_heading = RELEASE)]
    pub(crate) url: Option<SecretUrl>,
    /// Print what would be published
    #[arg(long, help_heading = EXECUTION)]
    pub(crate) dry_run: bool,
    /// Publish despite uncommitted changes
    #[arg(long, help_heading = EXECUTION)]
    pub(crate) allow_dirty: bool,
    #[command(flatten)]
    pub(crate) guest: GuestArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnpublishArgs {
    /// Select the release, `kiln-<version>`
    #[arg(value_name = "RELEASE", value_parser = release)]
    pub(crate) release: String,
    /// Remove it from this directory or `s3://bucket/prefix`
    #[arg(long, value_name = "DIR|URL", help_heading = RELEASE)]
    pub(crate) from: SecretUrl,
    #[command(flatten)]
    pub(crate) signing: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MirrorCheckArgs {
    /// Check the releases in this directory or URL
    #[arg(value_name = "DIR|URL")]
    pub(crate) place: SecretUrl,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyReleaseArgs {
    /// Verify a release in this directory or URL
    #[arg(value_name = "DIR|URL")]
    pub(crate) place: SecretUrl,
    /// Select the release [default: the newest]
    #[arg(long, value_name = "RELEASE", value_parser = release, help_heading = SELECTION)]
    pub(crate) release: Option<String>,
    /// Select an architecture; repeatable [default: all]
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub(crate) arch: Vec<String>,
    /// Check and unpack without a build
    ///
    /// With --keep, the command that builds is printed.
    #[arg(long, help_heading = EXECUTION)]
    pub(crate) no_build: bool,
    /// Keep the work in this directory
    ///
    /// The same command resumes an interrupted verification.
    #[arg(long, value_name = "DIR", help_heading = DEBUGGING)]
    pub(crate) keep: Option<Utf8PathBuf>,
}

/// A version is part of file names and URLs.
fn version(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected only letters, digits, `.`, `-`, `+` and `~`".to_owned())
    }
}

fn release(text: &str) -> Result<String, String> {
    let wrong = || "expected `kiln-<version>`".to_owned();
    version(text.strip_prefix("kiln-").ok_or_else(wrong)?).map_err(|_| wrong())?;
    Ok(text.to_owned())
}
