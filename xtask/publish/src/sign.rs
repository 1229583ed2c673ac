//! Signatures in the format of minisign (jedisct1.github.io/minisign), and how many of which keys are
//! wanted: `images/keys.toml`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Cursor;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use minisign::{PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use serde::Deserialize;

/// Where the keys are, in the repository.
pub const PATH: &str = "images/keys.toml";

/// How long an index is believed where the file says nothing.
const DAYS: u64 = 365;

/// Why something cannot be signed, or keys not be read.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key file cannot be read or decrypted.
    #[error("`{path}` is no secret key of minisign: {why}")]
    SecretKey {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        why: String,
    },
    /// `keys.toml` is wrong.
    #[error("`{PATH}` is wrong: {0}")]
    Keys(String),
    /// Signing failed.
    #[error("cannot sign: {0}")]
    Sign(String),
    /// Too few of the keys that readers trust.
    #[error("{given} of the keys in `{PATH}` were given, readers want {wanted}")]
    TooFew {
        /// How many.
        given: usize,
        /// How many readers want.
        wanted: usize,
    },
}

impl SignError {
    /// What mends it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SecretKey { .. } => Some("make one: minisign -G".to_owned()),
            Self::Keys(_) | Self::Sign(_) => None,
            Self::TooFew { .. } => Some("give each secret key with --sign FILE".to_owned()),
        }
    }
}

/// The keys that readers trust.
#[derive(Debug, Clone)]
pub struct Keys {
    trusted: Vec<PublicKey>,
    /// How many of them must have signed.
    pub threshold: usize,
    /// For how many days an index is believed.
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
    /// No key is trusted, and none is wanted.
    #[must_use]
    pub fn none() -> Self {
        Self {
            trusted: Vec::new(),
            threshold: 0,
            days: DAYS,
        }
    }

    /// Reads `keys.toml`.
    pub fn parse(text: &str) -> Result<Self, SignError> {
        let raw: Raw = toml::from_str(text).map_err(|error| SignError::Keys(error.to_string()))?;
        let read = |text: &String| {
            PublicKey::from_base64(text)
                .map_err(|error| SignError::Keys(format!("`{text}` is no public key: {error}")))
        };
        let keys = raw.keys.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<String> = keys.iter().map(|key| id(key.keynum())).collect();
        if ids.len() != keys.len() {
            return Err(SignError::Keys("a key is there twice".to_owned()));
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

    /// How many keys have signed `bytes`; `signature` gives what is found of a key.
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

    /// Fails when readers would not believe what `signers` sign.
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
    /// Reads a key file; one that is encrypted is asked its password for.
    pub fn read(path: &Utf8Path) -> Result<Self, SignError> {
        let wrong = |why: String| SignError::SecretKey {
            path: path.to_owned(),
            why,
        };
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let parse = || SecretKeyBox::from_string(&text).map_err(|error| wrong(error.to_string()));
        let key = match parse()?.into_unencrypted_secret_key() {
            Ok(key) => key,
            Err(_) => parse()?
                .into_secret_key(None)
                .map_err(|error| wrong(error.to_string()))?,
        };
        let id = id(key.keynum());
        Ok(Self { key, id })
    }

    /// The key's id, as minisign prints it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs bytes; `what` is signed with them, for people.
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

/// A key's number as minisign prints it.
fn id(number: &[u8]) -> String {
    let mut text = String::new();
    for byte in number.iter().rev() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}
