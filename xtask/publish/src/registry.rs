//! An OCI registry (github.com/opencontainers/distribution-spec). Pushes the blobs first, then the
//! manifest of the source and those of the images, and last the index under its tag. Until then no
//! reader finds any of it.

mod login;

use host::env::RegistryLogin;
use host::secret::shown;
use net::{Answer, Client, HttpError, Method, Payload, Request};
use plan::digest::Digest;

use crate::index::{INDEX, Index, MANIFEST};
use crate::release::{Content, Phase, PublishedFile, Release};
use crate::retry::Retry;
use crate::tree::TreeError;

use login::Login;

/// A repository of a registry.
#[derive(Debug, Clone)]
pub struct Registry {
    client: Client,
    base: String,
    name: String,
    tag: Option<String>,
    login: Login,
    retry: Retry,
}

impl Registry {
    /// Parses `registry/name[:tag]`. Plain HTTP is used for the loopback only.
    pub fn open(client: Client, place: &str, login: &RegistryLogin) -> Result<Self, TreeError> {
        let address = shown(&format!("oci://{place}"));
        let wrong = || {
            TreeError::Setup(format!(
                "expected `oci://registry/name:tag`, found `{address}`"
            ))
        };
        let (host, name) = place.split_once('/').ok_or_else(wrong)?;
        if host.contains('@') {
            return Err(TreeError::Setup(format!(
                "`{address}` holds a user or a password: set KILN_REGISTRY_USER and KILN_REGISTRY_PASSWORD"
            )));
        }
        let (name, tag) = match name.split_once(':') {
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (name, None),
        };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
        if host.is_empty() || name.is_empty() || !name.chars().all(fits) {
            return Err(wrong());
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
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
            login: Login::new(login),
            retry: Retry::default(),
        })
    }

    /// The same repository with another retry policy.
    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// Checks early that the server is a registry and accepts the credentials.
    pub fn check_access(&self) -> Result<(), TreeError> {
        let address = format!("{}/v2/", self.base);
        let ask = || self.send(Method::Get, &address, &address, &[], &Payload::Empty);
        let answer = self.retry.ask(ask)?;
        if answer.is_success() {
            Ok(())
        } else {
            Err(refused("/v2/".to_owned(), &answer))
        }
    }

    /// Pushes a release. Returns the digest of its index. Fails if the tag refers to another
    /// release.
    pub fn push(
        &self,
        release: &Release,
        progress: &mut dyn FnMut(&str),
    ) -> Result<String, TreeError> {
        let index = Index::default().naming(&release.descriptors).render();
        let plain = release.name.trim_start_matches("kiln-");
        let tag = self.tag.as_deref().unwrap_or(plain);
        self.check_tag(tag, Digest::of(&index))?;
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
            progress(&file.path);
        }
        // In the order of the release, the source first.
        for digest in &manifests {
            let file = blobs().find(|file| file.content.digest() == *digest);
            if let Some(Content::Bytes(text)) = file.map(|file| &file.content) {
                self.manifest(&format!("sha256:{digest}"), MANIFEST, text)?;
                progress(&format!("manifests/{digest}"));
            }
        }
        self.manifest(tag, INDEX, &index)?;
        progress(tag);
        Ok(format!("sha256:{}", Digest::of(&index)))
    }

    /// Fails if the tag refers to another index.
    fn check_tag(&self, tag: &str, wanted: Digest) -> Result<(), TreeError> {
        let path = format!("manifests/{tag}");
        let address = self.address(&path);
        let headers = [("accept", INDEX.to_owned())];
        let ask = || self.send(Method::Get, &address, &address, &headers, &Payload::Empty);
        let answer = self.retry.ask(ask)?;
        // Some registries answer "forbidden" for a repository that does not exist yet.
        let is = answer.is_success().then(|| Digest::of(&answer.body));
        match is.filter(|is| *is != wanted) {
            Some(is) => Err(TreeError::Differs { path, is, wanted }),
            None => Ok(()),
        }
    }

    /// Pushes one blob, unless the registry has it.
    fn blob(&self, file: &PublishedFile) -> Result<(), TreeError> {
        let path = format!("blobs/sha256:{}", file.content.digest());
        // A broken upload starts again from the beginning.
        let answer = self.retry.ask(|| self.blob_once(&path, file))?;
        if answer.is_success() {
            Ok(())
        } else {
            Err(refused(path, &answer))
        }
    }

    /// Pushes one blob in one attempt. Returns the last answer.
    fn blob_once(&self, path: &str, file: &PublishedFile) -> Result<Answer, HttpError> {
        let digest = format!("sha256:{}", file.content.digest());
        let address = self.address(path);
        let there = self.send(Method::Head, &address, &address, &[], &Payload::Empty)?;
        if there.is_success() {
            return Ok(there);
        }
        let uploads = self.address("blobs/uploads/");
        let begun = self.send(Method::Post, &uploads, &uploads, &[], &Payload::Empty)?;
        if begun.status != 202 {
            return Ok(begun);
        }
        let location = begun.headers.get("location");
        let location = location.ok_or_else(|| HttpError::Broken {
            url: uploads,
            why: "the answer has no upload URL".to_owned(),
        })?;
        let place = if location.starts_with('/') {
            format!("{}{location}", self.base)
        } else {
            location.clone()
        };
        let joint = if place.contains('?') { '&' } else { '?' };
        let headers = [("content-type", "application/octet-stream".to_owned())];
        let payload = match &file.content {
            Content::Bytes(bytes) => Payload::Bytes(bytes.clone()),
            Content::Blob(blob) => Payload::File(blob.path.clone()),
        };
        let url = format!("{place}{joint}digest={digest}");
        self.send(Method::Put, &url, &address, &headers, &payload)
    }

    fn manifest(&self, reference: &str, kind: &str, text: &[u8]) -> Result<(), TreeError> {
        let path = format!("manifests/{reference}");
        let address = self.address(&path);
        let headers = [("content-type", kind.to_owned())];
        let payload = Payload::Bytes(text.to_vec());
        let put = || self.send(Method::Put, &address, &address, &headers, &payload);
        let answer = self.retry.ask(put)?;
        if !answer.is_success() {
            return Err(refused(path, &answer));
        }
        let kept = answer.headers.get("docker-content-digest");
        if kept.is_some_and(|kept| *kept != format!("sha256:{}", Digest::of(text))) {
            return Err(TreeError::Lost(path));
        }
        Ok(())
    }

    /// Sends one request, with credentials if the registry requests them.
    fn send(
        &self,
        method: Method,
        url: &str,
        shown: &str,
        headers: &[(&'static str, String)],
        payload: &Payload,
    ) -> Result<Answer, HttpError> {
        // The registry chooses the upload URL. The password is sent only to the registry itself.
        let ours = url
            .strip_prefix(&self.base)
            .is_some_and(|rest| rest.starts_with('/'));
        let ask = || {
            let proof = self.login.header().filter(|_| ours);
            self.client.send(&Request {
                method,
                url: url.to_owned(),
                shown: shown.to_owned(),
                headers: headers.iter().cloned().chain(proof).collect(),
                payload: payload.clone(),
            })
        };
        let answer = ask()?;
        let secure = self.base.starts_with("https://");
        if answer.status == 401 && ours && self.login.prove(&self.client, &answer, secure)? {
            return ask();
        }
        Ok(answer)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.base, self.name)
    }
}

/// Whether a text is a valid tag. It cannot contain `+` or `~`, which a version can.
fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(word)
        && text.len() <= 128
        && text.chars().all(|c| word(c) || matches!(c, '.' | '-'))
}

fn refused(path: String, answer: &Answer) -> TreeError {
    TreeError::Refused {
        path,
        status: answer.status,
        why: answer.summary(),
    }
}

#[cfg(test)]
mod tests;
