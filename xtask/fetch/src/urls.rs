//! The URLs of a pinned file, in the order of attempts.

use host::secret::SecretUrl;
use plan::digest::Digest;
use plan::source::{Location, SourcePin};

use crate::remote::Remotes;

/// All URLs of a file in the order of attempts.
pub(crate) fn urls(pin: &SourcePin, remotes: &Remotes) -> Vec<String> {
    let own = pin.locations.iter();
    let own = own.flat_map(|location| location_urls(location, remotes));
    let mirrored = remotes
        .mirrors
        .iter()
        .map(|base| blob_url(base.reveal(), &pin.sha256));
    let mut urls = Vec::new();
    for url in own.chain(mirrored) {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// The URLs of one location, or none if its base is unknown.
pub(crate) fn location_urls(location: &Location, remotes: &Remotes) -> Vec<String> {
    let below = |bases: &[SecretUrl], path: &str| {
        let urls = bases.iter().map(|base| join(base.reveal(), path));
        urls.collect()
    };
    match location {
        Location::Url(url) => vec![url.clone()],
        Location::Debian(path) => below(&remotes.debian_mirrors, path),
        Location::DebianSnapshot(sha1) => {
            below(remotes.debian_snapshot.as_slice(), &format!("file/{sha1}"))
        }
    }
}

/// The URL of a blob on a mirror.
fn blob_url(base: &str, digest: &Digest) -> String {
    join(base, &format!("blobs/sha256/{digest}"))
}

fn join(base: &str, path: &str) -> String {
    format!(
        "{}/{}",
        base.trim_end_matches('/'),
        path.trim_start_matches('/')
    )
}
