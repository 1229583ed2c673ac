//! The environment this process was started in, read once into plain data.
//!
//! Nobody else reads environment variables. Flags come first: what `xtask` was told on the command
//! line wins over what is in here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use etcetera::BaseStrategy as _;

use crate::http::Limits;

/// What the environment says. Values that are empty or no UTF-8 count as unset.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a variable that is set or not"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env {
    /// `KILN_STORE`: where the store is.
    pub kiln_store: Option<Utf8PathBuf>,
    /// `KILN_MIRROR`: mirrors of images and sources, separated by blanks or commas.
    pub kiln_mirrors: Vec<String>,
    /// `KILN_DEBIAN_MIRROR`: base of a Debian mirror.
    pub kiln_debian_mirror: Option<String>,
    /// `KILN_QEMU`: QEMU build directory or binary.
    pub kiln_qemu: Option<Utf8PathBuf>,
    /// `KILN_SOCKET`: where the runner of a guest test listens; set for its host half.
    pub kiln_socket: Option<Utf8PathBuf>,
    /// The user's cache directory: `XDG_CACHE_HOME`, else `~/.cache`.
    pub cache_dir: Option<Utf8PathBuf>,
    /// `XDG_RUNTIME_DIR`: private to the user, gone at logout.
    pub runtime_dir: Option<Utf8PathBuf>,
    /// `TMPDIR`, else `/tmp`.
    pub temp_dir: Utf8PathBuf,
    /// This program's own file.
    pub executable: Utf8PathBuf,
    /// The directory this process was started in.
    pub current_dir: Utf8PathBuf,
    /// `PATH`, in order.
    pub path: Vec<Utf8PathBuf>,
    /// `CARGO`: the cargo that runs us.
    pub cargo: Option<Utf8PathBuf>,
    /// `CARGO_MANIFEST_DIR`: set by `cargo run`.
    pub cargo_manifest_dir: Option<Utf8PathBuf>,
    /// `CARGO_TERM_COLOR`: `auto`, `always` or `never`.
    pub cargo_term_color: Option<String>,
    /// `CARGO_NET_OFFLINE` is true.
    pub cargo_net_offline: bool,
    /// `CARGO_HTTP_TIMEOUT`: how long a server may be silent.
    pub cargo_http_timeout: Option<Duration>,
    /// `NO_COLOR` is set.
    pub no_color: bool,
    /// `TERM`.
    pub term: Option<String>,
    /// `CI` is set: nobody watches a terminal.
    pub ci: bool,
    /// `GITHUB_ACTIONS`: what is printed is read for workflow commands.
    pub github_actions: bool,
    /// `GITHUB_STEP_SUMMARY`: Markdown that is added to this file is shown with the step.
    pub github_step_summary: Option<Utf8PathBuf>,
    /// The command line, without the program.
    pub arguments: Vec<String>,
    /// How a bucket is reached.
    pub aws: Aws,
    /// As whom a registry is asked.
    pub registry: RegistryLogin,
    /// The user is root.
    pub root: bool,
    /// `HOME`.
    pub home: Option<Utf8PathBuf>,
    /// `USER`, else `LOGNAME`.
    pub user: Option<String>,
    /// What the kernel calls this machine: uname(2).
    pub host_name: String,
}

/// `AWS_…`: how a bucket is reached, as the tools of others read it.
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
    /// Without what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Aws");
        shown.field("endpoint", &self.endpoint);
        shown.field("region", &self.region).finish_non_exhaustive()
    }
}

/// As whom a registry is asked, where it wants to know.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RegistryLogin {
    /// `KILN_REGISTRY_USER`.
    pub user: Option<String>,
    /// `KILN_REGISTRY_PASSWORD`: the password, or a token in its place.
    pub password: Option<String>,
}

impl std::fmt::Debug for RegistryLogin {
    /// Without what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RegistryLogin");
        shown.field("user", &self.user).finish_non_exhaustive()
    }
}

impl Env {
    /// Reads the environment of this process.
    #[must_use]
    pub fn gather() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let mut env = Self::from_variables(|name| std::env::var(name).ok());
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let current = std::env::current_dir().ok();
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let executable = std::env::current_exe().ok();
        #[expect(clippy::disallowed_methods, reason = "this is the door")]
        let arguments = std::env::args_os().skip(1);
        env.arguments = arguments
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        env.executable = executable.and_then(utf8).unwrap_or_default();
        env.current_dir = current
            .and_then(utf8)
            .unwrap_or_else(|| Utf8PathBuf::from("."));
        // Reads HOME and XDG_CACHE_HOME, and the password file when HOME is unset.
        let base = etcetera::choose_base_strategy().ok();
        env.cache_dir = base.and_then(|base| utf8(base.cache_dir()));
        env.root = rustix::process::geteuid().is_root();
        if env.root {
            env.user.get_or_insert("root".to_owned());
        }
        env.host_name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        env
    }

    /// All that is a function of the variables alone.
    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(Utf8PathBuf::from);
        let yes = |name: &str| text(name).is_some_and(|value| is_yes(&value));
        let mirrors = text("KILN_MIRROR").unwrap_or_default();
        let mirrors = mirrors
            .split([' ', ',', '\t', '\n'])
            .filter(|mirror| !mirror.is_empty());
        let directories = text("PATH").unwrap_or_default();
        let directories = directories
            .split(':')
            .filter(|directory| directory.starts_with('/'));
        Self {
            kiln_store: path("KILN_STORE"),
            kiln_mirrors: mirrors.map(str::to_owned).collect(),
            kiln_debian_mirror: text("KILN_DEBIAN_MIRROR"),
            kiln_qemu: path("KILN_QEMU"),
            kiln_socket: path("KILN_SOCKET"),
            cache_dir: None,
            runtime_dir: path("XDG_RUNTIME_DIR"),
            temp_dir: path("TMPDIR").unwrap_or_else(|| Utf8PathBuf::from("/tmp")),
            executable: Utf8PathBuf::new(),
            current_dir: Utf8PathBuf::from("."),
            path: directories.map(Utf8PathBuf::from).collect(),
            cargo: path("CARGO"),
            cargo_manifest_dir: path("CARGO_MANIFEST_DIR"),
            cargo_term_color: text("CARGO_TERM_COLOR"),
            cargo_net_offline: yes("CARGO_NET_OFFLINE"),
            cargo_http_timeout: text("CARGO_HTTP_TIMEOUT")
                .and_then(|seconds| seconds.parse().ok())
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            no_color: text("NO_COLOR").is_some(),
            term: text("TERM"),
            aws: Aws {
                endpoint: text("AWS_ENDPOINT_URL"),
                region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
                key: text("AWS_ACCESS_KEY_ID"),
                secret: text("AWS_SECRET_ACCESS_KEY"),
                token: text("AWS_SESSION_TOKEN"),
            },
            registry: RegistryLogin {
                user: text("KILN_REGISTRY_USER"),
                password: text("KILN_REGISTRY_PASSWORD"),
            },
            ci: text("CI").is_some_and(|value| value != "false"),
            github_actions: yes("GITHUB_ACTIONS"),
            github_step_summary: path("GITHUB_STEP_SUMMARY"),
            home: path("HOME"),
            user: text("USER").or_else(|| text("LOGNAME")),
            host_name: String::new(),
            arguments: Vec::new(),
            root: false,
        }
    }

    /// Where the store is: `KILN_STORE`, else `kiln` in the user's cache directory.
    #[must_use]
    pub fn store_dir(&self) -> Option<Utf8PathBuf> {
        let cache = || self.cache_dir.as_ref().map(|cache| cache.join("kiln"));
        self.kiln_store
            .as_ref()
            .map(|store| self.absolute(store))
            .or_else(cache)
    }

    /// This program, as children can call it for as long as this process lives, even when its file is
    /// replaced by a new build meanwhile.
    #[must_use]
    pub fn own_program(&self) -> Utf8PathBuf {
        let link = Utf8PathBuf::from(format!("/proc/{}/exe", std::process::id()));
        if link.exists() {
            link
        } else {
            self.executable.clone()
        }
    }

    /// How long each phase of a transfer may take.
    #[must_use]
    pub fn http_limits(&self) -> Limits {
        self.cargo_http_timeout
            .map_or_else(Limits::default, Limits::within)
    }

    /// The path as seen from the directory this process was started in.
    #[must_use]
    pub fn absolute(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.current_dir.join(path)
    }

    /// May stderr be coloured, if it is a terminal (`terminal`)?
    #[must_use]
    pub fn colour(&self, terminal: bool) -> bool {
        match self.cargo_term_color.as_deref() {
            Some("always") => true,
            Some("never") => false,
            _ => terminal && !self.no_color && self.term.as_deref() != Some("dumb"),
        }
    }
}

/// PATH as it is now, for the search of a child's program.
pub(crate) fn path_variable() -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    std::env::var_os("PATH")
}

fn is_yes(value: &str) -> bool {
    matches!(value, "1" | "true" | "yes" | "on")
}

fn utf8(path: PathBuf) -> Option<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Env {
        Env::from_variables(|wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let empty = env(&[
            ("KILN_STORE", ""),
            ("NO_COLOR", ""),
            ("TMPDIR", ""),
            ("CI", ""),
        ]);
        assert_eq!(empty, env(&[]));
        assert_eq!(empty.temp_dir, "/tmp");
    }

    #[test]
    fn lists_are_split() {
        let env = env(&[
            ("KILN_MIRROR", "https://a, https://b/x"),
            ("PATH", "/bin::rel:/usr/bin"),
        ]);
        assert_eq!(env.kiln_mirrors, ["https://a", "https://b/x"]);
        assert_eq!(env.path, ["/bin", "/usr/bin"]);
    }

    #[test]
    fn the_store_is_where_the_variable_says_else_in_the_cache() {
        let check = |store: Option<&str>, cache: Option<&str>, expect: Option<&str>| {
            let env = Env {
                kiln_store: store.map(Utf8PathBuf::from),
                cache_dir: cache.map(Utf8PathBuf::from),
                current_dir: Utf8PathBuf::from("/here"),
                ..env(&[])
            };
            assert_eq!(env.store_dir().as_deref(), expect.map(Utf8Path::new));
        };
        check(None, Some("/home/me/.cache"), Some("/home/me/.cache/kiln"));
        check(Some("/store"), Some("/home/me/.cache"), Some("/store"));
        check(Some("store"), None, Some("/here/store"));
        check(None, None, None);
    }

    #[test]
    fn colour_follows_cargo_then_no_color_then_the_terminal() {
        let check = |variables: &[(&str, &str)], terminal: bool, expect: bool| {
            assert_eq!(env(variables).colour(terminal), expect, "{variables:?}");
        };
        check(&[], true, true);
        check(&[], false, false);
        check(&[("NO_COLOR", "1")], true, false);
        check(&[("TERM", "dumb")], true, false);
        check(
            &[("CARGO_TERM_COLOR", "always"), ("NO_COLOR", "1")],
            false,
            true,
        );
        check(&[("CARGO_TERM_COLOR", "never")], true, false);
        check(&[("CARGO_TERM_COLOR", "auto")], true, true);
    }

    #[test]
    fn a_silent_server_is_left_after_cargo_s_time_or_half_a_minute() {
        for (value, connect, stall) in [("", 10, 30), ("5", 5, 5), ("90", 10, 90), ("0", 10, 30)] {
            let limits = env(&[("CARGO_HTTP_TIMEOUT", value)]).http_limits();
            let expect = (Duration::from_secs(connect), Duration::from_secs(stall));
            assert_eq!((limits.connect, limits.stall), expect, "{value}");
        }
    }

    #[test]
    fn what_is_true_and_what_is_not() {
        let check = |value: &str, offline: bool, ci: bool| {
            let env = env(&[("CARGO_NET_OFFLINE", value), ("CI", value)]);
            assert_eq!((env.cargo_net_offline, env.ci), (offline, ci), "{value}");
        };
        check("true", true, true);
        check("1", true, true);
        check("false", false, false);
        check("woodpecker", false, true);
    }
}
