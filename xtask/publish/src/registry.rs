//! An OCI registry (github.com/opencontainers/distribution-spec): blobs first, then the manifest of the
//! source, those of the images, and last the index under its tag. Until then nobody finds any of it.

use host::http::{Answer, Client, Method, Payload, Request};
use plan::digest::Digest;

use crate::index::{INDEX, Index, MANIFEST};
use crate::release::{Content, Phase, PublishedFile, Release};
use crate::tree::TreeError;

/// A repository of a registry.
#[derive(Debug, Clone)]
pub struct Registry {
    client: Client,
    base: String,
    name: String,
    tag: Option<String>,
}

impl Registry {
    /// Reads `registry/name[:tag]`; plain HTTP is spoken with this machine only.
    pub fn open(client: Client, place: &str) -> Result<Self, TreeError> {
        let wrong = || TreeError::Setup(format!("`oci://{place}` is no registry/name:tag"));
        let (host, name) = place.split_once('/').ok_or_else(wrong)?;
        let (name, tag) = match name.split_once(':') {
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (name, None),
        };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
        if host.is_empty() || name.is_empty() || !name.chars().all(fits) {
            return Err(wrong());
        }
        let machine = host.rsplit_once(':').map_or(host, |(machine, _)| machine);
        let local = matches!(machine, "localhost" | "127.0.0.1" | "[::1]");
        let scheme = if local { "http" } else { "https" };
        Ok(Self {
            client,
            base: format!("{scheme}://{host}"),
            name: name.to_owned(),
            tag,
        })
    }

    /// Pushes a release; gives the digest of its index.
    pub fn push(&self, release: &Release, told: &mut dyn FnMut(&str)) -> Result<String, TreeError> {
        let manifests: Vec<Digest> = release
            .descriptors
            .iter()
            .filter_map(crate::index::Descriptor::sha256)
            .collect();
        let blobs = || {
            release
                .files
                .iter()
                .filter(|file| file.phase == Phase::Blobs)
        };
        for file in blobs().filter(|file| !manifests.contains(&file.content.digest())) {
            self.blob(file)?;
            told(&file.path);
        }
        // In the order of the release: the source first.
        for digest in &manifests {
            let file = blobs().find(|file| file.content.digest() == *digest);
            if let Some(Content::Bytes(text)) = file.map(|file| &file.content) {
                self.manifest(&format!("sha256:{digest}"), MANIFEST, text)?;
                told(&format!("manifests/{digest}"));
            }
        }
        let index = Index::default().naming(&release.descriptors).render();
        let plain = release.name.trim_start_matches("kiln-");
        let tag = self.tag.as_deref().unwrap_or(plain);
        self.manifest(tag, INDEX, &index)?;
        told(tag);
        Ok(format!("sha256:{}", Digest::of(&index)))
    }

    /// One blob, unless the registry has it.
    fn blob(&self, file: &PublishedFile) -> Result<(), TreeError> {
        let digest = format!("sha256:{}", file.content.digest());
        let path = format!("blobs/{digest}");
        let there = self.ask(Method::Head, &path, Vec::new(), Payload::Empty)?;
        if there.is_success() {
            return Ok(());
        }
        let begun = self.ask(Method::Post, "blobs/uploads/", Vec::new(), Payload::Empty)?;
        let refused = |answer: &Answer| TreeError::Refused {
            path: path.clone(),
            status: answer.status,
            why: answer.said(),
        };
        let location = begun
            .headers
            .get("location")
            .filter(|_| begun.status == 202);
        let location = location.ok_or_else(|| refused(&begun))?;
        let place = if location.starts_with('/') {
            format!("{}{location}", self.base)
        } else {
            location.clone()
        };
        let joint = if place.contains('?') { '&' } else { '?' };
        let headers = vec![("content-type", "application/octet-stream".to_owned())];
        let payload = match &file.content {
            Content::Bytes(bytes) => Payload::Bytes(bytes.clone()),
            Content::Blob(blob) => Payload::File(blob.path.clone()),
        };
        let url = format!("{place}{joint}digest={digest}");
        let put = self.client.send(&Request {
            method: Method::Put,
            url,
            shown: self.address(&path),
            headers,
            payload,
        })?;
        if put.is_success() {
            Ok(())
        } else {
            Err(refused(&put))
        }
    }

    fn manifest(&self, reference: &str, kind: &str, text: &[u8]) -> Result<(), TreeError> {
        let path = format!("manifests/{reference}");
        let headers = vec![("content-type", kind.to_owned())];
        let answer = self.ask(Method::Put, &path, headers, Payload::Bytes(text.to_vec()))?;
        if answer.is_success() {
            return Ok(());
        }
        Err(TreeError::Refused {
            path,
            status: answer.status,
            why: answer.said(),
        })
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        payload: Payload,
    ) -> Result<Answer, TreeError> {
        let url = self.address(path);
        let shown = url.clone();
        let request = Request {
            method,
            url,
            shown,
            headers,
            payload,
        };
        Ok(self.client.send(&request)?)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.base, self.name)
    }
}

#[cfg(test)]
mod tests;
