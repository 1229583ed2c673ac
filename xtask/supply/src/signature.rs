//! Debian's signatures of its releases, which gpgv checks.

use std::time::Duration;

use camino::Utf8Path;
use host::process::{Command, ProcessError};

/// The keys of Debian's archives on Debian and its derivatives (package `debian-archive-keyring`).
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Time limit for the check of one signature.
const LIMIT: Duration = Duration::from_secs(60);

/// The keys of Debian, if this host can check signatures.
pub(crate) fn debian_keys() -> Option<&'static Utf8Path> {
    let keys = Utf8Path::new(KEYRING);
    (keys.is_file() && host::tools::find("gpgv").is_some()).then_some(keys)
}

/// The signed text of a file, without unsigned lines before and after it, which gpgv permits.
pub(crate) fn signed_text(keys: &Utf8Path, file: &Utf8Path) -> Result<String, ProcessError> {
    let gpgv = Command::new("gpgv")
        .args(["--quiet", "--keyring"])
        .arg(keys);
    gpgv.args(["--output", "-"]).arg(file).read(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key for tests, as `gpg --export` writes it.
    const KEY: &str = "\
        9833046774858016092b06010401da470f0101074023fbaf5c6ef74f593b750bee894d886fee34f78f7ad04e\
        ce98e6706979f31e2eb4094b696c6e20746573748890041316080038162104c6fabe40c15a9c166d45450be4\
        75f7444cdce9f7050267748580021b03050b0908070206150a09080b020416020301021e01021780000a0910\
        e475f7444cdce9f7e3600100cee76213fdb813de277580b8a70fafcae0cb93454f92f92d063d61e8f57f2342\
        00fc0dd87bce8cd2c56e3b876711c3526a427ef4988df0d5bbe79a2e5ec359c0190e";
    /// Signed with the key.
    const RELEASE: &str = "\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Suite: stable
SHA256:
 00 1 main/Packages.xz
-----BEGIN PGP SIGNATURE-----

iHUEARYIAB0WIQTG+r5AwVqcFm1FRQvkdfdETNzp9wUCZ3XXAAAKCRDkdfdETNzp
9++0AP0cSNkdcJ/UFfu849W5F0sBb8LSr3IkbIU+MlRdAX421QD/UhWNzcpiq59j
j/Ub9ScpGtws09RkvGleE9kBr1NjTgY=
=9noe
-----END PGP SIGNATURE-----
";
    const TEXT: &str = "Suite: stable\nSHA256:\n 00 1 main/Packages.xz\n";

    #[test]
    fn only_signed_lines_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| Utf8Path::from_path(directory.path()).unwrap().join(name);
        let digits: Vec<char> = KEY.chars().collect();
        let pairs = digits.chunks(2).map(String::from_iter);
        let key: Vec<u8> = pairs
            .map(|it| u8::from_str_radix(&it, 16).unwrap())
            .collect();
        host::files::write(&path("key"), &key).unwrap();
        let read = |text: &str| {
            host::files::write(&path("file"), text.as_bytes()).unwrap();
            signed_text(&path("key"), &path("file")).ok()
        };
        if host::tools::find("gpgv").is_none() {
            assert_eq!(debian_keys(), None);
            return harness::skip("gpgv is not installed");
        }
        let signed = Some(TEXT.to_owned());
        assert_eq!(read(RELEASE), signed);
        let surrounded = format!("SHA256:\n 11 2 main/Packages.xz\n\n{RELEASE}\nSHA256:\n");
        assert_eq!(read(&surrounded), signed);
        assert_eq!(read(&RELEASE.replace("00 1", "11 2")), None);
        assert_eq!(read(TEXT), None);
        assert_eq!(read(&RELEASE.repeat(2)), None);
    }
}
