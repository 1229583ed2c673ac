//! Explains failed TLS handshakes. The messages of the TLS library name its own types.

use std::error::Error;
use std::io;

use host::causes::causes;
use rustls::{AlertDescription, CertificateError};

/// Finds the TLS library's error among the causes of another one.
pub(super) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(inside)
}

/// The error itself, or the error inside an I/O error, whose `source` skips the one that it
/// contains.
fn inside<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let held = || inside(cause.downcast_ref::<io::Error>()?.get_ref()?);
    cause.downcast_ref().or_else(held)
}

/// Describes the failure for the user.
pub(super) fn describe(error: &rustls::Error) -> &'static str {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => "the server's certificate is not from a trusted authority",
            Bad::Expired | Bad::ExpiredContext { .. } => "the server's certificate has expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate is for another host name"
            }
            Bad::Revoked => "the server's certificate was revoked",
            _ => "the server's certificate is not valid for a server",
        },
        rustls::Error::NoCertificatesPresented => "the server sent no certificate",
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS",
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => "the server offers no TLS version or cipher that can be used",
        rustls::Error::AlertReceived(_) => "the server refused the TLS connection",
        _ => "the TLS connection failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn tls_errors_are_found_below_io_errors() {
        let inner = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = Outer(io::Error::other(inner.clone()));
        assert_eq!(find(&wrapped), Some(&inner));
        let nested = Outer(io::Error::other(io::Error::other(inner.clone())));
        assert_eq!(find(&nested), Some(&inner));
        assert_eq!(find(&Outer(io::Error::other("else"))), None);
    }

    #[test]
    fn descriptions_are_plain_english() {
        let bad = rustls::Error::InvalidCertificate;
        for error in [
            bad(CertificateError::UnknownIssuer),
            bad(CertificateError::NotValidForName),
            bad(CertificateError::BadSignature),
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion),
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
            rustls::Error::DecryptError,
        ] {
            let message = describe(&error);
            assert!(
                message.starts_with("the ") && !message.contains('('),
                "{message}"
            );
        }
    }
}
