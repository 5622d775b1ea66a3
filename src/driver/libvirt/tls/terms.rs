//! On what terms a TLS connection comes about: who the daemon has to be, and who we are.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};

use super::files::{self, Files};
use crate::error::{Code, Error, Result};
use crate::target::uri::transport::Tls;

/// What a connection needs.
#[derive(Clone)]
pub struct Terms {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    files: Arc<Files>,
}

impl Terms {
    /// Reads the files. Every error is AUTH and names the file that it is about.
    pub fn read(tls: &Tls) -> Result<Terms> {
        let files = Files::find(tls);
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> =
            if tls.no_verify { Arc::new(Anybody(Arc::clone(&provider))) } else { verifier(&files, &provider)? };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| Error::new(Code::Internal, format!("TLS: {why}")))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &files.client {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = files::certificates(certificate, "the client's certificate")?;
                config.with_client_auth_cert(chain, files::key(key)?).map_err(|why| match why {
                    rustls::Error::InconsistentKeys(_) => {
                        let text = format!("is not the key of the certificate {}", certificate.display());
                        files::bad(key, "the client's key", &text)
                    }
                    other => files::bad(key, "the client's key", &format!("cannot be used: {other}")),
                })?
            }
        };
        let name = ServerName::try_from(tls.host.to_string())
            .map_err(|_| Error::new(Code::InvalidArgument, format!("\"{}\" cannot be the name of a host", tls.host)))?;
        Ok(Terms { config: Arc::new(config), name, files: Arc::new(files) })
    }

    pub(super) fn session(&self) -> Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
            .map_err(|why| Error::new(Code::Internal, format!("TLS: {why}")))
    }

    /// Who we are, for messages.
    pub(super) fn identity(&self) -> String {
        match &self.files.client {
            Some((certificate, _)) => format!("our certificate is {}", certificate.display()),
            None => "we have no certificate (clientcert.pem with clientkey.pem)".to_owned(),
        }
    }

    /// An error of rustls's as ours: what is wrong, and which file it is about.
    pub(super) fn error(&self, why: &rustls::Error) -> Error {
        let (host, ca) = (self.name.to_str(), self.files.ca.display());
        let text = match why {
            rustls::Error::InvalidCertificate(what) => match what {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    format!("the certificate of {host} has expired")
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    format!("the certificate of {host} is not valid yet")
                }
                CertificateError::Revoked => {
                    let crl = self.files.crl.as_ref().map(|crl| crl.display().to_string()).unwrap_or_default();
                    format!("the certificate of {host} is revoked by {crl}")
                }
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    format!("the certificate of {host} is not by the CA in {ca}")
                }
                CertificateError::NotValidForName => format!(
                    "the certificate is not for {host}: it has no such subjectAltName (a common name does not count)"
                ),
                CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                    format!(
                        "the certificate is not for {host}: it has no subjectAltName (a common name does not count)"
                    )
                }
                CertificateError::NotValidForNameContext { presented, .. } => {
                    format!("the certificate is not for {host}, but for {}", presented.join(", "))
                }
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                    format!("the certificate of {host} is not one for servers")
                }
                other => format!("the certificate of {host} is not good: {other}"),
            },
            rustls::Error::AlertReceived(alert) if is_about_us(*alert) => {
                format!("the daemon refuses our certificate ({alert:?}): {}", self.identity())
            }
            rustls::Error::InvalidMessage(_) => {
                let text = format!("the other side does not speak TLS: {why}");
                return Error::new(Code::Protocol, text);
            }
            other => return Error::new(Code::Protocol, format!("TLS: {other}")),
        };
        Error::new(Code::Auth, text)
    }
}

fn is_about_us(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

fn verifier(files: &Files, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
    let what = "the CA's certificate";
    let mut roots = RootCertStore::empty();
    for certificate in files::certificates(&files.ca, what)? {
        roots.add(certificate).map_err(|why| files::bad(&files.ca, what, &format!("cannot be used: {why}")))?;
    }
    let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if let Some(crl) = &files.crl {
        // A list that says nothing of a certificate's issuer is no reason to refuse it.
        builder = builder.with_crls(files::revocations(crl)?).allow_unknown_revocation_status();
    }
    let verifier = builder.build().map_err(|why| {
        let file = files.crl.as_ref().unwrap_or(&files.ca);
        files::bad(file, "the file", &format!("cannot be used: {why}"))
    })?;
    Ok(verifier)
}

/// Takes every certificate: the user said `no_verify`. That the other side has the key of it is still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
