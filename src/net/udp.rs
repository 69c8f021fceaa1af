//! One UDP socket: datagrams in without waiting, datagrams out with a small patience.

use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::net::UdpSocket;

/// Datagrams kept while the kernel takes no more. Beyond it they are lost, as datagrams may be.
const WAITING_MAX: usize = 4096;

#[derive(Debug)]
pub(super) struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
    waiting: VecDeque<(SocketAddr, Bytes)>,
}

impl Udp {
    /// Must be called on the runtime.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let socket = UdpSocket::from_std(socket)?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local, waiting: VecDeque::new() })
    }

    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// The next datagram that is there.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
        // Any error but "nothing there" concerns an earlier datagram of ours; the next call goes on.
        self.socket.try_recv_from(buffer).ok()
    }

    /// Sends, or keeps for when the kernel has room.
    pub(super) fn send(&mut self, peer: SocketAddr, bytes: Bytes) -> io::Result<()> {
        if self.waiting.is_empty() {
            match self.socket.try_send_to(&bytes, peer) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.waiting.push_back((peer, bytes));
        Ok(())
    }

    /// Sends what waits, as far as it goes.
    pub(super) fn flush(&mut self) {
        while let Some((peer, bytes)) = self.waiting.front() {
            match self.socket.try_send_to(bytes, *peer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A datagram that cannot be sent is as good as lost on the way.
                Ok(_) | Err(_) => self.waiting.pop_front(),
            };
        }
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Ready when there is something to receive, or room for what waits.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.socket.poll_recv_ready(cx).is_ready() {
            return Poll::Ready(());
        }
        if self.waiting.is_empty() { Poll::Pending } else { self.socket.poll_send_ready(cx).map(|_| ()) }
    }
}
