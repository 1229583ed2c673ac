//! The network and the machine as the command line lets commands see them.

use camino::Utf8PathBuf;
use forge::scan::{Machine, Tokens};
use host::secret::SecretUrl;
use net::{Client, HttpError};
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};

/// What this machine calls itself and its places: none of it belongs into what is built.
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

/// Who asks the network; `None` offline.
pub(crate) fn client(context: &Context) -> Result<Option<Client>, HttpError> {
    if context.global.offline {
        return Ok(None);
    }
    Client::with_limits(context.env.http_limits()).map(Some)
}

/// Who asks the network for an address that was named; refused offline.
pub(crate) fn client_for(context: &Context, address: &SecretUrl) -> Result<Client, Failure> {
    let client = client(context).map_err(hinted!(Exit::FetchFailed))?;
    client.ok_or_else(|| {
        let error = anyhow::anyhow!("failed to reach `{address}`: --offline was given");
        Failure::new(Exit::Usage, error)
    })
}
