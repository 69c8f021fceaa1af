//! Our own Via: what stands in it, and how we know it again in a response to a request passed on statelessly.

use crate::config::Transport;
use crate::sip::transaction::MAGIC_COOKIE;
use crate::sip::{Request, Via};
use crate::types::{Digest, IdSource, MessageId, SeedSecret};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Local addresses towards peers, remembered.
const ROUTES_MAX: usize = 1024;
/// Sets branches of forwarded requests apart from those of transactions.
const FORWARDED: &str = "-f-";

/// Who we are on the wire.
pub(super) struct Own {
    host: Option<String>,
    secret: SeedSecret,
    routes: HashMap<IpAddr, IpAddr>,
}

impl Own {
    pub(super) fn new(host: Option<String>, secret: SeedSecret) -> Self {
        Self { host, secret, routes: HashMap::new() }
    }

    /// The Via of a request that leaves by the socket bound to `local` for `peer`.
    pub(super) fn via(&mut self, transport: Transport, local: SocketAddr, peer: SocketAddr, branch: &str) -> String {
        let name = match transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        let port = local.port();
        if let Some(host) = &self.host {
            return format!("SIP/2.0/{name} {host}:{port};branch={branch};rport");
        }
        let sent_by = SocketAddr::new(self.address(local.ip(), peer), port);
        format!("SIP/2.0/{name} {sent_by};branch={branch};rport")
    }

    /// A socket bound to every address has the one from which the peer is reached.
    fn address(&mut self, local: IpAddr, peer: SocketAddr) -> IpAddr {
        if !local.is_unspecified() {
            return local;
        }
        if let Some(known) = self.routes.get(&peer.ip()) {
            return *known;
        }
        let found = towards(local, peer).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        if self.routes.len() >= ROUTES_MAX {
            self.routes.clear();
        }
        self.routes.insert(peer.ip(), found);
        found
    }

    /// The branch of a request passed on statelessly: the same for every retransmission, also after a restart (RFC 3261
    /// section 16.11), and with a mark only we can make, so that nobody can have us pass on responses of their own.
    pub(super) fn forward_branch(&self, request: &Request) -> String {
        let mut from = Vec::with_capacity(256);
        let via = Via::top(&request.headers);
        let branch =
            via.as_ref().and_then(|via| via.branch.as_deref()).filter(|branch| branch.starts_with(MAGIC_COOKIE));
        if let (Some(via), Some(branch)) = (&via, branch) {
            from.extend_from_slice(format!("{branch}|{}|{:?}", via.host, via.port).as_bytes());
        } else {
            for name in ["Via", "To", "From", "Call-ID"] {
                from.extend_from_slice(request.headers.raw(name).map_or(&b""[..], |value| value));
                from.push(0);
            }
            from.extend_from_slice(request.uri.as_bytes());
        }
        // ACK and CANCEL share the branch of their request, as they must: CSeq's number counts, not its method.
        let number = request.headers.get("CSeq").and_then(|cseq| cseq.split_ascii_whitespace().next());
        from.extend_from_slice(number.unwrap_or_default().as_bytes());
        let mut seed = [0; 16];
        seed.iter_mut().zip(Digest::of(&from).0).for_each(|(to, byte)| *to = byte);
        format!("{MAGIC_COOKIE}{FORWARDED}{}", IdSource::new(seed, self.secret).call(&MessageId(seed), 0))
    }

    /// Whether a branch was made by [`Own::forward_branch`].
    pub(super) fn forwarded(&self, via: &Via) -> bool {
        let stem = via.branch.as_deref().and_then(|branch| branch.strip_prefix(MAGIC_COOKIE)?.strip_prefix(FORWARDED));
        stem.is_some_and(|stem| self.secret.made(stem))
    }
}

/// Asks the kernel's routing table; sends nothing.
fn towards(local: IpAddr, peer: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((local, 0)).ok()?;
    socket.connect(peer).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
