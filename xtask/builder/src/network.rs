//! The permitted remotes and the machine's names, from the command line.

use camino::Utf8PathBuf;
use host::secret::SecretUrl;
use inspect::scan::{Machine, Tokens};
use net::{Client, HttpError};
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};

/// Names and paths of this machine, which no build output may contain.
pub(crate) fn machine(context: &Context) -> Tokens {
    let text = |path: Option<&Utf8PathBuf>| path.map(ToString::to_string).unwrap_or_default();
    Tokens::of(&Machine {
        host: context.env.host_name.clone(),
        user: context.env.user.clone().unwrap_or_default(),
        home: text(context.env.home.as_ref()),
        store: text(context.env.store_dir().as_ref()),
        checkout: context.root.to_string(),
        temporary: context.env.temp_dir.to_string(),
    })
}

/// The HTTP client, or `None` offline.
pub(crate) fn client(context: &Context) -> Result<Option<Client>, HttpError> {
    if context.global.offline {
        return Ok(None);
    }
    Client::with_limits(context.env.http_limits()).map(Some)
}

/// Refuses to do something that needs the network if `--offline` forbids it.
pub(crate) fn check_allowed(context: &Context, what: &str) -> Result<(), Failure> {
    if context.global.offline {
        let error =
            anyhow::anyhow!("failed to {what}: it needs the network, which --offline forbids");
        return Err(Failure::new(Exit::Usage, error));
    }
    Ok(())
}

/// The HTTP client for an explicitly requested URL. Fails offline.
pub(crate) fn client_for(context: &Context, address: &SecretUrl) -> Result<Client, Failure> {
    let client = client(context).map_err(hinted!(Exit::FetchFailed))?;
    client.ok_or_else(|| {
        let error = anyhow::anyhow!("failed to reach `{address}`: --offline was given");
        Failure::new(Exit::Usage, error)
    })
}
