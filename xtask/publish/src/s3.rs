//! A tree in a bucket of S3, or of a server that speaks as S3 does. Requests are signed by `rusty_s3` and
//! sent by `net`. An object appears when it is whole, and is not replaced unless it is to be.
//!
//! Each object says its SHA-256, so that one question tells whether it must be sent; bytes that the bucket
//! has under their digest are copied in the bucket and not sent again.

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

/// How long a signed address is good.
const GOOD: Duration = Duration::from_secs(60 * 60);
/// How long what never changes may be cached.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// What the server checks an upload against, and says of an object that it has so checked.
const CHECKSUM: &str = "x-amz-checksum-sha256";
/// The digest as we say it, for servers that know no checksums.
const OURS: &str = "x-amz-meta-sha256";

/// Headers of a request; those that begin with `x-amz-` are signed.
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
    /// The tree at `bucket/prefix`.
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
        // Servers other than Amazon's have no name for each bucket.
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

    /// The same tree, asked again as often as this.
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

    /// Asks, and asks again while that may help. Each time is signed for itself.
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

    /// What the bucket says of an object, without sending it.
    fn head(&self, path: &str) -> Result<Option<Answer>, TreeError> {
        let headers = vec![("x-amz-checksum-mode", "ENABLED".to_owned())];
        let answer = self.send(Method::Head, path, &headers, &Payload::Empty)?;
        match answer.status {
            200 => Ok(Some(answer)),
            404 => Ok(None),
            _ => Err(refused(path, &answer)),
        }
    }

    /// Has the bucket copy a blob of its own to where the file is to be; `false` if it cannot.
    fn copied(&self, file: &PublishedFile) -> Result<bool, TreeError> {
        let blob = blob_path(&file.content.digest());
        if file.path == blob
            || self
                .head(&blob)?
                .is_none_or(|its| !says(&its, &file.content))
        {
            return Ok(false);
        }
        // As the address has it: with `%` for what a header cannot hold.
        let source = self.inner.object_url(&self.object(&blob)).path().to_owned();
        let headers = vec![("x-amz-copy-source", source)];
        let answer = self.send(Method::Put, &file.path, &headers, &Payload::Empty)?;
        // S3 may find out that it cannot copy after it has said that it will.
        let failed = String::from_utf8_lossy(&answer.body).contains("<Error>");
        if !answer.is_success() || failed {
            return Ok(false);
        }
        let copy = self.head(&file.path)?;
        Ok(copy.is_some_and(|copy| says(&copy, &file.content)))
    }

    /// Sends the bytes, and looks whether they are what the bucket has then.
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
        // Another publisher was faster, or the answer to a first attempt was lost: the bytes are compared
        // as any that were there.
        if answer.status == 412 && self.has(file)? {
            return Ok(());
        }
        if !answer.is_success() {
            return Err(refused(&file.path, &answer));
        }
        let lost = || TreeError::Lost(file.path.clone());
        let kept = self.head(&file.path)?.ok_or_else(lost)?;
        // Not even what was said of it a moment ago is true of what is there now.
        let tags = [&answer, &kept].map(|its| its.headers.get("etag"));
        if tags[0] != tags[1] || !says(&kept, &file.content) {
            return match tree::is_there(self, file) {
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

/// Whether an object, as the bucket describes it, is these bytes.
fn says(answer: &Answer, content: &Content) -> bool {
    let header = |name: &str| answer.headers.get(name).map(String::as_str);
    let size = header("content-length").and_then(|text| text.parse().ok());
    let digest = content.digest();
    size == Some(content.size())
        && match header(CHECKSUM) {
            // A digest of digests, when others sent it in parts, has `-` in it and says nothing of these.
            Some(sum) if !sum.contains('-') => sum == BASE64.encode(digest.as_bytes()),
            _ => header(OURS).and_then(|text| text.parse::<Digest>().ok()) == Some(digest),
        }
}

impl TreeReader for Bucket {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, ReadError> {
        let ask = || {
            let signed = self.signed(Method::Get, path, &Headers::new());
            // The address that is asked is a secret for an hour.
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
            Some(answer) if says(&answer, &file.content) => Ok(true),
            // Another tool has put it there, or the bytes differ: they are read.
            Some(_) => tree::is_there(self, file),
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
