//! TLS of the API: our certificate, and which client certificates are believed.

use super::trail::Refusals;
use crate::config;
use crate::metrics::AdminRefusal;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{key}: {} cannot be read: {cause}; give a PEM file that the server may read", file.display())]
    File { key: &'static str, file: PathBuf, cause: String },
    #[error(
        "{key}: there is no {wanted} in {}: give a PEM file with -----BEGIN {marker}-----", file.display()
    )]
    Empty { key: &'static str, file: PathBuf, wanted: &'static str, marker: &'static str },
    #[error(
        "admin.tls.key: {} does not go with the certificate in admin.tls.certificate: {cause}; give the key that the \
         certificate was made for, and the server's own certificate first in its file", file.display()
    )]
    Pair { file: PathBuf, cause: String },
    #[error("admin.tls.client-ca: {} is of no use: {cause}; give the certificates of authorities", file.display())]
    Authority { file: PathBuf, cause: String },
}

/// What the listening socket needs: TLS 1.2 and 1.3, with client certificates if authorities are named for them.
pub(super) fn server(config: &config::AdminTls, refusals: &Arc<Refusals>) -> Result<ServerConfig, TlsError> {
    made(config, |inner| Arc::new(Verifier { inner, refusals: Arc::clone(refusals) }))
}

/// Whether there could be one.
pub(super) fn check(config: &config::AdminTls) -> Result<(), TlsError> {
    made(config, |inner| inner).map(drop)
}

fn made(
    config: &config::AdminTls,
    watched: impl FnOnce(Arc<dyn ClientCertVerifier>) -> Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates("admin.tls.certificate", &config.certificate)?;
    let key = key(&config.key)?;
    let pair = |cause: Error| TlsError::Pair { file: config.key.clone(), cause: cause.to_string() };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let builder = match &config.client_ca {
        Some(file) => builder.with_client_cert_verifier(watched(verifier(file, provider)?)),
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(chain, key).map_err(pair)
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed =
        |cause: rustls::pki_types::pem::Error| TlsError::File { key, file: file.to_owned(), cause: cause.to_string() };
    let found = CertificateDer::pem_file_iter(file).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if found.is_empty() {
        return Err(TlsError::Empty { key, file: file.to_owned(), wanted: "certificate", marker: "CERTIFICATE" });
    }
    Ok(found)
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let key = "admin.tls.key";
    PrivateKeyDer::from_pem_file(file).map_err(|cause| match cause {
        rustls::pki_types::pem::Error::NoItemsFound => {
            TlsError::Empty { key, file: file.to_owned(), wanted: "unencrypted private key", marker: "PRIVATE KEY" }
        }
        other => TlsError::File { key, file: file.to_owned(), cause: other.to_string() },
    })
}

fn verifier(file: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let failed = |cause: String| TlsError::Authority { file: file.to_owned(), cause };
    let mut roots = RootCertStore::empty();
    for authority in certificates("admin.tls.client-ca", file)? {
        roots.add(authority).map_err(|cause| failed(cause.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated();
    builder.build().map_err(|cause| failed(cause.to_string()))
}

/// A client may have no certificate; one that it has must be of an authority of ours. Counts those that are not, as
/// such a connection ends before there is a request.
#[derive(Debug)]
struct Verifier {
    inner: Arc<dyn ClientCertVerifier>,
    refusals: Arc<Refusals>,
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.inner.verify_client_cert(leaf, between, now).inspect_err(|cause| {
            self.refusals.note(AdminRefusal::Certificate, |left_out| {
                tracing::warn!(target: "admin", %cause, left_out, "a client certificate was refused in the handshake");
            });
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
