//! One conversation with a server: where it is, who asks, and what comes back.

use super::trouble::{ApiError, Refusal};
use crate::cli::args::Server;
use crate::gateway::http::{HttpClient, HttpSettings, Identity, Method, Request, Response, Roots};
use bytes::Bytes;
use serde_json::Value;
// Writing to a String cannot fail.
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Where a server is, if nobody says.
const DEFAULT: &str = "http://127.0.0.1:8080";
/// An upload is compiled and tried before it is answered, at a low priority: with an interpreter in it, on a busy machine,
/// that takes minutes.
const PATIENCE: Duration = Duration::from_mins(15);
const CONNECT: Duration = Duration::from_secs(10);
/// Longest answer, octets: a list of all policies with all their schemas.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// What the environment says; the arguments go before it.
#[derive(Clone, Default)]
pub struct Environment {
    pub server: Option<String>,
    pub token: Option<String>,
}

impl Environment {
    pub fn read() -> Self {
        let told = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { server: told("RESTANTE_SERVER"), token: told("RESTANTE_TOKEN") }
    }
}

/// What is asked of a server.
pub struct Call {
    method: Method,
    /// With its query, escaped.
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Call {
    pub fn get(path: &str) -> Self {
        Self { method: Method::Get, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub fn post(path: &str, body: &Value) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { method: Method::Post, path: path.to_owned(), headers, body: Bytes::from(body.to_string()) }
    }

    pub fn upload(path: &str, component: Vec<u8>, signature: Option<String>) -> Self {
        let mut headers = vec![("Content-Type", "application/wasm".to_owned())];
        headers.extend(signature.map(|signature| ("Restante-Signature", signature)));
        Self { method: Method::Post, path: path.to_owned(), headers, body: Bytes::from(component) }
    }
}

/// A text as a segment of a path or a value of a query (RFC 3986 section 2.3).
pub fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, octet| {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(octet));
        } else {
            let _ = write!(escaped, "%{octet:02X}");
        }
        escaped
    })
}

/// A server that can be asked.
pub struct Session {
    runtime: Runtime,
    client: HttpClient,
    url: String,
    token: Option<String>,
}

impl Session {
    /// Connects nowhere yet.
    ///
    /// # Errors
    /// [`ApiError`] if a file cannot be used.
    pub fn open(server: &Server, environment: &Environment) -> Result<Self, ApiError> {
        let url = server.url.as_ref().or(environment.server.as_ref()).map_or(DEFAULT, String::as_str);
        let identity = server.certificate.clone().zip(server.key.clone());
        let client = HttpClient::new(&HttpSettings {
            connect_max: CONNECT,
            total_max: PATIENCE,
            response_bytes_max: ANSWER_BYTES_MAX,
            in_flight_max: 1,
            roots: server.ca_file.clone().map_or(Roots::System, Roots::File),
            identity: identity.map(|(certificate, key)| Identity { certificate, key }),
        })?;
        let token = token_for(server, environment)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(ApiError::Runtime)?;
        Ok(Self { runtime, client, url: url.trim_end_matches('/').to_owned(), token })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What whoever asks should know before.
    pub fn note(&self) -> Option<String> {
        let (scheme, host) = self.url.split_once("://").filter(|_| self.token.is_some())?;
        if !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        (!is_own(host)).then(|| format!("note: the token goes to {host} in clear, where others may read it: use https"))
    }

    /// The JSON of a success.
    ///
    /// # Errors
    /// [`ApiError`]: no answer, a refusal, or an answer that is none of a server of ours.
    pub fn send(&self, call: &Call) -> Result<String, ApiError> {
        let mut headers = vec![("Accept", "application/json".to_owned())];
        headers.extend(self.token.iter().map(|token| ("Authorization", format!("Bearer {token}"))));
        headers.extend(call.headers.iter().cloned());
        let url = format!("{}{}", self.url, call.path);
        let request = Request { method: call.method, url, headers, body: call.body.clone() };
        let answer = self.runtime.block_on(self.client.send(request));
        let response = answer.map_err(|error| ApiError::unanswered(&self.url, call.method == Method::Get, error))?;
        self.read(&response)
    }

    fn read(&self, response: &Response) -> Result<String, ApiError> {
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let media = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
        if response.is_success() && media.starts_with("application/json") {
            return Ok(text);
        }
        if !response.is_success() && media.starts_with("application/problem+json") {
            return Err(ApiError::Refused(Box::new(Refusal::read(response.status, text))));
        }
        Err(ApiError::Foreign { url: self.url.clone(), status: response.status })
    }
}

/// Whether what goes there leaves no machine.
fn is_own(authority: &str) -> bool {
    let host = authority.split('/').next().unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The token to show, if any.
pub(super) fn token_for(server: &Server, environment: &Environment) -> Result<Option<String>, ApiError> {
    match (&server.token_file, &environment.token) {
        (Some(file), _) => token(file).map(Some),
        // The server would go by the token: who shows a certificate means to be known by that.
        (None, Some(text)) if server.certificate.is_none() => bare(text).map(Some).ok_or(ApiError::TokenVariable),
        (None, _) => Ok(None),
    }
}

fn token(file: &Path) -> Result<String, ApiError> {
    let text = std::fs::read_to_string(file).map_err(|cause| ApiError::Token { file: file.to_owned(), cause })?;
    bare(&text).ok_or_else(|| ApiError::TokenForm { file: file.to_owned() })
}

/// A token without what is around it; nothing if it is none.
fn bare(text: &str) -> Option<String> {
    let token = text.trim();
    let good = !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic());
    good.then(|| token.to_owned())
}
