//! The environment of this process, read once into plain data.
//!
//! No other module reads environment variables. A flag on the command line overrides the value in
//! here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use etcetera::BaseStrategy as _;

use crate::limits::Limits;
use crate::secret::{self, SecretUrl};

/// The environment. An empty variable counts as unset.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a variable that is set or not"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env {
    /// `KILN_STORE`: the directory of the store.
    pub kiln_store: Option<Utf8PathBuf>,
    /// `KILN_MIRROR`: mirrors of images and sources, separated by blanks or commas.
    pub kiln_mirrors: Vec<SecretUrl>,
    /// `KILN_DEBIAN_MIRROR`: base of a Debian mirror.
    pub kiln_debian_mirror: Option<SecretUrl>,
    /// `KILN_DEBIAN_SNAPSHOT`: base of Debian's snapshot archive.
    pub kiln_debian_snapshot: Option<SecretUrl>,
    /// `KILN_QEMU`: QEMU build directory or binary.
    pub kiln_qemu: Option<Utf8PathBuf>,
    /// `KILN_SOCKET`: the socket of the runner of a guest test, set for its host script.
    pub kiln_socket: Option<Utf8PathBuf>,
    /// The user's cache directory: `XDG_CACHE_HOME`, else `~/.cache`.
    pub cache_dir: Option<Utf8PathBuf>,
    /// The user's configuration directory: `XDG_CONFIG_HOME`, else `~/.config`.
    pub config_dir: Option<Utf8PathBuf>,
    /// `XDG_RUNTIME_DIR`: private to the user and removed at logout.
    pub runtime_dir: Option<Utf8PathBuf>,
    /// `TMPDIR`, else `/tmp`.
    pub temp_dir: Utf8PathBuf,
    /// `LD_LIBRARY_PATH`, `LD_PRELOAD` and `QEMU_MODULE_DIR`: which libraries a started program
    /// loads.
    pub loader: [Option<OsString>; 3],
    /// `KILN_MUTANT`: which of its mutants a QEMU that we start has, if it was built with any.
    pub kiln_mutant: Option<OsString>,
    /// The file of this program.
    pub executable: Utf8PathBuf,
    /// The directory this process was started in.
    pub current_dir: Utf8PathBuf,
    /// `PATH`, in order.
    pub path: Vec<Utf8PathBuf>,
    /// `CARGO`: the cargo that runs this program.
    pub cargo: Option<Utf8PathBuf>,
    /// `CARGO_MANIFEST_DIR`: set by `cargo run`.
    pub cargo_manifest_dir: Option<Utf8PathBuf>,
    /// `CARGO_TERM_COLOR`: `auto`, `always` or `never`.
    pub cargo_term_color: Option<String>,
    /// `CARGO_NET_OFFLINE` is true.
    pub cargo_net_offline: bool,
    /// `CARGO_HTTP_TIMEOUT`: how long a server may send nothing.
    pub cargo_http_timeout: Option<Duration>,
    /// `NO_COLOR` is set.
    pub no_color: bool,
    /// `TERM`.
    pub term: Option<String>,
    /// `CI` is set: the output is not on a terminal.
    pub ci: bool,
    /// `GITHUB_ACTIONS` is set: GitHub reads workflow commands in the output.
    pub github_actions: bool,
    /// `GITHUB_STEP_SUMMARY`: a file of Markdown that GitHub shows with the step.
    pub github_step_summary: Option<Utf8PathBuf>,
    /// The command line without the program and without passwords, for messages and reports.
    pub arguments: Vec<String>,
    /// Access to S3 buckets.
    pub aws: Aws,
    /// Credentials for a container registry.
    pub registry: RegistryLogin,
    /// `KILN_SIGN_PASSWORD`: decrypts the keys that sign a release.
    pub sign_password: Option<Password>,
    /// The user is root.
    pub root: bool,
    /// `HOME`.
    pub home: Option<Utf8PathBuf>,
    /// `USER`, else `LOGNAME`.
    pub user: Option<String>,
    /// The host name: uname(2).
    pub host_name: String,
}

/// `AWS_…`: access to S3 buckets, with the variables of Amazon's own tools.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Aws {
    /// `AWS_ENDPOINT_URL`: a server other than Amazon's.
    pub endpoint: Option<String>,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// `AWS_ACCESS_KEY_ID`.
    pub key: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: Option<String>,
    /// `AWS_SESSION_TOKEN`.
    pub token: Option<String>,
}

impl std::fmt::Debug for Aws {
    /// Hides the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Aws");
        shown.field("endpoint", &self.endpoint);
        shown.field("region", &self.region).finish_non_exhaustive()
    }
}

/// Credentials for a registry that requires a login.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RegistryLogin {
    /// `KILN_REGISTRY_USER`.
    pub user: Option<String>,
    /// `KILN_REGISTRY_PASSWORD`: the password, or a token.
    pub password: Option<String>,
}

/// A password, which `Debug` hides.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(***)")
    }
}

impl std::fmt::Debug for RegistryLogin {
    /// Hides the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RegistryLogin");
        shown.field("user", &self.user).finish_non_exhaustive()
    }
}

/// An invalid environment variable or working directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what}: expected {expected}, found {found}")]
pub struct EnvError {
    /// The invalid thing, such as "environment variable `KILN_STORE`".
    what: String,
    /// What was expected.
    expected: &'static str,
    /// The value without control characters, or a description of it if it may be a secret.
    found: String,
    /// The command that unsets the variable.
    hint: Option<String>,
}

impl EnvError {
    fn of_variable(name: &str, expected: &'static str, found: String) -> Self {
        Self {
            what: format!("environment variable `{name}`"),
            expected,
            found,
            hint: Some(format!("unset {name}")),
        }
    }

    /// The command that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// Looks variables up by name. An unset or empty variable is absent.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<OsString>> Variables<F> {
    fn raw(&self, name: &str) -> Option<OsString> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Result<Option<String>, EnvError> {
        let value = self.raw(name).map(OsString::into_string);
        value
            .transpose()
            .map_err(|_| EnvError::of_variable(name, "UTF-8", "other bytes".to_owned()))
    }

    fn path(&self, name: &str) -> Result<Option<Utf8PathBuf>, EnvError> {
        Ok(self.text(name)?.map(Utf8PathBuf::from))
    }

    /// Reads a variable and parses it.
    fn read<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, EnvError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let value = read(&text);
        let wrong = || EnvError::of_variable(name, expected, escaped(OsStr::new(&text)));
        value.map(Some).ok_or_else(wrong)
    }

    fn yes(&self, name: &str) -> Result<bool, EnvError> {
        let read = |text: &str| match text {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        };
        Ok(self.read(name, "`true` or `false`", read)?.unwrap_or(false))
    }
}

impl Env {
    /// Reads the environment of this process.
    pub fn gather() -> Result<Self, EnvError> {
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let mut env = Self::from_variables(|name| std::env::var_os(name))?;
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let current = std::env::current_dir().ok();
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let executable = std::env::current_exe().ok();
        env.arguments = arguments();
        env.executable = executable.and_then(utf8).unwrap_or_default();
        // A removed directory has no path.
        let current = current.unwrap_or_else(|| PathBuf::from("."));
        env.current_dir = Utf8PathBuf::from_path_buf(current).map_err(|path| EnvError {
            what: "working directory".to_owned(),
            expected: "UTF-8",
            found: escaped(path.as_os_str()),
            hint: None,
        })?;
        // Reads HOME, XDG_CACHE_HOME and XDG_CONFIG_HOME, and the password file if HOME is unset.
        let base = etcetera::choose_base_strategy().ok();
        env.cache_dir = base.as_ref().and_then(|base| utf8(base.cache_dir()));
        env.config_dir = base.and_then(|base| utf8(base.config_dir()));
        env.root = rustix::process::geteuid().is_root();
        if env.root {
            env.user.get_or_insert("root".to_owned());
        }
        env.host_name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Ok(env)
    }

    /// The part of the environment that depends on variables alone.
    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvError> {
        let variables = Variables(variable);
        let text = |name: &str| variables.text(name);
        let path = |name: &str| variables.path(name);
        // `gather` reads these through another crate, which ignores values that are not UTF-8.
        path("XDG_CACHE_HOME")?;
        path("XDG_CONFIG_HOME")?;
        let mirrors = text("KILN_MIRROR")?.unwrap_or_default();
        let mirrors = mirrors
            .split([' ', ',', '\t', '\n'])
            .filter(|mirror| !mirror.is_empty());
        let directories = text("PATH")?.unwrap_or_default();
        let directories = directories
            .split(':')
            .filter(|directory| directory.starts_with('/'));
        Ok(Self {
            kiln_store: path("KILN_STORE")?,
            kiln_mirrors: mirrors.map(SecretUrl::from).collect(),
            kiln_debian_mirror: text("KILN_DEBIAN_MIRROR")?.map(SecretUrl::from),
            kiln_debian_snapshot: text("KILN_DEBIAN_SNAPSHOT")?.map(SecretUrl::from),
            kiln_qemu: path("KILN_QEMU")?,
            kiln_socket: path("KILN_SOCKET")?,
            cache_dir: None,
            config_dir: None,
            runtime_dir: path("XDG_RUNTIME_DIR")?,
            temp_dir: path("TMPDIR")?.unwrap_or_else(|| Utf8PathBuf::from("/tmp")),
            loader: ["LD_LIBRARY_PATH", "LD_PRELOAD", "QEMU_MODULE_DIR"]
                .map(|name| variables.raw(name)),
            kiln_mutant: variables.raw("KILN_MUTANT"),
            executable: Utf8PathBuf::new(),
            current_dir: Utf8PathBuf::from("."),
            path: directories.map(Utf8PathBuf::from).collect(),
            cargo: path("CARGO")?,
            cargo_manifest_dir: path("CARGO_MANIFEST_DIR")?,
            cargo_term_color: variables.read(
                "CARGO_TERM_COLOR",
                "`auto`, `always` or `never`",
                |text| {
                    ["auto", "always", "never"]
                        .contains(&text)
                        .then(|| text.to_owned())
                },
            )?,
            cargo_net_offline: variables.yes("CARGO_NET_OFFLINE")?,
            cargo_http_timeout: variables
                .read("CARGO_HTTP_TIMEOUT", "a number of seconds", |text| {
                    text.parse().ok().map(Duration::from_secs)
                })?
                .filter(|time| !time.is_zero()),
            no_color: variables.raw("NO_COLOR").is_some(),
            term: text("TERM")?,
            aws: Aws {
                endpoint: text("AWS_ENDPOINT_URL")?,
                region: match text("AWS_REGION")? {
                    None => text("AWS_DEFAULT_REGION")?,
                    region => region,
                },
                key: text("AWS_ACCESS_KEY_ID")?,
                secret: text("AWS_SECRET_ACCESS_KEY")?,
                token: text("AWS_SESSION_TOKEN")?,
            },
            registry: RegistryLogin {
                user: text("KILN_REGISTRY_USER")?,
                password: text("KILN_REGISTRY_PASSWORD")?,
            },
            ci: variables.raw("CI").is_some_and(|value| value != "false"),
            github_actions: variables.yes("GITHUB_ACTIONS")?,
            github_step_summary: path("GITHUB_STEP_SUMMARY")?,
            home: path("HOME")?,
            user: match text("USER")? {
                None => text("LOGNAME")?,
                user => user,
            },
            sign_password: text("KILN_SIGN_PASSWORD")?.map(Password),
            host_name: String::new(),
            arguments: Vec::new(),
            root: false,
        })
    }

    /// The directory of the store: `KILN_STORE`, else `kiln` in the user's cache directory.
    #[must_use]
    pub fn store_dir(&self) -> Option<Utf8PathBuf> {
        let cache = || self.cache_dir.as_ref().map(|cache| cache.join("kiln"));
        self.kiln_store
            .as_ref()
            .map(|store| self.absolute(store))
            .or_else(cache)
    }

    /// The path by which children can start this program as long as this process lives, even if a
    /// new build replaces the file.
    #[must_use]
    pub fn own_program(&self) -> Utf8PathBuf {
        let link = Utf8PathBuf::from(format!("/proc/{}/exe", std::process::id()));
        if link.exists() {
            link
        } else {
            self.executable.clone()
        }
    }

    /// Time limits for each phase of a transfer.
    #[must_use]
    pub fn http_limits(&self) -> Limits {
        self.cargo_http_timeout
            .map_or_else(Limits::default, Limits::within)
    }

    /// Resolves a path against the directory in which this process was started.
    #[must_use]
    pub fn absolute(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.current_dir.join(path)
    }

    /// Whether stderr may be coloured, given whether it is a terminal.
    #[must_use]
    pub fn colour(&self, terminal: bool) -> bool {
        match self.cargo_term_color.as_deref() {
            Some("always") => true,
            Some("never") => false,
            _ => terminal && !self.no_color && self.term.as_deref() != Some("dumb"),
        }
    }
}

/// The command line without the program and without passwords, for messages and reports. Bytes that
/// are not UTF-8 are replaced.
#[must_use]
pub fn arguments() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let arguments = std::env::args_os().skip(1);
    arguments
        .map(|argument| secret::recorded(&argument.to_string_lossy()))
        .collect()
}

/// Variables with credentials of Kiln itself. Children never inherit them.
pub(crate) const OWN_SECRETS: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "KILN_REGISTRY_USER",
    "KILN_REGISTRY_PASSWORD",
    "KILN_SIGN_PASSWORD",
];

/// The names of all variables of this process that seem to hold a secret.
pub(crate) fn secret_variables() -> Vec<OsString> {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let all = std::env::vars_os();
    all.filter(|(name, value)| is_secret(&name.to_string_lossy(), &value.to_string_lossy()))
        .map(|(name, _)| name)
        .collect()
}

/// Whether the name looks like that of a secret, or the value is a URL with a password.
fn is_secret(name: &str, value: &str) -> bool {
    const PARTS: [&str; 9] = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "TOKEN",
        "CREDENTIAL",
        "API_KEY",
        "ACCESS_KEY",
        "PRIVATE_KEY",
    ];
    let upper = name.to_ascii_uppercase();
    OWN_SECRETS.contains(&name)
        || PARTS.iter().any(|part| upper.contains(part))
        || secret::recorded(value) != value
}

/// The current PATH, to search the program of a child.
pub(crate) fn path_variable() -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    std::env::var_os("PATH")
}

/// A value in backticks, safe to print on a terminal.
fn escaped(value: &OsStr) -> String {
    format!("`{}`", value.as_bytes().escape_ascii())
}

fn utf8(path: PathBuf) -> Option<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(path).ok()
}

#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
