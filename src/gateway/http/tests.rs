//! The client against a server that behaves as it likes.

use super::fake::{Act, FakeServer, answer};
use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::io::Write as _;
use tokio_rustls::TlsAcceptor;

fn settings() -> HttpSettings {
    HttpSettings {
        connect_max: Duration::from_secs(5),
        total_max: Duration::from_secs(20),
        response_bytes_max: 1000,
        in_flight_max: 4,
        roots: Roots::System,
        identity: None,
    }
}

fn client(settings: &HttpSettings) -> HttpClient {
    HttpClient::new(settings).unwrap()
}

fn get(url: String) -> Request {
    Request { method: Method::Get, url, headers: Vec::new(), body: Bytes::new() }
}

#[tokio::test]
async fn what_is_asked_arrives_as_written_and_the_answer_comes_back() {
    let server = FakeServer::start(|_| Act::Say(answer(201, &["ETag: \"e1\""], b"made"))).await;
    let request = Request {
        method: Method::Put,
        url: server.url("/a/sip%3A%2B1%40b?q=%20"),
        headers: vec![("Content-Type", "text/plain".into()), ("X-Own", "\"v\"".into())],
        body: Bytes::from_static(b"body"),
    };
    let response = client(&settings()).send(request).await.unwrap();
    assert_eq!((response.status, response.header("etag"), &response.body[..]), (201, Some("\"e1\""), &b"made"[..]));
    assert!(response.is_success());
    let seen = server.seen().remove(0);
    let host = server.address;
    assert_eq!(
        seen.head.lines().collect::<Vec<_>>(),
        [
            "PUT /a/sip%3A%2B1%40b?q=%20 HTTP/1.1",
            &format!("Host: {host}"),
            "Content-Type: text/plain",
            "X-Own: \"v\"",
            "Content-Length: 4",
        ]
    );
    assert_eq!(seen.body, b"body");
}

#[tokio::test]
async fn connections_are_used_again_and_redirects_are_answers() {
    let server = FakeServer::start(|_| Act::Say(answer(302, &["Location: /elsewhere"], b""))).await;
    let client = client(&settings());
    for _ in 0..3 {
        assert_eq!(client.send(get(server.url("/"))).await.unwrap().status, 302);
    }
    assert_eq!((server.seen().len(), server.connections()), (3, 1));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_cut_off_even_if_it_does_not_say_its_length() {
    let said = answer(200, &[], &[b'x'; 1001]);
    let unsaid = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 1001]].concat();
    for octets in [said, unsaid] {
        let server = FakeServer::start(move |_| Act::SayAndClose(octets.clone())).await;
        let error = client(&settings()).send(get(server.url("/"))).await.unwrap_err();
        assert!(matches!(error, HttpError::TooLong { limit: 1000, .. }), "{error}");
    }
    let server = FakeServer::start(|_| Act::Say(answer(200, &[], &[b'x'; 1000]))).await;
    assert_eq!(client(&settings()).send(get(server.url("/"))).await.unwrap().body.len(), 1000);
}

#[tokio::test]
async fn silence_ends_with_a_timeout_that_names_the_host_and_no_user() {
    let server = FakeServer::start(|_| Act::Silence).await;
    let settings = HttpSettings { total_max: Duration::from_millis(50), ..settings() };
    let error = client(&settings).send(get(server.url("/users/alice"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Timeout { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&server.address.to_string()) && !text.contains("alice"), "{text}");
}

#[tokio::test]
async fn a_half_answer_garbage_and_a_hang_up_are_broken_exchanges() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec();
    for octets in [half, b"SSH-2.0-server\r\n\r\n".to_vec(), Vec::new()] {
        let server = FakeServer::start(move |_| Act::SayAndClose(octets.clone())).await;
        let error = client(&settings()).send(get(server.url("/users/alice"))).await.unwrap_err();
        assert!(matches!(error, HttpError::Broken { .. }), "{error}");
        assert!(!error.to_string().contains("alice"), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_with_the_cause() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = client(&settings()).send(get(format!("http://{free}/"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn no_more_than_the_limit_are_in_flight() {
    let server = FakeServer::start(|_| Act::Silence).await;
    let patient = client(&HttpSettings { in_flight_max: 2, ..settings() });
    for _ in 0..2 {
        let (client, request) = (patient.clone(), get(server.url("/")));
        tokio::spawn(async move { client.send(request).await });
    }
    while server.seen().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let hasty = HttpSettings { total_max: Duration::from_millis(50), ..(*patient.settings).clone() };
    let hasty = HttpClient { settings: Arc::new(hasty), ..patient.clone() };
    let error = hasty.send(get(server.url("/"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Busy { in_flight: 2, .. }), "{error}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn what_is_no_http_url_and_no_header_is_refused_before_anything_is_sent() {
    let client = client(&settings());
    for url in ["", "/path", "ftp://host/", "http:///path", "http://user:password@host/", "http://ho st/"] {
        let error = client.send(get(url.to_owned())).await.unwrap_err();
        assert!(matches!(error, HttpError::Url), "{url}: {error}");
    }
    let request = Request { headers: vec![("X-Own", "a\r\nb: c".into())], ..get("http://127.0.0.1:9/".into()) };
    assert!(matches!(client.send(request).await, Err(HttpError::Header { name: "X-Own" })));
}

/// A certificate authority made for one test: its PEM file, and a server of its own.
fn authority() -> (tempfile::NamedTempFile, TlsAcceptor) {
    let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::from_params(&ca, &ca_key);
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![server.der().clone()];
    let config =
        builder.with_no_client_auth().with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into());
    (file, TlsAcceptor::from(Arc::new(config.unwrap())))
}

#[tokio::test]
async fn over_tls_only_a_server_vouched_for_is_believed() {
    let (file, acceptor) = authority();
    let server = FakeServer::with(Some(acceptor), |_| Act::Say(answer(200, &[], b"ok"))).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let known = HttpSettings { roots: Roots::File(file.path().to_owned()), ..settings() };
    assert_eq!(&client(&known).send(get(url.clone())).await.unwrap().body[..], b"ok");
    let (other, _) = authority();
    let unknown = HttpSettings { roots: Roots::File(other.path().to_owned()), ..settings() };
    let error = client(&unknown).send(get(url)).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }) && error.to_string().contains("certificate"), "{error}");
    // Its certificate is for another name.
    let error = client(&known).send(get(format!("https://{}/", server.address))).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error}");
    assert_eq!(server.seen().len(), 1);
}

/// A server that wants to know who asks, and somebody whom it knows: certificate and key in files.
fn acquainted() -> (tempfile::TempDir, TlsAcceptor) {
    let folder = tempfile::tempdir().unwrap();
    let [ca_key, server_key, own_key] = [(); 3].map(|()| KeyPair::generate().unwrap());
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::from_params(&ca, &ca_key);
    let signed = |key| CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(key, &issuer).unwrap();
    let (server, own) = (signed(&server_key), signed(&own_key));
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("own.pem", own.pem()),
        ("own.key", own_key.serialize_pem()),
        ("other.key", ca_key.serialize_pem()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivatePkcs8KeyDer::from(server_key.serialize_der()).into();
    let builder = builder.with_client_cert_verifier(verifier.unwrap());
    let config = builder.with_single_cert(vec![server.der().clone()], key).unwrap();
    (folder, TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn who_has_a_certificate_shows_it_to_a_server_that_asks() {
    let (folder, acceptor) = acquainted();
    let server = FakeServer::with(Some(acceptor), |_| Act::Say(answer(200, &[], b"ok"))).await;
    let url = format!("https://localhost:{}/", server.address.port());
    let file = |name: &str| folder.path().join(name);
    let nobody = HttpSettings { roots: Roots::File(file("ca.pem")), ..settings() };
    let identity = Identity { certificate: file("own.pem"), key: file("own.key") };
    let known = HttpSettings { identity: Some(identity.clone()), ..nobody.clone() };
    assert_eq!(&client(&known).send(get(url.clone())).await.unwrap().body[..], b"ok");
    assert!(client(&nobody).send(get(url)).await.is_err());
    assert_eq!(server.seen().len(), 1);
    for (certificate, key, word) in [
        ("own.pem", "other.key", "cannot be used together"),
        ("own.pem", "nothing.key", "nothing.key"),
        ("own.key", "own.key", "certificate chain"),
        ("nothing.pem", "own.key", "nothing.pem"),
    ] {
        let identity = Some(Identity { certificate: file(certificate), key: file(key) });
        let error = HttpClient::new(&HttpSettings { identity, ..nobody.clone() }).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_file_without_certificates_is_refused_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let with = |path: &std::path::Path| HttpSettings { roots: Roots::File(path.to_owned()), ..settings() };
    let error = HttpClient::new(&with(file.path())).unwrap_err().to_string();
    assert!(error.contains(&file.path().display().to_string()) && error.contains("no certificate"), "{error}");
    let error = HttpClient::new(&with("/does/not/exist.pem".as_ref())).unwrap_err().to_string();
    assert!(error.contains("/does/not/exist.pem"), "{error}");
}
