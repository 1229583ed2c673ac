//! The keys of a release: those that readers trust, and those that were given.

use camino::Utf8PathBuf;
use publish::perform::Authority;
use publish::sign::{self, Keys, Signer};

use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};

/// Keys, and the time.
pub(crate) struct Signing {
    keys: Keys,
    signers: Vec<Signer>,
    now: u64,
}

impl Signing {
    pub(crate) fn authority(&self) -> Authority<'_> {
        Authority {
            keys: &self.keys,
            signers: &self.signers,
            now: self.now,
        }
    }
}

/// Reads the keys; too few are refused before anything is done.
pub(crate) fn authority(context: &Context, files: &[Utf8PathBuf]) -> Result<Signing, Failure> {
    let keys = keys(context)?;
    let signers = files
        .iter()
        .map(|file| Signer::read(&context.env.absolute(file)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(hinted!(Exit::Usage))?;
    keys.check(&signers).map_err(hinted!(Exit::Usage))?;
    let now = host::clock::seconds();
    Ok(Signing { keys, signers, now })
}

/// The keys that readers trust; none where the file is missing.
pub(crate) fn keys(context: &Context) -> Result<Keys, Failure> {
    let path = context.root.join(sign::PATH);
    if !path.exists() {
        return Ok(Keys::none());
    }
    let text = host::files::read(&path).map_err(|error| Failure::new(Exit::Failed, error))?;
    Keys::parse(&String::from_utf8_lossy(&text)).map_err(hinted!(Exit::Usage))
}
