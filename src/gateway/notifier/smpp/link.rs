//! The connection with the SMSC: made, bound, watched, and made again after a pause that doubles.

use super::SmppSetupError;
use super::tls::{Security, Stream};
use crate::config::{self, SmppBind};
use crate::gateway::notifier::counters::Counters;
use futures_util::StreamExt as _;
use rusmpp::pdus::{BindTransceiver, BindTransmitter, DeliverSmResp};
use rusmpp::types::COctetString;
use rusmpp::values::InterfaceVersion;
use rusmpp::{Command, CommandId};
use rusmppc::error::Error;
use rusmppc::{Client, ConnectionBuilder, Event};
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest PDU that an SMSC may send us, octets.
const PDU_BYTES_MAX: usize = 4096;

/// The task that keeps the connection.
pub(super) struct Link {
    bound: watch::Receiver<Option<Client>>,
    /// Dropping it ends the task, too.
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Who we are to the SMSC, ready to be sent.
struct Credentials {
    bind: SmppBind,
    system_id: COctetString<1, 16>,
    password: COctetString<1, 9>,
    system_type: COctetString<1, 13>,
}

struct Keeper {
    address: String,
    security: Option<Security>,
    credentials: Credentials,
    response: Duration,
    enquire: Duration,
    pause_min: Duration,
    pause_max: Duration,
    bound: watch::Sender<Option<Client>>,
    stop: watch::Receiver<bool>,
    counters: Arc<dyn Counters>,
}

/// Why a connection ended or was not made.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("it cannot be reached: {0}")]
    Connect(std::io::Error),
    #[error("TLS failed: {0}")]
    Tls(std::io::Error),
    #[error("it was not connected and bound within {0:?}")]
    Slow(Duration),
    #[error("it refused the bind with status 0x{0:08x}: see smpp.system-id and smpp.password")]
    Refused(u32),
    #[error("{0}")]
    Smpp(Error),
    #[error("it ended the connection")]
    Ended,
}

impl Link {
    /// Starts the task.
    ///
    /// # Errors
    /// [`SmppSetupError`] if the configuration cannot be used.
    pub(super) fn start(config: &config::Smpp, counters: Arc<dyn Counters>) -> Result<Self, SmppSetupError> {
        let address = config.address.clone().ok_or(SmppSetupError::Address)?;
        let security = Security::new(config, &address)?;
        let (bound, is_bound) = watch::channel(None);
        let (stop, is_stopped) = watch::channel(false);
        let keeper = Keeper {
            address,
            security,
            credentials: Credentials::new(config)?,
            response: Duration::from_secs(config.response_secs),
            enquire: Duration::from_secs(config.enquire_link_secs),
            pause_min: Duration::from_millis(config.reconnect_min_ms),
            pause_max: Duration::from_millis(config.reconnect_max_ms),
            bound,
            stop: is_stopped,
            counters,
        };
        let task = Mutex::new(Some(tokio::spawn(keeper.run())));
        Ok(Self { bound: is_bound, stop, task })
    }

    /// The bound connection, if there is one.
    pub(super) fn client(&self) -> Option<Client> {
        self.bound.borrow().clone()
    }

    /// To wait for changes.
    #[cfg(test)]
    pub(super) fn watch(&self) -> watch::Receiver<Option<Client>> {
        self.bound.clone()
    }

    /// Unbinds, and waits until that is done.
    pub(super) async fn close(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the connection with the SMSC was not closed in order");
        }
    }
}

impl Credentials {
    fn new(config: &config::Smpp) -> Result<Self, SmppSetupError> {
        let bad = |key| SmppSetupError::Value { key };
        Ok(Self {
            bind: config.bind,
            system_id: COctetString::from_str(&config.system_id).map_err(|_| bad("smpp.system-id"))?,
            password: COctetString::from_str(&config.password.0).map_err(|_| bad("smpp.password"))?,
            system_type: COctetString::from_str(&config.system_type).map_err(|_| bad("smpp.system-type"))?,
        })
    }

    async fn bind(&self, client: &Client) -> Result<(), Error> {
        let (id, password, kind) = (self.system_id.clone(), self.password.clone(), self.system_type.clone());
        match self.bind {
            SmppBind::Transceiver => {
                let bind = BindTransceiver::builder().system_id(id).password(password).system_type(kind);
                client.bind_transceiver(bind.interface_version(InterfaceVersion::Smpp3_4).build()).await.map(drop)
            }
            SmppBind::Transmitter => {
                let bind = BindTransmitter::builder().system_id(id).password(password).system_type(kind);
                client.bind_transmitter(bind.interface_version(InterfaceVersion::Smpp3_4).build()).await.map(drop)
            }
        }
    }
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = self.pause_min;
        loop {
            let (was_bound, lost) = self.session().await;
            self.bound.send_replace(None);
            self.counters.smsc_bound(false);
            let Some(lost) = lost else { return };
            if was_bound {
                pause = self.pause_min;
            }
            tracing::warn!(error = %lost, again_in = ?pause, "no connection with the SMSC: notifications wait");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopped(&mut self.stop) => return,
            }
            pause = pause.saturating_mul(2).min(self.pause_max);
        }
    }

    /// One connection from beginning to end: whether it was bound, and why it ended (`None`: because we stop).
    async fn session(&mut self) -> (bool, Option<Lost>) {
        let mut stop = self.stop.clone();
        let opened = tokio::select! {
            opened = timeout(self.response, self.open()) => opened.map_err(|_| Lost::Slow(self.response)),
            () = stopped(&mut stop) => return (false, None),
        };
        let (client, mut events) = match opened.flatten() {
            Ok(opened) => opened,
            Err(lost) => return (false, Some(lost)),
        };
        tracing::info!("bound to the SMSC");
        self.bound.send_replace(Some(client.clone()));
        self.counters.smsc_bound(true);
        let mut cause = Lost::Ended;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    None => return (true, Some(cause)),
                    Some(Event::Incoming(command)) => answer(&client, &command).await,
                    Some(Event::Error(error)) => cause = Lost::Smpp(error),
                },
                () = stopped(&mut stop) => {
                    self.bound.send_replace(None);
                    // The SMSC's answer is a courtesy.
                    let _answer = timeout(self.response, client.unbind()).await;
                    let _closed = timeout(self.response, client.close_and_wait()).await;
                    return (true, None);
                }
            }
        }
    }

    async fn open(&self) -> Result<(Client, impl futures_util::Stream<Item = Event> + Unpin + use<>), Lost> {
        let stream = TcpStream::connect(&self.address).await.map_err(Lost::Connect)?;
        stream.set_nodelay(true).map_err(Lost::Connect)?;
        let stream: Box<dyn Stream> = match &self.security {
            None => Box::new(stream),
            Some(security) => security.clone().secure(stream).await.map_err(Lost::Tls)?,
        };
        // The library speaks version 5, which is version 3.4 with additions that we do not use.
        let (client, events) = ConnectionBuilder::new()
            .max_command_length(PDU_BYTES_MAX)
            .enquire_link_interval(self.enquire)
            .enquire_link_response_timeout(self.response)
            .response_timeout(self.response)
            .disable_interface_version_check()
            .connected(stream);
        match self.credentials.bind(&client).await {
            Ok(()) => Ok((client, events)),
            Err(error) => {
                let _closing = client.close().await;
                Err(match error {
                    Error::UnexpectedResponse { response } => Lost::Refused(response.status().into()),
                    other => Lost::Smpp(other),
                })
            }
        }
    }
}

/// What the SMSC asks of us: receipts that we did not order are taken, an unbind is granted.
async fn answer(client: &Client, command: &Command) {
    let number = command.sequence_number();
    let answered = match command.id() {
        CommandId::DeliverSm => client.deliver_sm_resp(number, DeliverSmResp::default()).await,
        CommandId::Unbind => {
            let answered = client.unbind_resp(number).await;
            let _closing = client.close().await;
            answered
        }
        // Answers that came too late, alerts: nothing to do.
        _ => Ok(()),
    };
    if let Err(error) = answered {
        tracing::debug!(%error, "the SMSC could not be answered");
    }
}

/// Resolves when we are to stop, or nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stop| *stop).await;
}
