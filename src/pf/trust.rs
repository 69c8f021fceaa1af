//! Whom we believe: peers whose identity headers count, and what identity a request then has (RFC 3325).

use super::Settings;
use super::challenge::Gate;
use super::receive::{Receipt, served};
use crate::sip::{NameAddr, Request, Response, split_list};
use std::net::IpAddr;

/// Whether a peer is in the trust domain.
pub(super) fn is_trusted(settings: &Settings, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    settings.trusted_peers.iter().any(|net| net.contains(&peer))
}

/// The asserted identities of a request: `P-Asserted-Identity` if a trusted peer says so, else whom we authenticated.
///
/// # Errors
/// The challenge or refusal for an untrusted sender.
pub(super) fn identities(settings: &Settings, gate: &Gate, receipt: Receipt) -> Result<Vec<String>, Response> {
    let request = receipt.request;
    if is_trusted(settings, receipt.peer.ip()) {
        let lines = request.headers.all("P-Asserted-Identity");
        let readable = lines.flat_map(split_list).filter(|identity| NameAddr::parse(identity).is_ok());
        return Ok(readable.map(str::to_owned).collect());
    }
    let from = NameAddr::list(&request.headers, "From");
    let from = from.first().map(|from| from.uri.as_str()).unwrap_or_default();
    // A sender whom we cannot authenticate may not use us to reach our users: only their own realm can vouch for them.
    let (address, realm) = served(settings, request, from).map_err(|_| super::reply::plain(settings, request, 403))?;
    if !realm.digest {
        return Ok(Vec::new());
    }
    let user = gate.authenticate(settings, request, &realm, receipt.received_at)?;
    if user != address.user() {
        return Err(super::reply::plain(settings, request, 403));
    }
    Ok(vec![format!("<{address}>")])
}

/// Whether the sender asked for anonymity (RFC 3323 section 4.2, RFC 3325 section 9.3): then DEF-1a-iii stores no
/// identity.
pub(super) fn wants_anonymity(request: &Request) -> bool {
    let values = request.headers.all("Privacy").flat_map(|line| line.split([';', ',']));
    values.map(str::trim).any(|value| ["id", "user", "header"].iter().any(|known| value.eq_ignore_ascii_case(known)))
}
