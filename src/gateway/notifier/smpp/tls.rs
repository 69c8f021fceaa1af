//! TLS with the SMSC, and a stream that may have it.

use super::SmppSetupError;
use crate::config;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Anything that carries octets both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How to secure a connection.
#[derive(Clone)]
pub(super) struct Security {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Security {
    /// `None` if the connection is to be in clear.
    ///
    /// # Errors
    /// [`SmppSetupError`] if the authorities cannot be read, or the host has no name.
    pub(super) fn new(config: &config::Smpp, address: &str) -> Result<Option<Self>, SmppSetupError> {
        if !config.tls {
            return Ok(None);
        }
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| SmppSetupError::ServerName)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let client = builder.with_root_certificates(roots(config)?).with_no_client_auth();
        Ok(Some(Self { connector: TlsConnector::from(Arc::new(client)), name }))
    }

    pub(super) async fn secure(self, stream: TcpStream) -> std::io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.connector.connect(self.name, stream).await?))
    }
}

fn roots(config: &config::Smpp) -> Result<RootCertStore, SmppSetupError> {
    let mut store = RootCertStore::empty();
    match &config.ca_file {
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let failed = |cause| SmppSetupError::Roots { path: path.clone(), cause };
            for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
                store.add(certificate.map_err(failed)?)?;
            }
        }
    }
    if store.is_empty() { Err(SmppSetupError::NoRoots) } else { Ok(store) }
}
