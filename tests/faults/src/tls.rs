//! A temporary certificate for a TLS server.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The server's certificate and key.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Creates a key and a certificate for the loopback in `dir`, and leaves the certificate there
    /// as `certificate.pem`. `None` without `openssl`.
    #[must_use]
    pub fn make(dir: &Path) -> Option<Self> {
        let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
        #[expect(clippy::disallowed_methods, reason = "a test's own tool")]
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-subj", "/CN=127.0.0.1"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .stderr(Stdio::null());
        if !openssl.status().ok()?.success() {
            return None;
        }
        let chain = CertificateDer::from_pem_file(certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .expect("a certificate and its key");
        Some(Self(Arc::new(config)))
    }

    pub(crate) fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<StreamOwned<ServerConnection, TcpStream>, rustls::Error> {
        let connection = ServerConnection::new(Arc::clone(&self.0))?;
        Ok(StreamOwned::new(connection, stream))
    }
}
