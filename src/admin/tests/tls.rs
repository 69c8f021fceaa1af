//! HTTPS and client certificates, over real sockets.

use super::fake::Fake;
use super::who::{bearer, token};
use super::*;
use crate::config::{AdminCertificate, AdminTls, Role};
use crate::types::Digest;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::path::PathBuf;

/// An authority, and what it signs.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
#[derive(Debug)]
struct Papers {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Clone for Papers {
    fn clone(&self) -> Self {
        let key = KeyPair::from_pem(&self.key.serialize_pem()).unwrap();
        Self { certificate: self.certificate.clone(), pem: self.pem.clone(), key }
    }
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, purpose: ExtendedKeyUsagePurpose) -> Papers {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Papers { certificate: certificate.der().clone(), pem: certificate.pem(), key }
    }
}

/// A server's configuration with TLS: on disk as an operator has it.
struct House {
    authority: Authority,
    config: Config,
    directory: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let authority = Authority::new();
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let server = authority.sign(ExtendedKeyUsagePurpose::ServerAuth);
        let tls = AdminTls {
            certificate: write("server.pem", &server.pem),
            key: write("server.key", &server.key.serialize_pem()),
            client_ca: Some(write("clients.pem", &authority.certificate.pem())),
        };
        let mut config = Config::default();
        config.admin.tls = Some(tls);
        Self { authority, config, directory }
    }

    fn admit(&mut self, name: &str, papers: &Papers, role: &str) {
        let sha256 = Digest::of(&papers.certificate).to_string();
        let roles = vec![Role::try_from(role.to_owned()).unwrap()];
        self.config.admin.certificates.push(AdminCertificate { name: name.to_owned(), sha256, roles });
    }

    fn tls(&mut self) -> &mut AdminTls {
        self.config.admin.tls.as_mut().unwrap()
    }

    fn client(&self, papers: Option<&Papers>, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match papers {
            None => builder.with_no_client_auth(),
            Some(papers) => {
                let key = PrivateKeyDer::try_from(papers.key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![papers.certificate.clone()], key).unwrap()
            }
        })
    }
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

/// One request over TLS; an error if there is no answer.
fn get(address: SocketAddr, client: &Arc<ClientConfig>, path: &str, headers: &str) -> std::io::Result<String> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(Arc::clone(client), name).map_err(std::io::Error::other)?;
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(session, socket);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")?;
    let mut answer = Vec::new();
    // Whether the end is said is the server's affair.
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ if answer.is_empty() => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn a_client_certificate_says_who_asks() {
    let mut house = House::new();
    let (alice, auditor, unnamed) = (
        house.authority.sign(ExtendedKeyUsagePurpose::ClientAuth),
        house.authority.sign(ExtendedKeyUsagePurpose::ClientAuth),
        house.authority.sign(ExtendedKeyUsagePurpose::ClientAuth),
    );
    house.admit("alice", &alice, "operator:ims.test");
    house.admit("rosa", &auditor, "auditor");
    house.config.admin.tokens = vec![token("sre", &["sre"])];
    let (views, _) = Fake::default().views();
    serving_as(house.config.clone(), Patience::default(), views, move |address, metrics, _| {
        for version in BOTH {
            let asked = |papers: Option<&Papers>, path: &str, headers: &str| {
                let answer = get(address, &house.client(papers, &[version]), path, headers).unwrap();
                code(&answer).to_owned()
            };
            let realm = "/v1/realms/ims.test/policies";
            assert_eq!(asked(Some(&alice), realm, ""), "200");
            assert_eq!(asked(Some(&alice), "/v1/realms/other.test/policies", ""), "403");
            assert_eq!(asked(Some(&auditor), "/v1/realms/other.test/policies", ""), "200");
            assert_eq!(asked(Some(&unnamed), realm, ""), "401");
            assert_eq!(asked(None, realm, ""), "401");
            assert_eq!(asked(None, "/healthz", ""), "200");
            // A token is the other way, and goes before a certificate.
            assert_eq!(asked(None, realm, &bearer("sre")), "200");
            assert_eq!(asked(Some(&alice), realm, &bearer("wrong")), "401");
        }
        let counted = metrics.render().unwrap();
        assert!(counted.contains("restante_admin_refusals_total{cause=\"certificate\"} 2\n"), "{counted}");
    });
}

#[test]
fn a_certificate_of_another_authority_ends_the_connection_and_is_counted() {
    let mut house = House::new();
    // Its fingerprint is named, and still nobody vouches for it.
    let (stranger, server) = (
        Authority::new().sign(ExtendedKeyUsagePurpose::ClientAuth),
        house.authority.sign(ExtendedKeyUsagePurpose::ServerAuth),
    );
    house.admit("mallory", &stranger, "operator:*");
    house.admit("server", &server, "operator:*");
    serving_as(house.config.clone(), Patience::default(), Views::default(), move |address, metrics, _| {
        for version in BOTH {
            for papers in [&stranger, &server] {
                assert!(get(address, &house.client(Some(papers), &[version]), "/healthz", "").is_err());
            }
            assert!(get(address, &house.client(None, &[version]), "/healthz", "").is_ok());
        }
        let counted = metrics.render().unwrap();
        assert!(counted.contains("restante_admin_refusals_total{cause=\"certificate\"} 4\n"), "{counted}");
    });
}

#[test]
fn without_authorities_no_client_certificate_is_asked_for() {
    let mut house = House::new();
    house.tls().client_ca = None;
    let papers = house.authority.sign(ExtendedKeyUsagePurpose::ClientAuth);
    house.config.admin.tokens = vec![token("sre", &["sre"])];
    house.admit("alice", &papers, "operator:*");
    serving_as(house.config.clone(), Patience::default(), Views::default(), move |address, _, _| {
        let client = house.client(Some(&papers), BOTH);
        assert_eq!(code(&get(address, &client, "/v1/policies", "").unwrap()), "401");
        assert_eq!(code(&get(address, &client, "/v1/policies", &bearer("sre")).unwrap()), "503");
        // And what is not TLS gets no answer.
        let mut plain = TcpStream::connect(address).unwrap();
        plain.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    });
}

#[test]
fn files_that_will_not_do_are_told_with_their_key_and_what_to_do() {
    let house = House::new();
    let directory = house.directory.path().to_owned();
    let write = |name: &str, text: &str| {
        std::fs::write(directory.join(name), text).unwrap();
        directory.join(name)
    };
    let good = house.config.admin.tls.clone().unwrap();
    let other = KeyPair::generate().unwrap();
    let refusals = Arc::new(trail::Refusals::new(Arc::new(Metrics::new().unwrap())));
    check_tls(&good).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (tls, told) in [
        (AdminTls { certificate: directory.join("no.pem"), ..good.clone() }, "admin.tls.certificate: "),
        (AdminTls { certificate: write("empty.pem", ""), ..good.clone() }, "there is no certificate in "),
        (AdminTls { certificate: write("broken.pem", broken), ..good.clone() }, "does not go with the certificate"),
        (AdminTls { key: directory.join("no.key"), ..good.clone() }, "admin.tls.key: "),
        (AdminTls { key: good.certificate.clone(), ..good.clone() }, "there is no unencrypted private key in "),
        (
            AdminTls { key: write("other.key", &other.serialize_pem()), ..good.clone() },
            "does not go with the certificate",
        ),
        (AdminTls { client_ca: Some(directory.join("no.pem")), ..good.clone() }, "admin.tls.client-ca: "),
        (
            AdminTls { client_ca: Some(write("empty.pem", "")), ..good.clone() },
            "admin.tls.client-ca: there is no certificate",
        ),
        (AdminTls { client_ca: Some(write("broken.pem", broken)), ..good.clone() }, "is of no use: "),
    ] {
        let error = super::super::tls::server(&tls, &refusals).unwrap_err().to_string();
        assert_eq!(check_tls(&tls).unwrap_err().to_string(), error, "`restante check` says the same");
        assert!(error.contains(told) && error.contains("give "), "{told}: {error}");
        assert!(error.contains(directory.to_str().unwrap()), "{error}");
    }
}
