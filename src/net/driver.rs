//! The main loop of the sip thread: everything that has arrived, then everything that is due, then sleep.

use super::bind::Sockets;
use super::calls::{Calling, Invite, Waiter};
use super::clock::{self, Clock};
use super::event::{self, EVENTS_MAX, Event};
use super::flow::{Flow, Key, Owner};
use super::inbox::{Command, Inbox};
use super::outgoing::{NoTcp, Pending, Purpose};
use super::own::Own;
use super::resolve::Resolver;
use super::tcp::{Connections, TcpLimits};
use super::udp::Udp;
use super::{Counters, Handler, NetError};
use crate::config::{self, Listen, Transport};
use crate::sip::Limits;
use crate::sip::dialog::{DialogKey, Dialogs};
use crate::sip::transaction::{Clients, InviteClients, InviteServerInput, InviteServers, ServerInput, Servers};
use crate::types::{SeedSecret, Timestamp};
use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

/// Datagrams taken from one socket, and events from the tasks, before the others get their turn.
const BATCH: usize = 64;
/// The longest UDP payload.
const DATAGRAM_MAX: usize = 65_535;
/// With nothing to wait for, the loop looks around this often.
const FAR: Duration = Duration::from_hours(1);

/// What the loop needs from the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) udp_request_bytes_max: usize,
    pub(super) retry_after_secs: u32,
    pub(super) dialogs_max: usize,
}

/// What a driver is made of, before it is on its thread.
pub(super) struct Parts {
    pub(super) config: config::Sip,
    pub(super) secret: SeedSecret,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) counters: Arc<dyn Counters>,
    pub(super) inbox: Arc<Inbox>,
}

/// Everything the sip thread owns.
pub(super) struct Driver {
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) counters: Arc<dyn Counters>,
    inbox: Arc<Inbox>,
    clock: Clock,
    pub(super) own: Own,
    pub(super) secret: SeedSecret,
    pub(super) listening: Vec<Listen>,
    pub(super) udp: Vec<Udp>,
    pub(super) tcp: Connections,
    pub(super) names: Resolver,
    pub(super) no_tcp: NoTcp,
    events: mpsc::Receiver<Event>,
    /// Taken from `events` while going to sleep.
    first_event: Option<Event>,
    pub(super) servers: Servers<Flow>,
    pub(super) clients: Clients<Flow, Waiter>,
    pub(super) invites: InviteServers<Flow>,
    pub(super) calls: InviteClients<Flow, Invite>,
    pub(super) dialogs: Dialogs<Flow>,
    /// Calls of ours without a final answer, by what they are to become.
    pub(super) calling: HashMap<DialogKey, Calling>,
    /// Requests of ours that have no client transaction yet.
    pub(super) waiting: usize,
    /// Client transactions held, waiting ones included, when places were last given back.
    held: usize,
    /// Client transactions of our own begun in the present turn: nobody reserved a place for them.
    occupied: usize,
    told: (usize, usize, usize, usize),
    /// When the present turn of the loop began, by the machine's clock.
    pub(super) wall: Timestamp,
    pub(super) accepting: bool,
    drain: Option<(Timestamp, oneshot::Sender<()>)>,
    buffer: Vec<u8>,
}

/// Starts the thread and waits until it serves.
pub(super) fn spawn(sockets: Sockets, parts: Parts) -> Result<(), NetError> {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = move || {
        let closes = CloseAtEnd(Arc::clone(&parts.inbox));
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            // The starter waits; it cannot have gone.
            Err(error) => return drop(tell.send(Err(error))),
        };
        let driver = {
            let _on_runtime = runtime.enter();
            Driver::new(sockets, parts)
        };
        let driver = match driver {
            Ok(driver) => driver,
            Err(error) => return drop(tell.send(Err(error))),
        };
        tell.send(Ok(())).ok();
        let done = runtime.block_on(driver.run());
        // Closes every connection; does not wait for a name server.
        runtime.shutdown_background();
        // Before anybody is told: what comes then finds it closed.
        drop(closes);
        if let Some(done) = done {
            // Whoever asked may have lost interest.
            done.send(()).ok();
        }
    };
    std::thread::Builder::new().name("sip".to_owned()).spawn(thread).map_err(NetError::Thread)?;
    match told.recv() {
        Ok(started) => started.map_err(NetError::Thread),
        Err(_) => Err(NetError::Thread(io::ErrorKind::Other.into())),
    }
}

/// Nobody may wait for a thread that has ended, however it ended.
struct CloseAtEnd(Arc<Inbox>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Driver {
    /// Must be called on the runtime.
    fn new(sockets: Sockets, parts: Parts) -> io::Result<Self> {
        let Parts { config, secret, handler, counters, inbox } = parts;
        let limits = Limits {
            header_bytes: config.header_bytes_max,
            header_lines: config.header_lines_max,
            body_bytes: config.body_bytes_max,
        };
        let tcp = TcpLimits {
            connections: config.connections_max,
            backlog: config.connection_backlog_max,
            idle: Duration::from_secs(config.connection_idle_secs),
            message: limits,
        };
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        for listener in sockets.tcp {
            tokio::spawn(event::accept(TcpListener::from_std(listener)?, tell.clone()));
        }
        Ok(Self {
            settings: Settings {
                udp_request_bytes_max: config.udp_request_bytes_max,
                retry_after_secs: config.retry_after_secs,
                dialogs_max: config.dialogs_max,
            },
            limits,
            handler,
            counters,
            inbox,
            clock: Clock::start(),
            own: Own::new(config.host, secret),
            secret,
            listening: sockets.bound,
            udp: sockets.udp.into_iter().map(Udp::new).collect::<io::Result<_>>()?,
            tcp: Connections::new(tcp, tell.clone()),
            names: Resolver::new(tell),
            no_tcp: NoTcp::default(),
            events,
            first_event: None,
            servers: Servers::new(config.server_transactions_max),
            // BYE, CANCEL and refreshes have room of their own.
            clients: Clients::new(config.client_transactions_max.saturating_add(config.dialogs_max)),
            invites: InviteServers::new(config.server_transactions_max),
            // A call that has ended waits for stragglers in its transaction; a dialog may be refreshed meanwhile.
            calls: InviteClients::new(config.dialogs_max.saturating_mul(4)),
            dialogs: Dialogs::new(config.release, config.session_secs),
            calling: HashMap::new(),
            waiting: 0,
            held: 0,
            occupied: 0,
            told: (0, 0, 0, 0),
            wall: clock::wall(),
            accepting: true,
            drain: None,
            buffer: vec![0; DATAGRAM_MAX],
        })
    }

    /// Serves until drained; gives back who is to be told.
    async fn run(mut self) -> Option<oneshot::Sender<()>> {
        let mut timer = pin!(tokio::time::sleep(FAR));
        let mut commands = Vec::new();
        loop {
            let now = self.clock.now();
            self.wall = clock::wall();
            let full = self.receive_datagrams(now) | self.receive_events(now);
            self.inbox.take(&mut commands);
            let taken = commands.iter().filter(|command| matches!(command, Command::Request { .. })).count();
            for command in commands.drain(..) {
                self.command(command, now);
            }
            self.servers.handle_timeout(now);
            self.clients.handle_timeout(now);
            self.invites.handle_timeout(now);
            self.calls.handle_timeout(now);
            self.dialogs.handle_timeout(now);
            self.flush(now);
            self.publish(taken);
            if self.is_finished(now) {
                return self.drain.map(|(_, done)| done);
            }
            if full {
                // More is there; the connection tasks get their turn first.
                tokio::task::yield_now().await;
            } else {
                self.sleep(timer.as_mut()).await;
            }
        }
    }

    /// `true` if there may be more.
    fn receive_datagrams(&mut self, now: Timestamp) -> bool {
        let mut full = false;
        let mut buffer = std::mem::take(&mut self.buffer);
        for socket in 0..self.udp.len() {
            full |= !(0..BATCH).any(|_| match self.udp.get(socket).and_then(|udp| udp.receive(&mut buffer)) {
                Some((length, peer)) => {
                    self.datagram(socket, peer, buffer.get(..length).unwrap_or_default(), now);
                    false
                }
                None => true,
            });
        }
        self.buffer = buffer;
        full
    }

    /// `true` if there may be more.
    fn receive_events(&mut self, now: Timestamp) -> bool {
        if let Some(event) = self.first_event.take() {
            self.event(event, now);
        }
        for _ in 0..BATCH {
            match self.events.try_recv() {
                Ok(event) => self.event(event, now),
                Err(_) => return false,
            }
        }
        true
    }

    fn command(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Respond { key: Key::Transaction(key), status, bytes } => {
                self.servers.handle_input(ServerInput::Answer { key, status, bytes }, now);
            }
            Command::Respond { key: Key::Invite(key), status, bytes } => {
                self.invites.handle_input(InviteServerInput::Answer { key, status, bytes }, now);
            }
            Command::Accept { key, dialog, response, bytes } => self.accept(key, dialog, &response, bytes, now),
            Command::Invite { dialog, out, reply } => self.call(dialog, *out, reply, now),
            Command::HangUp { dialog } => self.hang_up(dialog, now),
            Command::Respond { key: Key::Stateless(to), status, bytes } => {
                self.counters.response_sent(&crate::sip::Method::Invite, status);
                self.transmit(to, bytes, None, now);
            }
            Command::Request { out, reply } => {
                self.waiting += 1;
                let out = *out;
                let purpose = Purpose::Transaction(Waiter::Caller(reply));
                self.route(Pending::new(out.request, out.branch, out.target, purpose), now);
            }
            Command::Forward { key, request, target } => {
                match key {
                    Key::Transaction(key) => self.servers.handle_input(ServerInput::Forget { key }, now),
                    Key::Invite(key) => self.invites.handle_input(InviteServerInput::Forget { key }, now),
                    Key::Stateless(_) => {}
                }
                let branch = self.own.forward_branch(&request);
                self.route(Pending::new(*request, branch, target, Purpose::Forward), now);
            }
            Command::StopAccepting => self.accepting = false,
            Command::Drain { within, done } => {
                self.accepting = false;
                self.drain.get_or_insert((now.after(within), done));
                self.hang_up_all(now);
            }
        }
    }

    /// Tells and sends what the machines have to tell and to send, until they have no more.
    fn flush(&mut self, now: Timestamp) {
        loop {
            self.server_events(None, now);
            self.client_events(now);
            self.invite_server_events(None, now);
            self.invite_client_events(now);
            self.dialog_events(now);
            let mut idle = true;
            while let Some(transmit) = self.servers.poll_transmit() {
                idle = false;
                self.transmit(transmit.to, transmit.bytes, None, now);
            }
            while let Some(transmit) = self.clients.poll_transmit() {
                idle = false;
                self.transmit(transmit.to, transmit.bytes, Some(Owner::Request(transmit.by)), now);
            }
            while let Some(transmit) = self.invites.poll_transmit() {
                idle = false;
                self.transmit(transmit.to, transmit.bytes, None, now);
            }
            while let Some(transmit) = self.calls.poll_transmit() {
                idle = false;
                self.transmit(transmit.to, transmit.bytes, Some(Owner::Invite(transmit.by)), now);
            }
            if idle {
                break;
            }
        }
        self.udp.iter_mut().for_each(Udp::flush);
    }

    /// Gives back the places of client transactions that have ended (`taken` came new in this turn), and sets the gauges.
    fn publish(&mut self, taken: usize) {
        let held = self.clients.len() + self.waiting;
        let taken = taken + std::mem::take(&mut self.occupied);
        self.inbox.release((self.held + taken).saturating_sub(held));
        self.held = held;
        let servers = self.servers.len() + self.invites.len();
        let told = (servers, held + self.calls.len(), self.tcp.len(), self.dialogs.len());
        if (told.0, told.1) != (self.told.0, self.told.1) {
            self.counters.transactions(told.0, told.1);
        }
        if told.2 != self.told.2 {
            self.counters.connections(told.2);
        }
        if told.3 != self.told.3 {
            self.counters.dialogs(told.3);
        }
        self.told = told;
    }

    fn is_finished(&self, now: Timestamp) -> bool {
        let Some((deadline, _)) = &self.drain else { return false };
        let is_idle = self.servers.unanswered() == 0 && self.clients.open() == 0 && self.waiting == 0;
        let no_calls = self.invites.unanswered() == 0 && self.calls.open() == 0;
        let is_idle = is_idle && no_calls && self.dialogs.is_empty() && self.calling.is_empty();
        now >= *deadline || is_idle && self.tcp.is_flushed() && self.udp.iter().all(Udp::is_flushed)
    }

    /// Until something arrives or is due.
    async fn sleep(&mut self, mut timer: Pin<&mut Sleep>) {
        if self.inbox.fall_asleep() {
            let wake = tokio::time::Instant::from_std(self.next_wake());
            if timer.deadline() != wake {
                timer.as_mut().reset(wake);
            }
            let (udp, events, first) = (&self.udp, &mut self.events, &mut self.first_event);
            let mut woken = pin!(self.inbox.woken());
            poll_fn(|cx| {
                // No short-circuit: everything must know whom to wake.
                let mut ready = udp.iter().fold(false, |ready, udp| udp.poll_ready(cx).is_ready() | ready);
                ready |= woken.as_mut().poll(cx).is_ready();
                ready |= timer.as_mut().poll(cx).is_ready();
                if let Poll::Ready(event) = events.poll_recv(cx) {
                    *first = event;
                    ready = true;
                }
                if ready { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        self.inbox.wake_up();
    }

    fn next_wake(&self) -> Instant {
        // While draining, connections empty without telling: look often.
        let drain =
            self.drain.as_ref().map(|(deadline, _)| self.clock.now().after(Duration::from_millis(20)).min(*deadline));
        let calls = [self.invites.poll_timeout(), self.calls.poll_timeout(), self.dialogs.poll_timeout()];
        let timeouts = [self.servers.poll_timeout(), self.clients.poll_timeout(), drain];
        let next = timeouts.into_iter().chain(calls).flatten().min();
        next.map_or_else(|| Instant::now() + FAR, |at| self.clock.instant(at))
    }

    /// Takes a place for a client transaction of our own.
    pub(super) fn occupy(&mut self) {
        self.inbox.occupy();
        self.occupied += 1;
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// The transport of a way back.
    pub(super) const fn transport_of(flow: Flow) -> Transport {
        match flow {
            Flow::Udp { .. } => Transport::Udp,
            Flow::Tcp { .. } => Transport::Tcp,
        }
    }
}
