//! TLS of MSRP connections: who we are, and whom we believe (RFC 4975 section 14.4).
//!
//! A certificate is worth what the session description says of it: with a fingerprint it must be that one, whoever signed
//! it. Without one a peer that connects to us is known by the session-id alone, and a peer we connect to must be vouched for
//! by an authority of the system.

use super::error::MsrpError;
use super::fingerprint::Fingerprint;
use crate::config;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Our certificate and its key.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: Arc<CryptoProvider>,
    /// For those who announced no fingerprint.
    vouched: TlsConnector,
    /// Of the first certificate.
    pub(super) fingerprint: Fingerprint,
}

impl Identity {
    /// Reads what the configuration names; nothing if it names none.
    pub(super) fn read(config: &config::Msrp) -> Result<Option<Self>, MsrpError> {
        let (Some(file), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
        let chain = certificates(file)?;
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| MsrpError::Key { file: key.clone(), cause: error.to_string() })?;
        let fingerprint = Fingerprint::of(chain.first().map_or(&[], |first| first.as_ref()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let vouched = vouched(&provider, &chain, &key)?;
        Ok(Some(Self { chain, key, provider, vouched, fingerprint }))
    }

    /// For those who connect to us: they are asked for a certificate and may have none.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let anyone = Arc::new(Anyone(self.provider.signature_verification_algorithms));
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(anyone)
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// For one to whom we connect: who announced this fingerprint, or for all who announced none.
    pub(super) fn connector(&self, pinned: Option<Fingerprint>) -> Result<TlsConnector, Error> {
        let Some(wanted) = pinned else { return Ok(self.vouched.clone()) };
        let algorithms = self.provider.signature_verification_algorithms;
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&self.provider)).with_safe_default_protocol_versions()?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { wanted, algorithms }));
        let config = builder.with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Believes those whom an authority of the system vouches for.
fn vouched(
    provider: &Arc<CryptoProvider>,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    // A system may hold some that are no certificates at all; without any nobody is believed.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()?;
    let config = builder.with_root_certificates(roots).with_client_auth_cert(chain.to_vec(), key.clone_key())?;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, MsrpError> {
    let failed = |cause: String| MsrpError::Certificate { file: file.to_owned(), cause };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
    let chain: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if chain.is_empty() { Err(failed("it is empty".to_owned())) } else { Ok(chain) }
}

/// Takes any certificate, or none: which one it must be is asked when a session is bound.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for Anyone {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Takes one certificate only.
#[derive(Debug)]
struct Pinned {
    wanted: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Fingerprint::of(certificate) == self.wanted {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a handshake failed because the certificate was not the announced one.
pub(super) fn is_wrong_certificate(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)))
}
