//! Digest authentication (RFC 3261 section 22, RFC 7616, RFC 8760), both ends, without a clock and without randomness.

use super::message::{Method, Request};
use super::nameaddr::elements;
use super::param::{quoted, trim, unquoted};
use super::uri::Uri;
use crate::types::Timestamp;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

mod nonce;

pub use nonce::{NonceCounts, NonceUse};

/// The hash a challenge asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// Without the parameter it is MD5 (RFC 3261 section 22.4).
    fn of(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("MD5") => Some(Self::Md5),
            Some(name) if name.eq_ignore_ascii_case("SHA-256") => Some(Self::Sha256),
            Some(_) => None,
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Sha256 => hex::encode(Sha256::digest(text)),
            Self::Md5 => hex::encode(md5::Digest::finalize(md5::Digest::chain(<Md5 as md5::Digest>::new(), text))),
        }
    }
}

/// What the response is computed from.
struct Proof<'a> {
    algorithm: Algorithm,
    user: &'a str,
    realm: &'a str,
    nonce: &'a str,
    uri: &'a str,
    /// `nc` as written and `cnonce`, with `qop=auth`.
    counted: Option<(&'a str, &'a str)>,
}

impl Proof<'_> {
    /// The `response` value (RFC 7616 section 3.4.1).
    fn response(&self, method: &str, password: &str) -> String {
        let hash = |text: String| self.algorithm.hash(&text);
        let secret = hash(format!("{}:{}:{password}", self.user, self.realm));
        let request = hash(format!("{method}:{}", self.uri));
        match self.counted {
            Some((nc, cnonce)) => hash(format!("{secret}:{}:{nc}:{cnonce}:auth:{request}", self.nonce)),
            None => hash(format!("{secret}:{}:{request}", self.nonce)),
        }
    }
}

/// What a request's credentials are worth.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The user knows the password. The use of the nonce must still be [admitted](NonceCounts::admit).
    Ok { user: String, nonce: NonceUse },
    /// No credentials for this realm and a hash we offer: challenge.
    Missing,
    /// Right, but for a nonce that is not valid any more: challenge with `stale`.
    Stale,
    /// Unknown user or wrong password: challenge again, or 403.
    Wrong,
    /// The credentials break the grammar, lack `qop=auth` or name another URI than the request: 400.
    Malformed,
}

/// User names are personal data.
impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok { .. } => "Ok",
            Self::Missing => "Missing",
            Self::Stale => "Stale",
            Self::Wrong => "Wrong",
            Self::Malformed => "Malformed",
        })
    }
}

/// The server's end: makes challenges and checks the answers. It keeps no state; a nonce carries its own time and a keyed
/// hash that only we can make.
#[derive(Clone)]
pub struct Challenger {
    secret: [u8; 32],
    valid: Duration,
}

impl Challenger {
    /// `secret` must be random; with a new one all earlier nonces are stale. A nonce is good for `valid`.
    #[must_use]
    pub const fn new(secret: [u8; 32], valid: Duration) -> Self {
        Self { secret, valid }
    }

    /// The `WWW-Authenticate` values of a 401, one header line each. MD5 comes first against the order of RFC 8760 section
    /// 2.4: many clients in the field read the first challenge only and know MD5 only; whoever reads all may take the other.
    #[must_use]
    pub fn challenge(&self, realm: &str, now: Timestamp, stale: bool) -> Vec<String> {
        let nonce = nonce::make(&self.secret, realm, now);
        let stale = if stale { ", stale=true" } else { "" };
        [Algorithm::Md5, Algorithm::Sha256]
            .map(|algorithm| {
                let (realm, algorithm) = (quoted(realm), algorithm.name());
                format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
            })
            .to_vec()
    }

    /// Judges the `Authorization` of a request for this realm. `lookup` gives the password of a user name.
    #[must_use]
    pub fn verify<'p>(
        &self,
        request: &Request,
        realm: &str,
        lookup: impl Fn(&str) -> Option<&'p str>,
        now: Timestamp,
    ) -> Verdict {
        let mut malformed = false;
        for value in request.headers.all("Authorization") {
            let Some(params) = digest_params(value) else { continue };
            match Credentials::of(&params) {
                Some(credentials) if credentials.realm != realm => {}
                Some(credentials) => return self.judge(request, &credentials, lookup, now),
                None => malformed = true,
            }
        }
        if malformed { Verdict::Malformed } else { Verdict::Missing }
    }

    fn judge<'p>(
        &self,
        request: &Request,
        credentials: &Credentials<'_>,
        lookup: impl Fn(&str) -> Option<&'p str>,
        now: Timestamp,
    ) -> Verdict {
        let Some(algorithm) = Algorithm::of(credentials.algorithm) else { return Verdict::Missing };
        let count = u32::from_str_radix(credentials.nc, 16).ok().filter(|count| *count > 0);
        let (Some(count), 8) = (count, credentials.nc.len()) else { return Verdict::Malformed };
        if !credentials.qop.eq_ignore_ascii_case("auth") || !same_resource(credentials.uri, &request.uri) {
            return Verdict::Malformed;
        }
        let proof = Proof {
            algorithm,
            user: credentials.user,
            realm: credentials.realm,
            nonce: credentials.nonce,
            uri: credentials.uri,
            counted: Some((credentials.nc, credentials.cnonce)),
        };
        // The same work for a user we do not know, so that the time tells nobody who exists.
        let password = lookup(credentials.user);
        let expected = proof.response(request.method.as_str(), password.unwrap_or_default());
        let right = equal(expected.as_bytes(), credentials.response.to_ascii_lowercase().as_bytes());
        if !right || password.is_none() {
            return Verdict::Wrong;
        }
        match nonce::made_at(&self.secret, credentials.realm, credentials.nonce) {
            Some(made) if made <= now && now.since(made) < self.valid => Verdict::Ok {
                user: credentials.user.to_owned(),
                nonce: NonceUse::new(
                    &[credentials.user, credentials.nonce, credentials.cnonce],
                    count,
                    made.after(self.valid),
                ),
            },
            _ => Verdict::Stale,
        }
    }
}

/// The parameters of an `Authorization` that we need.
struct Credentials<'a> {
    user: &'a str,
    realm: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    algorithm: Option<&'a str>,
    qop: &'a str,
    nc: &'a str,
    cnonce: &'a str,
}

impl<'a> Credentials<'a> {
    fn of(params: &'a DigestParams<'_>) -> Option<Self> {
        Some(Self {
            user: params.get("username")?,
            realm: params.get("realm")?,
            nonce: params.get("nonce")?,
            uri: params.get("uri")?,
            response: params.get("response")?,
            algorithm: params.get("algorithm"),
            qop: params.get("qop")?,
            nc: params.get("nc")?,
            cnonce: params.get("cnonce")?,
        })
    }
}

/// Name and unquoted value of each parameter.
struct DigestParams<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl DigestParams<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

/// The parameters of a `Digest …` value; `None` for another scheme.
fn digest_params(value: &str) -> Option<DigestParams<'_>> {
    let (scheme, rest) = trim(value).split_once([' ', '\t'])?;
    if !scheme.eq_ignore_ascii_case("Digest") {
        return None;
    }
    let pairs = elements(rest).filter_map(|element| element.split_once('='));
    Some(DigestParams(pairs.map(|(name, value)| (trim(name), unquoted(trim(value)))).collect()))
}

/// Whether the `uri` of the credentials is that of the request: the same text, or the same user, host and port (RFC 3261
/// section 22.4 point 2 lets proxies rewrite the parameters).
fn same_resource(claimed: &str, requested: &str) -> bool {
    if claimed == requested {
        return true;
    }
    let (Ok(a), Ok(b)) = (Uri::parse(claimed), Uri::parse(requested)) else { return false };
    a.user == b.user && a.host.eq_ignore_ascii_case(&b.host) && a.port == b.port
}

/// Compares in a time that depends on the lengths only.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

/// Why a challenge cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("the challenge is not of the Digest scheme")]
    Scheme,
    #[error("the challenge has no realm or no nonce")]
    Incomplete,
    #[error("the challenge asks for a hash other than SHA-256 and MD5")]
    Algorithm,
    #[error("the challenge asks for a quality of protection other than auth")]
    Qop,
}

/// The client's end: the `Authorization` value that answers one `WWW-Authenticate` value. `cnonce` must be random, and
/// `nc` counts the uses of the same nonce from 1.
///
/// # Errors
/// [`DigestError`] if we cannot do what the challenge asks; then try the next one (RFC 8760 section 2.4).
pub fn answer(
    challenge: &str,
    method: &Method,
    uri: &str,
    user: &str,
    password: &str,
    cnonce: &str,
    nc: u32,
) -> Result<String, DigestError> {
    let params = digest_params(challenge).ok_or(DigestError::Scheme)?;
    let (realm, nonce) = params.get("realm").zip(params.get("nonce")).ok_or(DigestError::Incomplete)?;
    let algorithm = Algorithm::of(params.get("algorithm")).ok_or(DigestError::Algorithm)?;
    let qop = params.get("qop");
    if qop.is_some_and(|qop| !qop.split(',').any(|one| trim(one).eq_ignore_ascii_case("auth"))) {
        return Err(DigestError::Qop);
    }
    let nc = format!("{nc:08x}");
    let counted = qop.map(|_| (nc.as_str(), cnonce));
    let response = Proof { algorithm, user, realm, nonce, uri, counted }.response(method.as_str(), password);
    let counted = counted.map(|_| format!(", qop=auth, nc={nc}, cnonce={}", quoted(cnonce))).unwrap_or_default();
    let opaque = params.get("opaque").map(|opaque| format!(", opaque={}", quoted(opaque))).unwrap_or_default();
    Ok(format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}{counted}{opaque}",
        quoted(user),
        quoted(realm),
        quoted(nonce),
        quoted(uri),
        algorithm.name()
    ))
}

#[cfg(test)]
mod tests;
