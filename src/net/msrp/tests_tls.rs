//! TLS, and the certificates that session descriptions announce.

use super::*;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

/// A certificate of somebody, on disk as the configuration wants it.
struct Papers {
    config: config::Msrp,
    certificate: CertificateDer<'static>,
    _directory: tempfile::TempDir,
}

impl Papers {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (file, key_file) = (directory.path().join("c.pem"), directory.path().join("k.pem"));
        std::fs::write(&file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let listen = ["msrps:127.0.0.1:0", "msrp:127.0.0.1:0"].map(|text| text.parse().unwrap()).into();
        let config = config::Msrp { listen, tls_certificate: Some(file), tls_key: Some(key_file), ..config() };
        Self { config, certificate: certificate.der().clone(), _directory: directory }
    }

    fn identity(&self) -> Identity {
        Identity::read(&self.config).unwrap().unwrap()
    }

    fn fingerprint(&self) -> String {
        self.identity().fingerprint.to_string()
    }
}

/// A peer with these papers, or none, connects to a house with those.
async fn connect(house: &House, ours: &Papers, theirs: Option<&Papers>) -> Raw {
    let connector = theirs.map_or_else(
        || {
            let mut roots = RootCertStore::empty();
            roots.add(ours.certificate.clone()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
        },
        |theirs| theirs.identity().connector(Some(ours.identity().fingerprint)).unwrap(),
    );
    let stream = TcpStream::connect(house.bound[0].address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    Raw::new(soon(connector.connect(name, stream)).await.unwrap())
}

fn announced(papers: Option<&Papers>) -> Peer {
    let path = vec![PEER.replace("msrp:", "msrps:")];
    Peer { path, fingerprint: papers.map(Papers::fingerprint), secure: true }
}

#[tokio::test]
async fn a_message_comes_over_tls_from_the_one_who_was_announced() {
    let (ours, theirs) = (Papers::new(), Papers::new());
    let house = House::with(&ours.config, |_| {});
    // With the announced certificate, and from one who announced none and shows none.
    for papers in [Some(&theirs), None] {
        let session = house.msrp.open(true).unwrap();
        let local = session.local().clone();
        assert_eq!((local.secure, local.fingerprint), (true, Some(ours.fingerprint())));
        assert!(local.uri.starts_with("msrps://127.0.0.1:") && local.port == house.bound[0].address.port());
        let (shelf, body) = (Shelf::new(), content(200_000));
        let transfer = tokio::spawn(session.receive(announced(papers), Way::Passive, Box::new(shelf.clone())));
        let mut peer = connect(&house, &ours, papers).await;
        peer.write(&chunk("c001", &local.uri, "1-*/200000", &body, '$')).await;
        assert_eq!(peer.status().await, "200");
        assert_eq!(ended(transfer).await, Ok(()));
        assert!(shelf.held() == body);
    }
}

#[tokio::test]
async fn a_certificate_that_was_not_announced_is_refused() {
    let (ours, theirs, stranger) = (Papers::new(), Papers::new(), Papers::new());
    let house = House::with(&ours.config, |_| {});
    for shown in [Some(&stranger), None] {
        let session = house.msrp.open(true).unwrap();
        let uri = session.local().uri.clone();
        let transfer = tokio::spawn(session.receive(announced(Some(&theirs)), Way::Passive, Box::new(Shelf::new())));
        let mut peer = connect(&house, &ours, shown).await;
        peer.bind(&uri).await;
        let status = peer.status().await;
        assert_eq!(ended(transfer).await, Err(TransferError::Fingerprint));
        assert_eq!(status, "403");
    }
    assert_eq!(house.tallies.0.borrow().strays, [Stray::Fingerprint; 2]);
}

#[tokio::test]
async fn what_was_announced_as_protected_never_goes_in_clear() {
    let ours = Papers::new();
    let house = House::with(&ours.config, |_| {});
    let session = house.msrp.open(true).unwrap();
    let uri = session.local().uri.clone();
    let book = Box::new(Book::new(b"secret".to_vec()));
    let transfer = tokio::spawn(session.send(announced(None), Way::Passive, outgoing(6), book));
    let mut peer = Raw::new(TcpStream::connect(house.bound[1].address).await.unwrap());
    peer.bind(&uri).await;
    assert_eq!(peer.status().await, "403");
    assert_eq!(ended(transfer).await, Err(TransferError::Fingerprint));
    // Another hash than SHA-256 cannot be believed.
    let peer = Peer { fingerprint: Some("SHA-1 AB:CD".to_owned()), ..announced(None) };
    let session = house.msrp.open(true).unwrap();
    let transfer = session.send(peer, Way::Passive, outgoing(6), Box::new(Book::new(b"secret".to_vec())));
    assert_eq!(soon(transfer).await, Err(TransferError::Fingerprint));
}

#[tokio::test]
async fn who_does_not_speak_tls_is_not_heard() {
    let ours = Papers::new();
    let house = House::with(&ours.config, |_| {});
    let mut peer = Raw::new(TcpStream::connect(house.bound[0].address).await.unwrap());
    peer.bind("msrp://127.0.0.1:1/nobody;tcp").await;
    house.tallies.until(|totals| totals.strays == [Stray::Tls] && totals.connections == 0).await;
}

#[tokio::test]
async fn a_message_goes_over_tls_only_to_the_one_who_was_announced() {
    let (ours, theirs) = (Papers::new(), Papers::new());
    let house = House::with(&ours.config, |_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = vec![format!("msrps://{}/peer;tcp", listener.local_addr().unwrap())];
    let acceptor = theirs.identity().acceptor().unwrap();
    let send = |fingerprint: Option<String>| {
        let session = house.msrp.open(true).unwrap();
        let peer = Peer { path: path.clone(), fingerprint, secure: true };
        tokio::spawn(session.send(peer, Way::Active, outgoing(200_000), Box::new(Book::new(content(200_000)))))
    };
    let transfer = send(Some(theirs.fingerprint()));
    let stream = soon(acceptor.accept(soon(listener.accept()).await.unwrap().0)).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_eq!(shown, ours.certificate);
    let mut stream = Raw::new(stream);
    let mut held = Vec::new();
    while held.len() < 200_000 {
        let frame = stream.frame().await.unwrap();
        stream.answer(&frame, 200).await;
        held.extend_from_slice(&frame.body);
    }
    assert_eq!(ended(transfer).await, Ok(()));
    assert!(held == content(200_000));
    // The wrong one; and one that announced nothing and that no authority vouches for.
    let transfer = send(Some(ours.fingerprint()));
    let (stream, _) = soon(listener.accept()).await.unwrap();
    assert!(soon(acceptor.accept(stream)).await.is_err());
    assert_eq!(ended(transfer).await, Err(TransferError::Fingerprint));
    let transfer = send(None);
    let (stream, _) = soon(listener.accept()).await.unwrap();
    assert!(soon(acceptor.accept(stream)).await.is_err());
    assert!(matches!(ended(transfer).await, Err(TransferError::Tls { .. })));
}

#[test]
fn papers_that_are_no_papers_are_told_with_the_key_of_the_configuration() {
    let ours = Papers::new();
    let (certificate, key) = (ours.config.tls_certificate.clone(), ours.config.tls_key.clone());
    let start = |config: &config::Msrp| Msrp::start(config, Arc::new(NoCounters)).unwrap_err().to_string();
    let swapped = config::Msrp { tls_certificate: key.clone(), ..ours.config.clone() };
    assert!(start(&swapped).starts_with("msrp.tls-certificate: "), "{}", start(&swapped));
    let swapped = config::Msrp { tls_key: certificate, ..ours.config.clone() };
    assert!(start(&swapped).starts_with("msrp.tls-key: "), "{}", start(&swapped));
    let other = Papers::new();
    let mixed = config::Msrp { tls_key: other.config.tls_key.clone(), ..ours.config.clone() };
    assert!(start(&mixed).contains("check that msrp.tls-key belongs to"), "{}", start(&mixed));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = vec![MsrpListen { secure: false, address: taken.local_addr().unwrap() }];
    let told = start(&config::Msrp { listen, ..config() });
    assert!(told.contains("cannot listen on msrp:127.0.0.1:"), "{told}");
}
