//! Who asks: a bearer token, a client certificate, or somebody at this machine as long as nothing else is configured.

use crate::config::{self, Role, sha256_octets};
use crate::metrics::AdminRefusal;
use crate::policy::policies::{Author, Realms};
use crate::types::Digest;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// The longest token that is looked at, octets: what is longer is none of ours.
const TOKEN_BYTES_MAX: usize = 1024;
/// The name of whoever asks from this machine as long as neither tokens nor certificates are configured.
const LOCAL: &str = "local";

/// Somebody we know, by the name of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    name: Arc<str>,
    roles: Arc<[Role]>,
}

impl Caller {
    pub(super) fn new(name: &str, roles: &[Role]) -> Self {
        Self { name: name.into(), roles: roles.into() }
    }

    fn local() -> Self {
        Self::new(LOCAL, &[Role::Operator(None), Role::Auditor, Role::Sre])
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// As the operator stream tells it.
    pub(super) fn author(&self) -> Author {
        Author(self.name.to_string())
    }

    pub(super) fn has(&self, role: &Role) -> bool {
        self.roles.contains(role)
    }

    /// Whether it decides for this realm.
    pub(super) fn operates(&self, realm: &str) -> bool {
        let one = |role: &Role| match role {
            Role::Operator(None) => true,
            Role::Operator(Some(own)) => own.eq_ignore_ascii_case(realm),
            Role::Auditor | Role::Sre => false,
        };
        self.roles.iter().any(one)
    }

    /// Whether it decides for some realm.
    pub(super) fn operates_any(&self) -> bool {
        self.roles.iter().any(|role| matches!(role, Role::Operator(_)))
    }

    /// Whether it may see what there is of this realm: its operator, and whoever reads everything.
    pub(super) fn sees(&self, realm: &str) -> bool {
        self.seen().contain(&realm.to_ascii_lowercase())
    }

    /// The realms of which it may see what there is.
    pub(super) fn seen(&self) -> Realms {
        if self.has(&Role::Auditor) || self.has(&Role::Sre) { Realms::All } else { self.operated() }
    }

    /// The realms that it decides for.
    pub(super) fn operated(&self) -> Realms {
        if self.has(&Role::Operator(None)) {
            return Realms::All;
        }
        let own = self.roles.iter().filter_map(|role| match role {
            Role::Operator(realm) => realm.as_ref(),
            Role::Auditor | Role::Sre => None,
        });
        Realms::Only(own.map(|realm| realm.to_ascii_lowercase()).collect())
    }

    /// The one realm that it decides for; nothing if there are more, or all.
    pub(super) fn only_realm(&self) -> Option<&str> {
        let mut own = self.roles.iter().filter_map(|role| match role {
            Role::Operator(realm) => Some(realm.as_deref()),
            Role::Auditor | Role::Sre => None,
        });
        let first = own.next()??;
        own.all(|other| other == Some(first)).then_some(first)
    }
}

/// What a request says of who sent it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence<'a> {
    /// The value of the Authorization header.
    pub(super) authorization: Option<&'a [u8]>,
    /// SHA-256 of the client's certificate, which an authority of `admin.tls.client-ca` vouches for.
    pub(super) certificate: Option<Digest>,
    pub(super) peer: Option<SocketAddr>,
    /// The value of the Host header.
    pub(super) host: Option<&'a str>,
    /// A page of some web site sent it, as its browser says.
    pub(super) from_page: bool,
}

/// Why nobody we know has sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    #[error(
        "say who you are: send Authorization: Bearer with a token of admin.tokens, or a client certificate of \
         admin.certificates"
    )]
    Nobody,
    #[error(
        "only requests from the machine of the server itself are served, as no tokens are configured: make one with \
         restante token new, and put its hash into admin.tokens"
    )]
    Elsewhere,
    #[error(
        "pages of web sites, and host names other than localhost, are not served without a token: make one with \
         restante token new, and put its hash into admin.tokens"
    )]
    Page,
    #[error("this token is not of admin.tokens: compare its SHA-256 with the configuration")]
    Token,
    #[error("this client certificate is not of admin.certificates: compare its SHA-256 with the configuration")]
    Certificate,
    #[error("this Authorization header is none that is understood: write Authorization: Bearer TOKEN")]
    Scheme,
}

impl Stranger {
    /// As it is counted.
    pub(super) const fn cause(self) -> AdminRefusal {
        match self {
            Self::Nobody | Self::Elsewhere | Self::Page => AdminRefusal::Nobody,
            Self::Token | Self::Scheme => AdminRefusal::Token,
            Self::Certificate => AdminRefusal::Certificate,
        }
    }
}

/// Everybody we know.
pub(super) struct Callers {
    tokens: Vec<Known>,
    certificates: Vec<Known>,
    /// Nobody has to say who they are, if they ask from this machine.
    local: Option<Caller>,
}

struct Known {
    sha256: [u8; 32],
    caller: Caller,
}

impl Callers {
    pub(super) fn new(config: &config::Admin) -> Self {
        let known = |name: &str, sha256: &str, roles: &[Role]| {
            Some(Known { sha256: sha256_octets(sha256)?, caller: Caller::new(name, roles) })
        };
        let tokens = config.tokens.iter().filter_map(|token| known(&token.name, &token.sha256, &token.roles));
        let certificates = config.certificates.iter().filter_map(|one| known(&one.name, &one.sha256, &one.roles));
        // By what is written, not by what of it is of use: a hash that is none opens nothing.
        let open = !config.asks_who();
        Self { tokens: tokens.collect(), certificates: certificates.collect(), local: open.then(Caller::local) }
    }

    /// Who sent a request. A token goes before a certificate: it is what the request says of itself.
    pub(super) fn who(&self, evidence: &Evidence<'_>) -> Result<Caller, Stranger> {
        if let Some(local) = &self.local {
            return at_this_machine(evidence).map(|()| local.clone());
        }
        if let Some(authorization) = evidence.authorization {
            let token = bearer(authorization).ok_or(Stranger::Scheme)?;
            return one_of(&self.tokens, &Digest::of(token)).ok_or(Stranger::Token);
        }
        let certificate = evidence.certificate.ok_or(Stranger::Nobody)?;
        one_of(&self.certificates, &certificate).ok_or(Stranger::Certificate)
    }
}

/// The one with this hash. Every one is looked at, and in the same time whether it is the one or not.
fn one_of(known: &[Known], sha256: &Digest) -> Option<Caller> {
    let mut found = u32::MAX;
    for (index, one) in (0..).zip(known) {
        found.conditional_assign(&index, one.sha256.ct_eq(&sha256.0));
    }
    known.get(usize::try_from(found).ok()?).map(|one| one.caller.clone())
}

/// The token of `Bearer TOKEN` (RFC 6750 section 2.1); the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    let good = scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    good.then_some(token)
}

/// Whether it is somebody at this machine who asks, and not a web page that a browser at this machine shows.
fn at_this_machine(evidence: &Evidence<'_>) -> Result<(), Stranger> {
    if !evidence.peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return Err(Stranger::Elsewhere);
    }
    // A site may have its own name lead to 127.0.0.1 (DNS rebinding): then its name is the host.
    let foreign = |host: &str| host.contains('.') && host_address(host).is_none();
    if evidence.from_page || evidence.host.is_some_and(foreign) {
        return Err(Stranger::Page);
    }
    Ok(())
}

/// The address of `HOST[:PORT]`, if it is one.
fn host_address(host: &str) -> Option<IpAddr> {
    let bare = |host: &str| host.trim_matches(['[', ']']).parse().ok();
    host.parse::<SocketAddr>().map(|address| address.ip()).ok().or_else(|| bare(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AdminCertificate, AdminToken};
    use hex::encode;

    fn token(name: &str, token: &str, roles: &[&str]) -> AdminToken {
        let roles = roles.iter().map(|role| Role::try_from((*role).to_owned()).unwrap()).collect();
        AdminToken { name: name.to_owned(), sha256: Digest::of(token.as_bytes()).to_string(), roles }
    }

    fn configured() -> Callers {
        let certificate = AdminCertificate {
            name: "carol".to_owned(),
            sha256: encode([7; 32]).to_ascii_uppercase(),
            roles: vec![Role::Sre],
        };
        let tokens = vec![token("alice", "secret-a", &["operator:ims.test"]), token("bob", "secret-b", &["auditor"])];
        Callers::new(&config::Admin { tokens, certificates: vec![certificate], ..config::Admin::default() })
    }

    fn near() -> SocketAddr {
        "127.0.0.1:40000".parse().unwrap()
    }

    #[test]
    fn a_token_is_known_by_its_hash_and_every_one_works() {
        let callers = configured();
        for (token, name) in [("secret-a", "alice"), ("secret-b", "bob")] {
            for scheme in ["Bearer", "bearer", "BEARER"] {
                let header = format!("{scheme} {token}");
                let evidence = Evidence { authorization: Some(header.as_bytes()), ..Evidence::default() };
                assert_eq!(callers.who(&evidence).unwrap().name(), name);
            }
        }
        let long = format!("Bearer {}", "x".repeat(TOKEN_BYTES_MAX + 1));
        for (header, stranger) in [
            ("Bearer secret-c", Stranger::Token),
            ("Bearer secret-", Stranger::Token),
            ("Bearer ", Stranger::Scheme),
            ("Bearer", Stranger::Scheme),
            ("Basic YTpi", Stranger::Scheme),
            ("", Stranger::Scheme),
            (long.as_str(), Stranger::Scheme),
        ] {
            // A good certificate does not help a wrong token.
            let certificate = Some(Digest([7; 32]));
            let evidence = Evidence {
                authorization: Some(header.as_bytes()),
                certificate,
                peer: Some(near()),
                ..Evidence::default()
            };
            assert_eq!(callers.who(&evidence), Err(stranger), "{header}");
        }
    }

    #[test]
    fn a_certificate_is_known_by_its_fingerprint() {
        let callers = configured();
        let with = |octet| Evidence { certificate: Some(Digest([octet; 32])), ..Evidence::default() };
        assert_eq!(callers.who(&with(7)).unwrap().name(), "carol");
        assert_eq!(callers.who(&with(8)), Err(Stranger::Certificate));
        assert_eq!(callers.who(&Evidence { peer: Some(near()), ..Evidence::default() }), Err(Stranger::Nobody));
    }

    #[test]
    fn without_tokens_whoever_asks_from_this_machine_may_do_everything() {
        let callers = Callers::new(&config::Admin::default());
        let from = |peer: &str| Evidence { peer: Some(peer.parse().unwrap()), ..Evidence::default() };
        for peer in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            let caller = callers.who(&from(peer)).unwrap();
            assert_eq!(caller.name(), "local");
            assert!(caller.operates("any.test") && caller.has(&Role::Auditor) && caller.has(&Role::Sre));
        }
        for peer in ["192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1", "0.0.0.0:1"] {
            assert_eq!(callers.who(&from(peer)), Err(Stranger::Elsewhere), "{peer}");
        }
        assert_eq!(callers.who(&Evidence::default()), Err(Stranger::Elsewhere));
    }

    #[test]
    fn a_web_page_at_this_machine_is_nobody() {
        let callers = Callers::new(&config::Admin::default());
        let host =
            |host| callers.who(&Evidence { peer: Some(near()), host: Some(host), ..Evidence::default() }).is_ok();
        for good in ["localhost:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]", "pf1:8080", "192.0.2.1"] {
            assert!(host(good), "{good}");
        }
        for bad in ["rebound.example.net", "rebound.example.net:8080", "127.0.0.1.example.net"] {
            assert!(!host(bad), "{bad}");
        }
        let page = Evidence { peer: Some(near()), from_page: true, ..Evidence::default() };
        assert_eq!(callers.who(&page), Err(Stranger::Page));
    }

    #[test]
    fn a_hash_that_is_none_opens_nothing() {
        let tokens = vec![AdminToken { name: "x".to_owned(), sha256: "none".to_owned(), roles: vec![Role::Sre] }];
        let callers = Callers::new(&config::Admin { tokens, ..config::Admin::default() });
        assert_eq!(callers.who(&Evidence { peer: Some(near()), ..Evidence::default() }), Err(Stranger::Nobody));
        let evidence = Evidence { authorization: Some(b"Bearer none"), peer: Some(near()), ..Evidence::default() };
        assert_eq!(callers.who(&evidence), Err(Stranger::Token));
    }

    #[test]
    fn the_one_realm_of_an_operator() {
        let roles = |texts: &[&str]| {
            let roles: Vec<Role> = texts.iter().map(|text| Role::try_from((*text).to_owned()).unwrap()).collect();
            Caller::new("x", &roles).only_realm().map(str::to_owned)
        };
        assert_eq!(roles(&["operator:A.test", "sre"]).as_deref(), Some("a.test"));
        assert_eq!(roles(&["operator:a.test", "operator:b.test"]), None);
        assert_eq!(roles(&["operator:a.test", "operator:*"]), None);
        assert_eq!(roles(&["operator:*"]), None);
        assert_eq!(roles(&["auditor"]), None);
    }
}
