//! The options of the commands for releases.

use camino::Utf8PathBuf;
use clap::Args;
use host::secret::SecretUrl;

use super::{DEBUGGING, EXECUTION, GuestArgs, SELECTION, SourceArgs};

/// What the release is called, where it goes, and who signs it.
const RELEASE: &str = "Release";

#[derive(Debug, Args)]
pub struct LegalArgs {
    /// Select an architecture, or `all`; repeatable
    ///
    /// The default is `arch` of `kiln.toml`, or else the main targets: `default` in `images/<arch>.toml`.
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub arch: Vec<String>,
}

/// The keys that sign a release.
#[derive(Debug, Args)]
#[command(next_help_heading = RELEASE)]
pub struct SignArgs {
    /// Sign with this secret key of minisign; repeatable
    #[arg(long, value_name = "KEYFILE")]
    pub sign: Vec<Utf8PathBuf>,
    /// Read a key's password from a file; repeatable
    ///
    /// The password is the first line. `KILN_SIGN_PASSWORD` holds a password itself.
    #[arg(long, value_name = "FILE")]
    pub sign_password_file: Vec<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub struct PublishArgs {
    /// Publish to this directory or URL
    ///
    /// URLs are `s3://bucket/prefix` and `oci://registry/name[:tag]`.
    #[arg(long, value_name = "DIR|URL", help_heading = RELEASE)]
    pub to: SecretUrl,
    #[command(flatten)]
    pub signing: SignArgs,
    /// Set the version [default: that of the workspace]
    #[arg(long, value_name = "VERSION", value_parser = version, help_heading = RELEASE)]
    pub version: Option<String>,
    /// Set the public URL of the release
    ///
    /// It is written into the Metalink file of the release, from which download managers fetch.
    #[arg(long, value_name = "URL", help_heading = RELEASE)]
    pub url: Option<SecretUrl>,
    /// Print what would be published
    #[arg(long, help_heading = EXECUTION)]
    pub dry_run: bool,
    /// Publish despite uncommitted changes
    #[arg(long, help_heading = EXECUTION)]
    pub allow_dirty: bool,
    #[command(flatten)]
    pub guest: GuestArgs,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Debug, Args)]
pub struct UnpublishArgs {
    /// Select the release, `kiln-<version>`
    #[arg(value_name = "RELEASE", value_parser = release)]
    pub release: String,
    /// Remove it from this directory or `s3://bucket/prefix`
    #[arg(long, value_name = "DIR|URL", help_heading = RELEASE)]
    pub from: SecretUrl,
    #[command(flatten)]
    pub signing: SignArgs,
}

#[derive(Debug, Args)]
pub struct MirrorCheckArgs {
    /// Check the releases in this directory or URL
    #[arg(value_name = "DIR|URL")]
    pub place: SecretUrl,
}

#[derive(Debug, Args)]
pub struct VerifyReleaseArgs {
    /// Verify a release in this directory or URL
    #[arg(value_name = "DIR|URL")]
    pub place: SecretUrl,
    /// Select the release [default: the newest]
    #[arg(long, value_name = "RELEASE", value_parser = release, help_heading = SELECTION)]
    pub release: Option<String>,
    /// Select an architecture; repeatable [default: all]
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub arch: Vec<String>,
    /// Check and unpack without a build
    ///
    /// With --keep, the command that builds is printed.
    #[arg(long, help_heading = EXECUTION)]
    pub no_build: bool,
    /// Keep the work in this directory
    ///
    /// The same command resumes an interrupted verification.
    #[arg(long, value_name = "DIR", help_heading = DEBUGGING)]
    pub keep: Option<Utf8PathBuf>,
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
