//! A tree in a bucket of S3 or of a compatible server. `rusty_s3` signs requests and `net` sends
//! them. An object appears once it is complete, and is replaced only on request.
//!
//! Each object records its SHA-256, so that one request tells whether it must be sent. If the
//! bucket has the same bytes under their digest, it copies them.

use std::io::Read;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use host::env::Aws;
use net::{Answer, Client, HttpError, Method, Payload, Request};
use plan::digest::Digest;
use rusty_s3::actions::{DeleteObject, GetObject, HeadObject, PutObject};
use rusty_s3::{Credentials, S3Action, UrlStyle};

use crate::release::{Content, PublishedFile, blob_path};
use crate::retry::Retry;
use crate::tree::{self, Tree, TreeError};
use crate::tree_reader::{ReadError, TreeReader};

/// Validity of a signed URL.
const GOOD: Duration = Duration::from_secs(60 * 60);
/// Cache control of files that never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// The checksum of an upload, which the server verifies and then reports.
const CHECKSUM: &str = "x-amz-checksum-sha256";
/// The digest in Kiln's own metadata, for servers without checksums.
const OURS: &str = "x-amz-meta-sha256";

/// Headers of a request. Those with the prefix `x-amz-` are signed.
type Headers = Vec<(&'static str, String)>;

/// A tree in a bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    inner: rusty_s3::Bucket,
    credentials: Option<Credentials>,
    prefix: String,
    retry: Retry,
}

impl Bucket {
    /// Opens the tree at `bucket/prefix`.
    pub fn open(client: Client, place: &str, aws: &Aws) -> Result<Self, TreeError> {
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        let region = aws.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let amazon = || format!("https://s3.{region}.amazonaws.com");
        let endpoint = aws.endpoint.clone().unwrap_or_else(amazon);
        let wrong =
            |why: String| TreeError::Setup(format!("`s3://{place}` is not a bucket: {why}"));
        if name.is_empty() {
            return Err(wrong("it has no name".to_owned()));
        }
        let url = endpoint
            .parse()
            .map_err(|_| wrong(format!("`{endpoint}` is not an address")))?;
        // Servers other than Amazon's have no host name per bucket.
        let inner = rusty_s3::Bucket::new(url, UrlStyle::Path, name.to_owned(), region)
            .map_err(|error| wrong(error.to_string()))?;
        let credentials = match (&aws.key, &aws.secret, &aws.token) {
            (Some(key), Some(secret), None) => Some(Credentials::new(key, secret)),
            (Some(key), Some(secret), Some(token)) => {
                Some(Credentials::new_with_token(key, secret, token))
            }
            _ => None,
        };
        Ok(Self {
            client,
            inner,
            credentials,
            prefix: prefix.trim_matches('/').to_owned(),
            retry: Retry::default(),
        })
    }

    /// The same tree with another retry policy.
    #[must_use]
    pub fn with_retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    fn object(&self, path: &str) -> String {
        if self.prefix.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.prefix)
        }
    }

    /// The name of an object in messages.
    fn shown(&self, path: &str) -> String {
        format!("s3://{}/{}", self.inner.name(), self.object(path))
    }

    /// Sends a request with retries. Each attempt is signed separately.
    fn send(
        &self,
        method: Method,
        path: &str,
        headers: &Headers,
        payload: &Payload,
    ) -> Result<Answer, HttpError> {
        self.retry.ask(|| {
            self.client.send(&Request {
                method,
                url: self.signed(method, path, headers),
                shown: self.shown(path),
                headers: headers.clone(),
                payload: payload.clone(),
            })
        })
    }

    fn signed(&self, method: Method, path: &str, headers: &Headers) -> String {
        fn sign<'a>(mut action: impl S3Action<'a>, headers: &'a Headers) -> String {
            let ours = headers
                .iter()
                .filter(|(name, _)| name.starts_with("x-amz-"));
            for (name, value) in ours {
                action.headers_mut().insert(*name, value.as_str());
            }
            action.sign(GOOD).to_string()
        }
        let (bucket, credentials) = (&self.inner, self.credentials.as_ref());
        let object = self.object(path);
        match method {
            Method::Put => sign(PutObject::new(bucket, credentials, &object), headers),
            Method::Delete => sign(DeleteObject::new(bucket, credentials, &object), headers),
            Method::Head => sign(HeadObject::new(bucket, credentials, &object), headers),
            Method::Get | Method::Post => {
                sign(GetObject::new(bucket, credentials, &object), headers)
            }
        }
    }

    /// The metadata of an object.
    fn head(&self, path: &str) -> Result<Option<Answer>, TreeError> {
        let headers = vec![("x-amz-checksum-mode", "ENABLED".to_owned())];
        let answer = self.send(Method::Head, path, &headers, &Payload::Empty)?;
        match answer.status {
            200 => Ok(Some(answer)),
            404 => Ok(None),
            _ => Err(refused(path, &answer)),
        }
    }

    /// Copies a blob inside the bucket to the path of the file. Returns `false` if the bucket
    /// cannot.
    fn copied(&self, file: &PublishedFile) -> Result<bool, TreeError> {
        let blob = blob_path(&file.content.digest());
        if file.path == blob
            || self
                .head(&blob)?
                .is_none_or(|its| !has_same_digest(&its, &file.content))
        {
            return Ok(false);
        }
        // Escaped with `%` as in the URL, because a header cannot hold every character.
        let source = self.inner.object_url(&self.object(&blob)).path().to_owned();
        let headers = vec![("x-amz-copy-source", source)];
        let answer = self.send(Method::Put, &file.path, &headers, &Payload::Empty)?;
        // S3 may report a failed copy after it has sent status 200.
        let failed = String::from_utf8_lossy(&answer.body).contains("<Error>");
        if !answer.is_success() || failed {
            return Ok(false);
        }
        let copy = self.head(&file.path)?;
        Ok(copy.is_some_and(|copy| has_same_digest(&copy, &file.content)))
    }

    /// Uploads the file and checks that the bucket stored the same bytes.
    fn upload(&self, file: &PublishedFile) -> Result<(), TreeError> {
        let digest = file.content.digest();
        let payload = match &file.content {
            Content::Bytes(bytes) => Payload::Bytes(bytes.clone()),
            Content::Blob(blob) => Payload::File(blob.path.clone()),
        };
        let headers = vec![
            ("if-none-match", "*".to_owned()),
            ("cache-control", FOREVER.to_owned()),
            (CHECKSUM, BASE64.encode(digest.as_bytes())),
            (OURS, digest.to_string()),
        ];
        let answer = self.send(Method::Put, &file.path, &headers, &payload)?;
        // Another publisher was faster, or the answer to a first attempt was lost. The bytes are
        // compared as for any existing object.
        if answer.status == 412 && self.has(file)? {
            return Ok(());
        }
        if !answer.is_success() {
            return Err(refused(&file.path, &answer));
        }
        let lost = || TreeError::Lost(file.path.clone());
        let kept = self.head(&file.path)?.ok_or_else(lost)?;
        // The object has changed since the upload was answered.
        let tags = [&answer, &kept].map(|its| its.headers.get("etag"));
        if tags[0] != tags[1] || !has_same_digest(&kept, &file.content) {
            return match tree::has_content(self, file) {
                Ok(true) => Ok(()),
                Ok(false) => Err(lost()),
                Err(TreeError::Differs { .. }) => {
                    // No reader may find it, and the next attempt needs its name.
                    self.send(Method::Delete, &file.path, &Headers::new(), &Payload::Empty)?;
                    Err(lost())
                }
                Err(error) => Err(error),
            };
        }
        Ok(())
    }
}

/// Whether the metadata of an object matches this content.
fn has_same_digest(answer: &Answer, content: &Content) -> bool {
    let header = |name: &str| answer.headers.get(name).map(String::as_str);
    let size = header("content-length").and_then(|text| text.parse().ok());
    let digest = content.digest();
    size == Some(content.size())
        && match header(CHECKSUM) {
            // An object that was uploaded in parts has a digest of digests, which contains `-` and
            // cannot be compared.
            Some(sum) if !sum.contains('-') => sum == BASE64.encode(digest.as_bytes()),
            _ => header(OURS).and_then(|text| text.parse::<Digest>().ok()) == Some(digest),
        }
}

impl TreeReader for Bucket {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, ReadError> {
        let ask = || {
            let signed = self.signed(Method::Get, path, &Headers::new());
            // The signed URL is a secret for an hour.
            self.client.get_signed(&signed, &self.shown(path))
        };
        match self.retry.until(|_| None, ask) {
            Ok(response) => Ok(Some(Box::new(response))),
            Err(HttpError::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn folders(&self, _folder: &str) -> Result<Option<Vec<String>>, ReadError> {
        Ok(None)
    }
}

impl Tree for Bucket {
    fn has(&self, file: &PublishedFile) -> Result<bool, TreeError> {
        match self.head(&file.path)? {
            None => Ok(false),
            Some(answer) if has_same_digest(&answer, &file.content) => Ok(true),
            // Another tool has uploaded it, or the bytes differ: they are read.
            Some(_) => tree::has_content(self, file),
        }
    }

    fn put(&mut self, file: &PublishedFile) -> Result<(), TreeError> {
        if self.has(file)? || self.copied(file)? {
            return Ok(());
        }
        self.upload(file)
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        let digest = Digest::of(bytes);
        let mut headers = vec![
            ("cache-control", "max-age=60".to_owned()),
            (CHECKSUM, BASE64.encode(digest.as_bytes())),
            (OURS, digest.to_string()),
        ];
        let html = path
            .rsplit_once('.')
            .is_some_and(|(_, extension)| extension == "html");
        headers.extend(html.then(|| ("content-type", "text/html; charset=utf-8".to_owned())));
        let payload = Payload::Bytes(bytes.to_vec());
        let answer = self.send(Method::Put, path, &headers, &payload)?;
        if answer.is_success() {
            Ok(())
        } else {
            Err(refused(path, &answer))
        }
    }

    fn remove(&mut self, path: &str) -> Result<(), TreeError> {
        let answer = self.send(Method::Delete, path, &Headers::new(), &Payload::Empty)?;
        if answer.is_success() || answer.status == 404 {
            Ok(())
        } else {
            Err(refused(path, &answer))
        }
    }
}

fn refused(path: &str, answer: &Answer) -> TreeError {
    TreeError::Refused {
        path: path.to_owned(),
        status: answer.status,
        why: answer.summary(),
    }
}

#[cfg(test)]
mod tests;
