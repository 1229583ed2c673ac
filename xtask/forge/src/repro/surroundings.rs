//! The surroundings of the second build, derived from a seed: directory, user, host name,
//! environment. Plain data and the command line that creates them. The caller runs it.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::Command;
use plan::digest::Digest;

/// Time zones in the form that needs no database (POSIX, `TZ`), in which days begin at other times.
const ZONES: [&str; 3] = ["EAST-13:45", "WEST+11", "MID-05:30"];

/// The dotless i of these locales reveals careless case conversions.
const LOCALES: [&str; 2] = ["tr_TR.UTF-8", "az_AZ.UTF-8"];

/// Starting a process takes milliseconds.
const PROBE: Duration = Duration::from_secs(20);

/// Properties of the build environment that no output may depend on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Surroundings {
    /// The seed of all other values.
    pub seed: u64,
    /// User and group.
    pub user: u32,
    /// Name of the host.
    pub host_name: String,
    /// `HOME`, which does not exist.
    pub home: Utf8PathBuf,
    /// `TZ`.
    pub zone: &'static str,
    /// `LC_ALL` and `LANG`.
    pub locale: &'static str,
    /// The umask.
    pub umask: &'static str,
}

/// How to enter the surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entrance {
    /// The path of bubblewrap, which can change the user and the host name.
    Bubblewrap(Utf8PathBuf),
    /// A shell, which can change neither.
    Shell,
}

impl Surroundings {
    /// Derives them from a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let digest = Digest::of(&seed.to_le_bytes()).to_string();
        let token = &digest[..10];
        let draw = |from: usize, below: usize| {
            let number = u32::from_str_radix(&digest[from..from + 7], 16).unwrap_or_default();
            number as usize % below
        };
        Self {
            seed,
            user: 20_000 + u32::try_from(draw(10, 40_000)).unwrap_or_default(),
            host_name: format!("other-{token}"),
            home: format!("/home-of-{token}/of/another-user").into(),
            zone: ZONES[draw(17, ZONES.len())],
            locale: LOCALES[draw(24, LOCALES.len())],
            umask: "077",
        }
    }

    /// A directory below `area`, with a name whose length depends on the seed.
    #[must_use]
    pub fn directory(&self, area: &Utf8Path) -> Utf8PathBuf {
        let digest = Digest::of(self.host_name.as_bytes()).to_string();
        let length = 12 + usize::try_from(self.seed % 40).unwrap_or_default();
        area.join(format!("elsewhere-{}", &digest[..length]))
    }

    /// The best way that works here, given the path of bubblewrap if it is installed.
    #[must_use]
    pub fn entrance(&self, bubblewrap: Option<Utf8PathBuf>) -> Entrance {
        let Some(program) = bubblewrap else {
            return Entrance::Shell;
        };
        // A host may support a sandbox but no nested one, in which the scripts of the second build
        // run.
        let inner = [
            program.as_str(),
            "--dev-bind",
            "/",
            "/",
            "--unshare-all",
            "true",
        ];
        let inner = inner.map(str::to_owned);
        let entrance = Entrance::Bubblewrap(program);
        let line = self.command_line(&entrance, &inner);
        match Command::from_argv(&line).output(PROBE) {
            Ok(output) if output.status.success() => entrance,
            _ => Entrance::Shell,
        }
    }

    /// The environment variables that differ. `poison` is a directory that precedes `path`.
    #[must_use]
    pub fn environment(
        &self,
        poison: &Utf8Path,
        path: &[Utf8PathBuf],
    ) -> BTreeMap<&'static str, String> {
        let path = std::iter::once(poison).chain(path.iter().map(Utf8PathBuf::as_path));
        let path: Vec<&str> = path.map(Utf8Path::as_str).collect();
        [
            ("HOME", self.home.to_string()),
            ("TZ", self.zone.to_owned()),
            ("LC_ALL", self.locale.to_owned()),
            ("LANG", self.locale.to_owned()),
            ("USER", self.host_name.clone()),
            ("LOGNAME", self.host_name.clone()),
            ("PATH", path.join(":")),
        ]
        .into()
    }

    /// The command line that runs `argv` in the surroundings.
    #[must_use]
    pub fn command_line(&self, entrance: &Entrance, argv: &[String]) -> Vec<String> {
        let mut line = match entrance {
            Entrance::Shell => Vec::new(),
            Entrance::Bubblewrap(program) => {
                let user = self.user.to_string();
                let words = [
                    program.as_str(),
                    "--die-with-parent",
                    "--dev-bind",
                    "/",
                    "/",
                    "--unshare-user",
                    "--uid",
                    &user,
                    "--gid",
                    &user,
                    "--unshare-uts",
                    "--hostname",
                    &self.host_name,
                    "--unshare-net",
                    "--",
                ];
                words.map(str::to_owned).to_vec()
            }
        };
        let umask = format!("umask {} && exec \"$@\"", self.umask);
        line.extend(["sh", "-c", &umask, "sh"].map(str::to_owned));
        line.extend_from_slice(argv);
        line
    }
}
