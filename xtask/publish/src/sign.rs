//! Signatures in the format of minisign (jedisct1.github.io/minisign), and `images/keys.toml`: the
//! trusted keys and the required number of signatures.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use minisign::{ErrorKind, PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use serde::Deserialize;

/// The path of the keys in the repository.
pub const PATH: &str = "images/keys.toml";

/// The validity of an index in days, if the file does not set it.
const DAYS: u64 = 365;

/// Why signing, or reading keys, failed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key file cannot be read.
    #[error("failed to read `{path}` as a minisign secret key: {why}")]
    SecretKey {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        why: String,
    },
    /// The key is encrypted, but no password and no terminal is available.
    #[error("`{0}` is encrypted and no password was given")]
    Encrypted(Utf8PathBuf),
    /// No password decrypts the key.
    #[error("failed to decrypt `{0}`: wrong password")]
    Password(Utf8PathBuf),
    /// `keys.toml` is invalid.
    #[error("invalid `{PATH}`: {0}")]
    Keys(String),
    /// Signing failed.
    #[error("failed to sign: {0}")]
    Sign(String),
    /// Too few keys that readers trust.
    #[error("{given} keys of `{PATH}` were given, readers require {wanted}")]
    TooFew {
        /// The number of given keys.
        given: usize,
        /// The number that readers require.
        wanted: usize,
    },
}

impl SignError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SecretKey { .. } => Some("make a key: minisign -G".to_owned()),
            Self::Encrypted(_) | Self::Password(_) => Some(
                "pass its password: --sign-password-file FILE, or export KILN_SIGN_PASSWORD=PASSWORD".to_owned(),
            ),
            Self::Keys(_) | Self::Sign(_) => None,
            Self::TooFew { .. } => Some("pass every secret key: --sign FILE --sign FILE".to_owned()),
        }
    }
}

/// The keys that readers trust.
#[derive(Debug, Clone)]
pub struct Keys {
    trusted: Vec<PublicKey>,
    /// The required number of signatures.
    pub threshold: usize,
    /// The validity of an index in days.
    pub days: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    threshold: usize,
    days: Option<u64>,
}

impl Keys {
    /// No trusted keys, and no required signatures.
    #[must_use]
    pub fn none() -> Self {
        Self {
            trusted: Vec::new(),
            threshold: 0,
            days: DAYS,
        }
    }

    /// Parses `keys.toml`.
    pub fn parse(text: &str) -> Result<Self, SignError> {
        let raw: Raw = toml::from_str(text).map_err(|error| SignError::Keys(error.to_string()))?;
        let read = |text: &String| {
            PublicKey::from_base64(text)
                .map_err(|error| SignError::Keys(format!("`{text}` is not a public key: {error}")))
        };
        let keys = raw.keys.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<String> = keys.iter().map(|key| id(key.keynum())).collect();
        if ids.len() != keys.len() {
            return Err(SignError::Keys("a key occurs twice".to_owned()));
        }
        if raw.threshold > keys.len() || (raw.threshold == 0 && !keys.is_empty()) {
            let why = format!("threshold {} of {} keys", raw.threshold, keys.len());
            return Err(SignError::Keys(why));
        }
        Ok(Self {
            trusted: keys,
            threshold: raw.threshold,
            days: raw.days.unwrap_or(DAYS),
        })
    }

    /// The ids of the keys, as minisign prints them.
    pub fn ids(&self) -> impl Iterator<Item = String> {
        self.trusted.iter().map(|key| id(key.keynum()))
    }

    /// Counts the keys that have signed `bytes`. `signature` returns a key's signature, if any.
    pub fn count(&self, bytes: &[u8], mut signature: impl FnMut(&str) -> Option<Vec<u8>>) -> usize {
        let mut signed = |key: &&PublicKey| {
            let text = signature(&id(key.keynum())).and_then(|text| String::from_utf8(text).ok());
            let signature = text.and_then(|text| SignatureBox::from_string(&text).ok());
            signature.is_some_and(|signature| {
                minisign::verify(key, &signature, Cursor::new(bytes), true, false, false).is_ok()
            })
        };
        self.trusted.iter().filter(|key| signed(key)).count()
    }

    /// Fails if readers would reject the signatures of `signers`.
    pub fn check(&self, signers: &[Signer]) -> Result<(), SignError> {
        let given: BTreeSet<&str> = signers.iter().map(|signer| signer.id.as_str()).collect();
        let given = self.ids().filter(|id| given.contains(id.as_str())).count();
        if given < self.threshold {
            let wanted = self.threshold;
            return Err(SignError::TooFew { given, wanted });
        }
        Ok(())
    }
}

/// A secret key.
pub struct Signer {
    key: SecretKey,
    id: String,
}

impl Signer {
    /// Reads a key file. Tries `passwords` on an encrypted key, or prompts for the password if none
    /// is given and a terminal exists.
    pub fn read(path: &Utf8Path, passwords: &[String], terminal: bool) -> Result<Self, SignError> {
        let wrong = |why: String| SignError::SecretKey {
            path: path.to_owned(),
            why,
        };
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let encoded = text.lines().nth(1).unwrap_or_default().trim();
        let bytes = BASE64
            .decode(encoded)
            .map_err(|_| wrong("its second line is not Base64".to_owned()))?;
        let Some(encryption) = bytes.get(ENCRYPTION) else {
            return Err(wrong("its second line is too short".to_owned()));
        };
        let key = if encryption == UNENCRYPTED {
            unencrypted(&bytes).ok_or_else(|| wrong("the key is damaged".to_owned()))?
        } else {
            decrypted(&text, passwords, terminal).map_err(|failure| match failure {
                Undecrypted::NoPassword => SignError::Encrypted(path.to_owned()),
                Undecrypted::WrongPassword => SignError::Password(path.to_owned()),
                Undecrypted::Other(why) => wrong(why),
            })?
        };
        let id = id(key.keynum());
        Ok(Self { key, id })
    }

    /// The key's id, as minisign prints it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs bytes. The trusted comment `what` is signed with them.
    pub fn sign(&self, bytes: &[u8], what: &str) -> Result<Vec<u8>, SignError> {
        let untrusted = format!("signature of {what}");
        minisign::sign(
            None,
            &self.key,
            Cursor::new(bytes),
            Some(what),
            Some(&untrusted),
        )
        .map(|signature| signature.into_string().into_bytes())
        .map_err(|error| SignError::Sign(error.to_string()))
    }
}

/// The bytes that identify a key's encryption, and their value without encryption.
const ENCRYPTION: std::ops::Range<usize> = 2..4;
const UNENCRYPTED: [u8; 2] = [0; 2];

/// Reads a key without encryption. Ignores its checksum, which `minisign -W` leaves empty. A
/// signature that the public key accepts proves as much.
fn unencrypted(bytes: &[u8]) -> Option<SecretKey> {
    let key = SecretKey::from_bytes(bytes).ok()?;
    let public = PublicKey::from_secret_key(&key).ok()?;
    let sample = || Cursor::new(b"sample");
    let signature = minisign::sign(None, &key, sample(), None, None).ok()?;
    minisign::verify(&public, &signature, sample(), true, false, false).ok()?;
    Some(key)
}

/// Why a key could not be decrypted.
enum Undecrypted {
    NoPassword,
    WrongPassword,
    Other(String),
}

fn decrypted(text: &str, passwords: &[String], terminal: bool) -> Result<SecretKey, Undecrypted> {
    let decrypt = |password| {
        SecretKeyBox::from_string(text)
            .and_then(|key| key.into_secret_key(password))
            .map_err(|error| match error.kind() {
                ErrorKind::Verify => Undecrypted::WrongPassword,
                _ => Undecrypted::Other(error.to_string()),
            })
    };
    if passwords.is_empty() {
        return if terminal {
            decrypt(None)
        } else {
            Err(Undecrypted::NoPassword)
        };
    }
    let mut last = Undecrypted::NoPassword;
    for password in passwords {
        match decrypt(Some(password.clone())) {
            Ok(key) => return Ok(key),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// A key's id in minisign's format.
fn id(number: &[u8]) -> String {
    let mut text = String::new();
    for byte in number.iter().rev() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Debian's minisign 0.11: `minisign -G -W`, and `minisign -G` with the password
    /// `kiln`.
    const PLAIN: &str = "untrusted comment: minisign encrypted secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPxv1MJf4sKfOR8LSoGoPbnuOfMk/tH0BVcide6hmWLc3RX0LfbFpGukBwLR9vUOn26tpHchGpXL1ssOysgrocG3lwLWR7p5GAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const LOCKED: &str = "untrusted comment: minisign encrypted secret key\nRWRTY0IyxoxAJ7WFf9jlEzfm2wZlaF6hmlXeiYEewHRlVlmuNKUAAAACAAAAAAAAAEAAAAAAnt/0neVik6qJOjILPxhcmt/h8TRHdrmr0eDOK6UjQh9RAz1NWg8M3wkTS6tvs13FR+QnIl/FRROpdo2HmKrCFtcMwvv2KoolDcQRovG/19CMmThE8BhpS3uRRURpP3/dXFb9Pf7eGNs=\n";

    /// The first key, encrypted like minisign does with the password `kiln`, but with a scrypt that
    /// takes milliseconds.
    const CHEAP: &str = "untrusted comment: minisign encrypted secret key\nRWRTY0IyI9MbGzlaadF4jpiMm2eMyL4WevVwfAeDwK0GrWpUGA8AgAAAAAAAAAAAAAEAAAAAD7mxTCgwrltUawFfvJ3/5i0FbtZM/sow55Rdvzc/EVo66KYBeR276RHDFn5T/Wm1OaUOqVD+kzIOgldmV3ZYDBl1oZZ012hZ7Yf9AOeEc4wgSLkU/dphyxQTHHT7q+PDJkqR+9y0lGw=\n";

    fn read(text: &str, passwords: &[&str]) -> Result<Signer, SignError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let passwords: Vec<String> = passwords.iter().map(|&text| text.to_owned()).collect();
        Signer::read(Utf8Path::from_path(file.path()).unwrap(), &passwords, false)
    }

    #[test]
    fn keys_of_debian_minisign_are_read() {
        assert_eq!(read(PLAIN, &[]).unwrap().id(), "A7B0F89730F51B3F");
        let error = read(LOCKED, &[]).err().unwrap();
        assert!(matches!(error, SignError::Encrypted(_)), "{error}");
    }

    #[test]
    fn encrypted_key_accepts_any_matching_password() {
        for passwords in [&["kiln"][..], &["wrong", "kiln"]] {
            assert_eq!(read(CHEAP, passwords).unwrap().id(), "A7B0F89730F51B3F");
        }
    }

    #[test]
    fn unencrypted_keys_of_this_library_are_read() {
        let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        assert_eq!(read(&text, &[]).unwrap().id(), id(pair.pk.keynum()));
    }

    #[test]
    fn password_prompt_requires_a_terminal() {
        let error = |passwords: &[&str]| read(CHEAP, passwords).err().unwrap();
        assert!(matches!(error(&[]), SignError::Encrypted(_)));
        assert!(matches!(error(&["wrong"]), SignError::Password(_)));
        for passwords in [&[][..], &["wrong"]] {
            let hint = error(passwords).hint().unwrap();
            assert!(hint.contains("KILN_SIGN_PASSWORD"), "{hint}");
        }
    }

    #[test]
    fn damaged_keys_are_refused() {
        let (comment, encoded) = PLAIN.split_once('\n').unwrap();
        let mut bytes = BASE64.decode(encoded.trim()).unwrap();
        bytes[100] ^= 1;
        for text in [
            format!("{comment}\n{}\n", BASE64.encode(&bytes)),
            format!("{comment}\n{}\n", BASE64.encode(&bytes[..50])),
            format!("{comment}\n*\n"),
            String::new(),
        ] {
            let error = read(&text, &[]).err().unwrap();
            assert!(matches!(error, SignError::SecretKey { .. }), "{error}");
        }
    }
}
