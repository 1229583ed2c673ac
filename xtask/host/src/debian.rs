//! Finds Debian mirrors, which keep source packages.
//!
//! Mirrors come from a flag, from `KILN_DEBIAN_MIRROR`, or else from `apt-get indextargets`, which
//! needs no network. The snapshot archive is `snapshot.debian.org` unless a flag or
//! `KILN_DEBIAN_SNAPSHOT` names a mirror of it.

use std::time::Duration;

use crate::env::Env;
use crate::process::Command;
use crate::secret::SecretUrl;
use crate::tools;

/// Debian's snapshot archive, the default of `--debian-snapshot` and `KILN_DEBIAN_SNAPSHOT`.
const SNAPSHOT: &str = "https://snapshot.debian.org";

/// Time limit for apt to list its configuration.
const LIMIT: Duration = Duration::from_secs(20);

/// One line per index. The fields cannot contain the tabs that separate them.
const FORMAT: &str = "$(ORIGIN)\t$(LABEL)\t$(COMPONENT)\t$(REPO_URI)";

/// Distinct bases of Debian mirrors, the main archive first. Empty on hosts without any.
#[must_use]
pub fn mirrors(flag: Option<&SecretUrl>, env: &Env) -> Vec<SecretUrl> {
    if let Some(given) = flag.or(env.kiln_debian_mirror.as_ref()) {
        return vec![given.without_slash()];
    }
    if tools::find("apt-get").is_none() {
        return Vec::new();
    }
    let list = |options: &[&str]| {
        let command = Command::new("apt-get").arg("indextargets").args(options);
        let command = command
            .args(["--format", FORMAT, "Created-By: Packages"])
            .env("LC_ALL", "C");
        // A broken apt offers no mirrors. The caller then tries other locations.
        command
            .read(LIMIT)
            .map_or_else(|_| Vec::new(), |listing| bases(&listing))
    };
    let bases = match list(&[]) {
        // Before the first `apt-get update`, apt lists an index only without its release
        // information.
        none if none.is_empty() => list(&["--no-release-info"]),
        bases => bases,
    };
    bases.into_iter().map(SecretUrl::from).collect()
}

/// The base of the snapshot archive.
#[must_use]
pub fn snapshot(flag: Option<&SecretUrl>, env: &Env) -> SecretUrl {
    let given = flag.or(env.kiln_debian_snapshot.as_ref());
    given.map_or_else(|| SNAPSHOT.into(), SecretUrl::without_slash)
}

/// Selects the bases of Debian's own archives from apt's list, component `main` only. `Debian`
/// comes first, then `Debian-Security`, then Debian's other archives.
fn bases(listing: &str) -> Vec<String> {
    let mut bases: Vec<(u8, String)> = Vec::new();
    for line in listing.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [origin, label, component, uri] = fields[..] else {
            continue;
        };
        let rank = match (origin, label) {
            // Before the first update, only the last part of the path identifies the archive.
            ("" | "$(ORIGIN)", _) => match without_slash(uri).rsplit('/').next() {
                Some("debian") => 0,
                Some("debian-security") => 2,
                _ => continue,
            },
            ("Debian" | "Debian Backports", "Debian") => 0,
            ("Debian" | "Debian Backports", "Debian Backports") => 1,
            ("Debian", "Debian-Security") => 2,
            _ => continue,
        };
        let web = uri.starts_with("http://") || uri.starts_with("https://");
        if component != "main" || !(web || uri.starts_with("file:")) {
            continue;
        }
        let base = without_slash(uri);
        match bases.iter_mut().find(|(_, known)| *known == base) {
            Some((known, _)) => *known = rank.min(*known),
            None => bases.push((rank, base)),
        }
    }
    bases.sort_by_key(|(rank, _)| *rank);
    bases.into_iter().map(|(_, base)| base).collect()
}

fn without_slash(uri: &str) -> String {
    uri.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_archive_comes_first() {
        let listing = "\
Debian\tDebian-Security\tmain\thttp://mirror.example/debian-security/
Debian Backports\tDebian Backports\tmain\thttp://mirror.example/debian/
Debian\tDebian\tmain\thttp://mirror.example/debian/
Debian\tDebian\tcontrib\thttp://contrib.example/debian/
Debian\tDebian\tmain\thttps://second.example/debian
Node Source\tNode Source\tmain\thttps://deb.example/node/
Debian\tDebian\tmain\tcdrom:[Debian GNU-Linux 12]/
short line
";
        let expect = [
            "http://mirror.example/debian",
            "https://second.example/debian",
            "http://mirror.example/debian-security",
        ];
        assert_eq!(bases(listing), expect);
        assert_eq!(bases(""), [""; 0]);
    }

    #[test]
    fn path_identifies_archive_before_update() {
        let listing = "\
$(ORIGIN)\t$(LABEL)\tmain\thttp://mirror.example/debian-security/
$(ORIGIN)\t$(LABEL)\tmain\thttps://deb.example/node_20.x/
$(ORIGIN)\t$(LABEL)\tmain\thttp://mirror.example/debian/
";
        let expect = [
            "http://mirror.example/debian",
            "http://mirror.example/debian-security",
        ];
        assert_eq!(bases(listing), expect);
    }

    #[test]
    fn flag_wins_over_environment_and_apt() {
        let kiln_debian_mirror = Some(SecretUrl::from("http://env.example/debian/"));
        let env = Env {
            kiln_debian_mirror,
            ..Env::default()
        };
        assert_eq!(
            mirrors(Some(&"http://flag.example/debian/".into()), &env),
            [SecretUrl::from("http://flag.example/debian")]
        );
        assert_eq!(
            mirrors(None, &env),
            [SecretUrl::from("http://env.example/debian")]
        );
    }

    #[test]
    fn flag_overrides_environment_which_overrides_default() {
        let env = Env {
            kiln_debian_snapshot: Some("http://env.example/".into()),
            ..Env::default()
        };
        let flag = SecretUrl::from("http://flag.example/snapshot/");
        let check = |flag, env: &Env, expect: &str| {
            assert_eq!(snapshot(flag, env), SecretUrl::from(expect));
        };
        check(Some(&flag), &env, "http://flag.example/snapshot");
        check(None, &env, "http://env.example");
        check(None, &Env::default(), SNAPSHOT);
    }
}
