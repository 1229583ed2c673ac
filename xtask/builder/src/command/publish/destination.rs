//! The destination of a release: a directory, a bucket or a registry.

use camino::Utf8PathBuf;
use host::secret::SecretUrl;
use publish::perform;
use publish::registry::Registry;
use publish::s3::Bucket;
use publish::tree::Tree;
use publish::tree_reader::Directory;

use crate::network;
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};

/// A destination.
pub(crate) enum Published {
    /// Static files in a local directory.
    Directory(Directory),
    /// Static files in a bucket.
    Bucket(Box<Bucket>),
    /// An OCI registry.
    Registry(Registry),
}

impl Published {
    /// Parses `--to` and `--from`.
    pub(crate) fn open(context: &Context, address: &SecretUrl) -> Result<Self, Failure> {
        let text = address.reveal();
        if let Some(place) = text.strip_prefix("s3://") {
            let env = &context.env;
            let bucket = Bucket::open(network::client_for(context, address)?, place, &env.aws);
            return Ok(Self::Bucket(Box::new(
                bucket.map_err(hinted!(Exit::Usage))?,
            )));
        }
        if let Some(place) = text.strip_prefix("oci://") {
            let registry = Registry::open(
                network::client_for(context, address)?,
                place,
                &context.env.registry,
            );
            return Ok(Self::Registry(registry.map_err(hinted!(Exit::Usage))?));
        }
        if text.contains("://") {
            let error =
                anyhow::anyhow!("expected a directory or URL to publish to, found `{address}`");
            let hint = "use a directory, s3://BUCKET/PREFIX or oci://REGISTRY/NAME:TAG".to_owned();
            return Err(Failure::new(Exit::Usage, error).hint(hint));
        }
        let path = context.env.absolute(&Utf8PathBuf::from(text));
        if path.exists() && !path.is_dir() {
            let error = anyhow::anyhow!("`{path}` is not a directory");
            return Err(Failure::new(Exit::Usage, error));
        }
        Ok(Self::Directory(Directory(path)))
    }

    /// Checks early that the destination answers and accepts the credentials.
    pub(crate) fn check_access(&self) -> Result<(), Failure> {
        match self {
            Self::Directory(directory) => {
                perform::check_access(directory).map_err(hinted!(Exit::FetchFailed))
            }
            Self::Bucket(bucket) => {
                perform::check_access(bucket.as_ref()).map_err(hinted!(Exit::FetchFailed))
            }
            Self::Registry(registry) => registry.check_access().map_err(hinted!(Exit::FetchFailed)),
        }
    }

    /// The tree. Fails for a registry, which has none.
    pub(crate) fn tree(self) -> Result<Box<dyn Tree>, Failure> {
        match self {
            Self::Directory(directory) => Ok(Box::new(directory)),
            Self::Bucket(bucket) => Ok(bucket),
            Self::Registry(_) => {
                let error = anyhow::anyhow!(
                    "failed to unpublish from a registry: releases are removed from directories and buckets only"
                );
                let hint = "delete the tag with the tools of the registry".to_owned();
                Err(Failure::new(Exit::Usage, error).hint(hint))
            }
        }
    }
}
