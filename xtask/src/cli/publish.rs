//! The arguments of what has to do with releases.

use camino::Utf8PathBuf;
use clap::Args;
use host::http::SecretUrl;

use super::{GuestArgs, SourceArgs};

#[derive(Debug, Args)]
pub(crate) struct LegalArgs {
    /// Architecture; may be given more than once [default: all]
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Vec<String>,
}

/// The keys that sign a release.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// Secret key of minisign; may be given more than once
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) sign: Vec<Utf8PathBuf>,
    /// File whose first line is the password of an encrypted key; may be given more than once [env:
    /// `KILN_SIGN_PASSWORD`, the password itself]
    #[arg(long, value_name = "FILE")]
    pub(crate) sign_password_file: Vec<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// Where: a directory, `s3://bucket/prefix`, or `oci://registry/name[:tag]`
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: SecretUrl,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) guest: GuestArgs,
    #[command(flatten)]
    pub(crate) signing: SignArgs,
    /// Version of the release [default: that of the workspace]
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub(crate) version: Option<String>,
    /// Where readers will find the tree: for the list for download managers
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<SecretUrl>,
    /// Print what would be published, and publish nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Publish although files differ from the commit
    #[arg(long)]
    pub(crate) allow_dirty: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UnpublishArgs {
    /// `kiln-<version>`
    #[arg(value_name = "RELEASE", value_parser = release)]
    pub(crate) release: String,
    /// Where: a directory, or `s3://bucket/prefix`
    #[arg(long, value_name = "PLACE")]
    pub(crate) from: SecretUrl,
    #[command(flatten)]
    pub(crate) signing: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MirrorCheckArgs {
    /// The tree
    #[arg(value_name = "URL-or-DIR")]
    pub(crate) place: SecretUrl,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyReleaseArgs {
    /// The tree
    #[arg(value_name = "URL-or-DIR")]
    pub(crate) place: SecretUrl,
    /// The release [default: the newest]
    #[arg(long, value_name = "RELEASE", value_parser = release)]
    pub(crate) release: Option<String>,
    /// Architecture; may be given more than once [default: all]
    #[arg(long, value_name = "ARCH")]
    pub(crate) arch: Vec<String>,
    /// Check and unpack, and do not build; with --keep print the command that would
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Work in this directory and leave everything there; the same command resumes where it stopped
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<Utf8PathBuf>,
}

/// A version is part of file names and addresses.
fn version(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, `.`, `-`, `+` and `~` make a version".to_owned())
    }
}

fn release(text: &str) -> Result<String, String> {
    let wrong = || "a release is named `kiln-<version>`".to_owned();
    version(text.strip_prefix("kiln-").ok_or_else(wrong)?).map_err(|_| wrong())?;
    Ok(text.to_owned())
}
