//! Opening the listening sockets: all of them before any is served.

use super::NetError;
use crate::config::{Listen, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Asked of the kernel for datagrams that arrive while we work; it grants what the system allows.
const UDP_BUFFER: usize = 4 << 20;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Sockets that are open and not yet served.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
    /// In the order of the configuration, ports resolved.
    pub(super) bound: Vec<Listen>,
}

pub(super) fn bind(listen: &[Listen]) -> Result<Sockets, NetError> {
    if listen.is_empty() {
        return Err(NetError::NothingToListenOn);
    }
    let mut sockets = Sockets::default();
    for &wanted in listen {
        let address = match wanted.transport {
            Transport::Udp => udp(wanted).and_then(|socket| {
                let address = socket.local_addr();
                sockets.udp.push(socket);
                address
            }),
            Transport::Tcp => tcp(wanted.address).and_then(|socket| {
                let address = socket.local_addr();
                sockets.tcp.push(socket);
                address
            }),
        };
        let address = address.map_err(|cause| NetError::Bind { listen: wanted, cause })?;
        sockets.bound.push(Listen { transport: wanted.transport, address });
    }
    Ok(sockets)
}

fn udp(listen: Listen) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen.address), Type::DGRAM, Some(Protocol::UDP))?;
    prepare(&socket, listen.address)?;
    // A smaller buffer than wished only loses datagrams earlier.
    socket.set_recv_buffer_size(UDP_BUFFER).ok();
    socket.set_send_buffer_size(UDP_BUFFER).ok();
    socket.bind(&listen.address.into())?;
    Ok(socket.into())
}

/// A listening TCP socket, not blocking.
pub(super) fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket, address)?;
    // Connections of the process before us may linger in TIME-WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        // One family per socket: an IPv4 peer must not appear as an IPv6 address.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)
}
