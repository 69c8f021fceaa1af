//! The loop trap (spec 1.3): our own delivery, brought back by the filter criteria, is passed on and never deferred.

use super::receive::Received;
use super::send::target;
use super::{Settings, reply};
use crate::sip::{NameAddr, Request, Uri};
use std::net::IpAddr;

/// Passes a request on to its next Route entry (RFC 3261 section 16.6); without one it is a loop. Only the trust domain
/// has filter criteria: a client that knows the Call-ID of a push must not make a relay of us.
pub(super) fn on(settings: &Settings, request: &Request, trusted: bool) -> Received {
    let looped = || Received::Answer(reply::plain(settings, request, 482));
    if !trusted {
        return looped();
    }
    let mut onward = request.clone();
    let hops = onward.max_forwards().unwrap_or(70);
    if hops == 0 {
        return Received::Answer(reply::plain(settings, request, 483));
    }
    let mut route = NameAddr::list(&onward.headers, "Route");
    if route.first().is_some_and(|top| is_us(settings, &top.uri)) {
        route.remove(0);
    }
    let next = route.first().filter(|next| !is_us(settings, &next.uri)).and_then(|next| Uri::parse(&next.uri).ok());
    let Some(next) = next else { return looped() };
    onward.headers.remove("Route");
    for entry in &route {
        onward.headers.push("Route", entry.to_string());
    }
    onward.headers.set("Max-Forwards", (hops - 1).to_string());
    Received::Forward { request: onward, target: target(&next, None) }
}

/// Whether a Route entry is one of our own sockets.
fn is_us(settings: &Settings, uri: &str) -> bool {
    let Ok(uri) = Uri::parse(uri) else { return false };
    let port = uri.port.unwrap_or(5060);
    let host = bare(&uri.host);
    let ip = host.parse::<IpAddr>().ok();
    settings.listening.iter().any(|listen| {
        listen.address.port() == port
            && (host.eq_ignore_ascii_case(bare(&settings.host)) || ip == Some(listen.address.ip()))
    })
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}
