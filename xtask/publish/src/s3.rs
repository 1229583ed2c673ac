//! A tree in a bucket of S3, or of a server that speaks as S3 does. Requests are signed by `rusty_s3` and
//! sent by `host::http`. An object appears when it is whole, and is not replaced unless it is to be.

use std::io::Read;
use std::time::Duration;

use host::env::Aws;
use host::http::{Answer, Client, HttpError, Method, Payload, Request};
use rusty_s3::actions::{DeleteObject, GetObject, PutObject};
use rusty_s3::{Credentials, S3Action, UrlStyle};

use crate::place::{Place, PlaceError};
use crate::release::{Content, PublishedFile};
use crate::tree::{Tree, TreeError, is_there};

/// How long a signed address is good.
const GOOD: Duration = Duration::from_secs(60 * 60);

/// A tree in a bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    inner: rusty_s3::Bucket,
    credentials: Option<Credentials>,
    prefix: String,
}

impl Bucket {
    /// The tree at `bucket/prefix`.
    pub fn open(client: Client, place: &str, aws: &Aws) -> Result<Self, TreeError> {
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        let region = aws.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let amazon = || format!("https://s3.{region}.amazonaws.com");
        let endpoint = aws.endpoint.clone().unwrap_or_else(amazon);
        let wrong = |why: String| TreeError::Setup(format!("`s3://{place}` is no bucket: {why}"));
        let url = endpoint
            .parse()
            .map_err(|_| wrong(format!("`{endpoint}` is no address")))?;
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
        })
    }

    fn object(&self, path: &str) -> String {
        if self.prefix.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.prefix)
        }
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(&'static str, String)>,
        payload: Payload,
    ) -> Result<Answer, HttpError> {
        let object = self.object(path);
        let credentials = self.credentials.as_ref();
        let url = match method {
            Method::Put => PutObject::new(&self.inner, credentials, &object).sign(GOOD),
            Method::Delete => DeleteObject::new(&self.inner, credentials, &object).sign(GOOD),
            _ => GetObject::new(&self.inner, credentials, &object).sign(GOOD),
        };
        self.client.send(&Request {
            method,
            url: url.to_string(),
            shown: format!("s3://{}/{object}", self.inner.name()),
            headers,
            payload,
        })
    }
}

impl Place for Bucket {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, PlaceError> {
        let object = self.object(path);
        let signed = GetObject::new(&self.inner, self.credentials.as_ref(), &object).sign(GOOD);
        match self.client.get(signed.as_str(), None) {
            Ok(response) => Ok(Some(Box::new(response))),
            Err(HttpError::Status { status: 404, .. }) => Ok(None),
            // The address that was asked is a secret for an hour.
            Err(HttpError::Status {
                status,
                retry_after,
                ..
            }) => Err(HttpError::Status {
                url: format!("s3://{}/{object}", self.inner.name()),
                status,
                retry_after,
            }
            .into()),
            Err(error) => Err(error.into()),
        }
    }

    fn folders(&self, _folder: &str) -> Result<Option<Vec<String>>, PlaceError> {
        Ok(None)
    }

    fn text(&self, path: &str) -> Result<Option<Vec<u8>>, PlaceError> {
        let answer = self.send(Method::Get, path, Vec::new(), Payload::Empty)?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            status => Err(PlaceError::Http(HttpError::Status {
                url: format!("s3://{}/{}", self.inner.name(), self.object(path)),
                status,
                retry_after: None,
            })),
        }
    }
}

impl Tree for Bucket {
    fn put(&mut self, file: &PublishedFile) -> Result<(), TreeError> {
        if is_there(self, file)? {
            return Ok(());
        }
        let payload = match &file.content {
            Content::Bytes(bytes) => Payload::Bytes(bytes.clone()),
            Content::Blob(blob) => Payload::File(blob.path.clone()),
        };
        let mut headers = vec![("if-none-match", "*".to_owned())];
        headers.push((
            "cache-control",
            "public, max-age=31536000, immutable".to_owned(),
        ));
        let answer = self.send(Method::Put, &file.path, headers, payload)?;
        // Another publisher was faster: its bytes are compared as any that were there.
        if answer.status == 412 && is_there(self, file)? {
            return Ok(());
        }
        done(&file.path, &answer)
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        let mut headers = vec![("cache-control", "max-age=60".to_owned())];
        let html = path
            .rsplit_once('.')
            .is_some_and(|(_, extension)| extension == "html");
        headers.extend(html.then(|| ("content-type", "text/html; charset=utf-8".to_owned())));
        let payload = Payload::Bytes(bytes.to_vec());
        let answer = self.send(Method::Put, path, headers, payload)?;
        done(path, &answer)
    }

    fn remove(&mut self, path: &str) -> Result<(), TreeError> {
        let answer = self.send(Method::Delete, path, Vec::new(), Payload::Empty)?;
        if answer.status == 404 {
            Ok(())
        } else {
            done(path, &answer)
        }
    }
}

fn done(path: &str, answer: &Answer) -> Result<(), TreeError> {
    if answer.is_success() {
        return Ok(());
    }
    Err(TreeError::Refused {
        path: path.to_owned(),
        status: answer.status,
        why: answer.said(),
    })
}
