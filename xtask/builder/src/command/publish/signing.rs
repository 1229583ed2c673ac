//! The keys of a release: trusted keys and signing keys.

use std::io::IsTerminal as _;

use camino::Utf8PathBuf;
use publish::perform::Authority;
use publish::sign::{self, Keys, Signer};

use xtask::cli::publish::SignArgs;
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};

/// The keys and the time.
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

/// Reads the keys. Refuses too few early.
pub(crate) fn authority(context: &Context, args: &SignArgs) -> Result<Signing, Failure> {
    let keys = keys(context)?;
    let passwords = passwords(context, args)?;
    let terminal = std::io::stdin().is_terminal();
    let signers = args
        .sign
        .iter()
        .map(|file| Signer::read(&context.env.absolute(file), &passwords, terminal))
        .collect::<Result<Vec<_>, _>>()
        .map_err(hinted!(Exit::Usage))?;
    keys.check(&signers).map_err(hinted!(Exit::Usage))?;
    let now = host::clock::seconds();
    Ok(Signing { keys, signers, now })
}

/// The passwords of encrypted keys: the first line of each file, else the variable.
fn passwords(context: &Context, args: &SignArgs) -> Result<Vec<String>, Failure> {
    if args.sign_password_file.is_empty() {
        let variable = context.env.sign_password.as_ref();
        return Ok(variable
            .map(|password| password.0.clone())
            .into_iter()
            .collect());
    }
    let files = args.sign_password_file.iter();
    let read = |file: &Utf8PathBuf| {
        let text = host::files::read(&context.env.absolute(file))
            .map_err(|error| Failure::new(Exit::Usage, error))?;
        let text = String::from_utf8(text)
            .map_err(|_| Failure::new(Exit::Usage, anyhow::anyhow!("`{file}` is not UTF-8")))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    files.map(read).collect()
}

/// The trusted keys, or none if the file is missing.
pub(crate) fn keys(context: &Context) -> Result<Keys, Failure> {
    let path = context.root.join(sign::PATH);
    if !path.exists() {
        return Ok(Keys::none());
    }
    let text = host::files::read(&path).map_err(|error| Failure::new(Exit::Failed, error))?;
    Keys::parse(&String::from_utf8_lossy(&text)).map_err(hinted!(Exit::Usage))
}
