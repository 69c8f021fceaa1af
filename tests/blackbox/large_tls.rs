//! Large messages over TLS: the certificate must be the one that the session description announces (RFC 4975 section 14.4).

use crate::large_in::{taken, transfers};
use crate::large_peer::{Peer, Told, text};
use crate::server::{Server, Setup, metric};
use crate::wire::someone;
use std::path::{Path, PathBuf};
use std::process::Command;

const WRONG: &str =
    "SHA-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

/// A certificate that signed itself, and its key: both in one PEM file.
fn certificate(home: &Path, name: &str) -> PathBuf {
    let (key, file) = (home.join(format!("{name}.key")), home.join(format!("{name}.pem")));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={name}"), "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&file)
        .output()
        .expect("openssl is installed: run script/setup");
    assert!(output.status.success(), "{output:?}");
    let both = [std::fs::read(&file).unwrap(), std::fs::read(&key).unwrap()].concat();
    std::fs::write(&file, both).unwrap();
    file
}

/// A server with TLS, and a certificate for its peers.
fn secure(home: &Path) -> (Server, String) {
    let (own, peer) = (certificate(home, "server"), certificate(home, "peer"));
    let own = own.display();
    let config = format!("[msrp]\nbind-secs = 2\ntls-certificate = \"{own}\"\ntls-key = \"{own}\"");
    (Setup::alone().tls().config(&config).start(), peer.to_str().unwrap().to_owned())
}

fn send(server: &Server, user: &str, options: &[&str]) -> Told {
    Peer::sending(server, user, &[&["--tls"], options].concat()).finish()
}

#[test]
fn a_message_comes_over_tls_whoever_connects() {
    let home = tempfile::tempdir().unwrap();
    let (server, certificate) = secure(home.path());
    let bob = someone();
    for (seed, setup) in [("1", "active"), ("2", "passive"), ("3", "actpass"), ("4", "none")] {
        let options = ["--cert", &certificate, "--setup", setup, "--seed", seed, "--size", "100KiB"];
        let told = send(&server, &bob, &options).good();
        let line = told.only("sent");
        // The peer asks nobody who connects to it for a certificate.
        assert!(line["fingerprint_agrees"] == true || setup == "passive", "{line:#}");
        assert!(text(line, "answer").contains("TCP/TLS/MSRP"), "{line:#}");
        assert!(text(line, "answer").contains("a=path:msrps://127.0.0.1:"), "{line:#}");
        assert_eq!(taken(&server, &bob, 1).digests("received"), told.digests("sent"));
    }
}

#[test]
fn a_certificate_that_was_not_announced_is_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let (server, certificate) = secure(home.path());
    let bob = someone();
    let options = ["--cert", &certificate, "--fingerprint", WRONG, "--expect", "MSRP status 403"];
    send(&server, &bob, &options).good();
    server.wait_for_metric(&transfers("tls"), 1.0);
    assert_eq!(server.metric("restante_msrp_strays_total{cause=\"fingerprint\"}"), Some(1.0));
    // We connect, and the one who answers is not the one who was announced.
    let options = ["--cert", &certificate, "--fingerprint", WRONG, "--setup", "passive", "--expect", "BYE|connection"];
    send(&server, &bob, &options).good();
    server.wait_for_metric(&transfers("tls"), 2.0);
    // A fingerprint of another kind is none that we could check.
    let options = ["--cert", &certificate, "--fingerprint", "MD5 00:11", "--expect", "BYE|connection|status"];
    send(&server, &bob, &options).good();
    server.wait_for_metric(&transfers("tls"), 3.0);
    assert_eq!(server.metric(metric::QUEUED), Some(0.0));
    assert_eq!(server.metric(&transfers("done")), Some(0.0));
    let told = send(&server, &bob, &["--cert", &certificate]).good();
    assert_eq!(taken(&server, &bob, 1).digests("received"), told.digests("sent"));
}
