//! One HTTP/1.1 client for everybody here: pooled, over TLS or not, with a limit on everything.
//!
//! It follows no redirects and repeats nothing: what an answer means, and whether to ask again, is the caller's affair.

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Longest head of an answer, octets, and its most headers.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;
/// A connection that nobody needs is kept so long.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The limits of a client, and whom it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// A TCP connection must be there within this time.
    pub connect_max: Duration,
    /// An exchange must have ended within this time, waiting for its turn included.
    pub total_max: Duration,
    /// Longest body of an answer, octets.
    pub response_bytes_max: usize,
    /// Exchanges at once; the next waits for its turn.
    pub in_flight_max: usize,
    pub roots: Roots,
    /// Shown to servers that ask who we are; `None`: nothing is.
    pub identity: Option<Identity>,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// PEM: the certificate first, then those that lead to a certificate authority.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// The certificate authorities that may vouch for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Those of the system.
    #[default]
    System,
    /// Those of this PEM file, and no others.
    File(PathBuf),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Put,
    Post,
    Delete,
}

/// One request. `Host` and `Content-Length` are made from the rest. `Debug` shows no content: it is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// Absolute, `http:` or `https:`; sent as it is written, so escape it before.
    pub url: String,
    /// In this order, after `Host`.
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// One answer, whatever its status. `Debug` shows no content: it is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer. No text names more of the URL than its host: paths hold addresses of users.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("the URL is no absolute http: or https: URL; correct it in the configuration")]
    Url,
    #[error("the header {name} cannot hold this value: it has characters that HTTP does not allow")]
    Header { name: &'static str },
    #[error("{in_flight} exchanges are in flight already and none ended within {waited:?}")]
    Busy { in_flight: usize, waited: Duration },
    #[error("{host} cannot be reached: {cause}")]
    Connect { host: String, cause: Cause },
    #[error("{host} did not answer in full within {limit:?}")]
    Timeout { host: String, limit: Duration },
    #[error("the exchange with {host} broke off: {cause}")]
    Broken { host: String, cause: Cause },
    #[error("the answer of {host} is longer than {limit} octets")]
    TooLong { host: String, limit: usize },
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    #[error("the file of certificate authorities {} cannot be used: {cause}; give a PEM file with certificates", path.display())]
    Roots { path: PathBuf, cause: PemError },
    #[error("the file of certificate authorities {} has no certificate; give a PEM file with at least one", path.display())]
    NoRoots { path: PathBuf },
    #[error("the certificate {} cannot be used: {cause}; give a PEM file with the certificate chain", path.display())]
    Certificate { path: PathBuf, cause: PemError },
    #[error("the private key {} cannot be used: {cause}; give a PEM file with the key of the certificate", path.display())]
    Key { path: PathBuf, cause: PemError },
    #[error("the certificate {} and the key {} cannot be used together: {cause}", identity.certificate.display(), identity.key.display())]
    Identity { identity: Identity, cause: rustls::Error },
    #[error("the TLS client cannot be made: {0}; this is a fault of the program, please report it")]
    Tls(#[from] rustls::Error),
}

/// An error of the layers below, told from its root.
#[derive(Debug)]
pub struct Cause(Box<dyn Error + Send + Sync>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut deepest: &dyn Error = &*self.0;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        fmt::Display::fmt(deepest, f)
    }
}

/// The client. A clone shares connections and limits.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    turns: Arc<Semaphore>,
    settings: Arc<HttpSettings>,
}

impl HttpClient {
    /// Reads the certificate authorities; connects nowhere yet.
    ///
    /// # Errors
    /// [`HttpSetupError`] if the file of certificate authorities cannot be used.
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpSetupError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.connect_max));
        let tls = tls(settings)?;
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(settings.in_flight_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .http1_title_case_headers(true)
            .build(connector);
        let turns = Arc::new(Semaphore::new(settings.in_flight_max.min(Semaphore::MAX_PERMITS)));
        Ok(Self { client, turns, settings: Arc::new(settings.clone()) })
    }

    /// Asks once. On a tokio runtime, which must live as long as connections shall be kept.
    ///
    /// # Errors
    /// [`HttpError`] if there is no complete answer; every status is an answer.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let HttpSettings { total_max, in_flight_max, .. } = *self.settings;
        let request = prepare(request)?;
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let deadline = Instant::now() + total_max;
        let busy = || HttpError::Busy { in_flight: in_flight_max, waited: total_max };
        // The semaphore is never closed.
        let turn = timeout_at(deadline, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let exchange = timeout_at(deadline, self.exchange(request, &host)).await;
        exchange.map_err(|_| HttpError::Timeout { host, limit: total_max })?
    }

    async fn exchange(&self, request: hyper::Request<Full<Bytes>>, host: &str) -> Result<Response, HttpError> {
        let host = || host.to_owned();
        let response = self.client.request(request).await.map_err(|error| without_answer(error, host()))?;
        let limit = self.settings.response_bytes_max;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HttpError::TooLong { host: host(), limit }
            } else {
                HttpError::Broken { host: host(), cause: Cause(error) }
            }
        })?;
        Ok(Response { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    }
}

/// As hyper wants it, `Host` first.
fn prepare(request: Request) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
    let uri: Uri = request.url.parse().map_err(|_| HttpError::Url)?;
    let good = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().filter(|_| good).ok_or(HttpError::Url)?;
    // Credentials do not belong there (RFC 9110 section 4.2.4).
    if authority.as_str().contains('@') {
        return Err(HttpError::Url);
    }
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 1);
    headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| HttpError::Url)?);
    for (name, value) in request.headers {
        let bad = || HttpError::Header { name };
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        headers.append(field, HeaderValue::from_str(&value).map_err(|_| bad())?);
    }
    let mut prepared = hyper::Request::new(Full::new(request.body));
    *prepared.method_mut() = request.method.into();
    *prepared.uri_mut() = uri;
    *prepared.headers_mut() = headers;
    Ok(prepared)
}

fn without_answer(error: ClientError, host: String) -> HttpError {
    let connecting = error.is_connect();
    let cause = Cause(Box::new(error));
    if connecting { HttpError::Connect { host, cause } } else { HttpError::Broken { host, cause } }
}

fn tls(settings: &HttpSettings) -> Result<ClientConfig, HttpSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(trusted(&settings.roots)?);
    let Some(identity) = &settings.identity else { return Ok(builder.with_no_client_auth()) };
    let path = identity.certificate.clone();
    let unreadable = |cause| HttpSetupError::Certificate { path: path.clone(), cause };
    let chain = CertificateDer::pem_file_iter(&path).map_err(unreadable)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if chain.is_empty() {
        return Err(unreadable(PemError::NoItemsFound));
    }
    let unreadable = |cause| HttpSetupError::Key { path: identity.key.clone(), cause };
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(unreadable)?;
    let unfit = |cause| HttpSetupError::Identity { identity: identity.clone(), cause };
    builder.with_client_auth_cert(chain, key).map_err(unfit)
}

fn trusted(roots: &Roots) -> Result<RootCertStore, HttpSetupError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                // Not an error: whoever speaks plain HTTP needs none.
                tracing::warn!("the system has no certificate authorities: no https: server will be believed");
            }
        }
        Roots::File(path) => {
            let failed = |cause| HttpSetupError::Roots { path: path.clone(), cause };
            for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
                store.add(certificate.map_err(failed)?)?;
            }
            if store.is_empty() {
                return Err(HttpSetupError::NoRoots { path: path.clone() });
            }
        }
    }
    Ok(store)
}

impl Response {
    /// The first value of a header, in any case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// 2xx.
    pub const fn is_success(&self) -> bool {
        self.status / 100 == 2
    }
}

impl From<Method> for hyper::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Put => Self::PUT,
            Method::Post => Self::POST,
            Method::Delete => Self::DELETE,
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({:?}, {} octets)", self.method, self.body.len())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} octets)", self.status, self.body.len())
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpClient").field(&self.settings).finish()
    }
}
