//! Short messages through an SMSC (SMPP 3.4 `submit_sm`): one text per notice.

mod link;
mod status;
mod text;
mod tls;

use super::counters::{Counters, Limit};
use super::{Notice, Notifier, NotifyError};
use crate::config;
use futures_util::future::{BoxFuture, FutureExt as _};
use link::Link;
use rusmpp::pdus::SubmitSm;
use rusmppc::Client;
use rusmppc::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use text::Composer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// When the window is full: about the time of a few responses.
const WINDOW_PAUSE: Duration = Duration::from_secs(1);

/// A connection with one SMSC, kept by a task of its own: bound, asked whether it is there, made again when it is lost.
pub struct Smpp {
    link: Link,
    composer: Arc<Composer>,
    window: Arc<Semaphore>,
    counters: Arc<dyn Counters>,
    /// For one exchange, writing the request included.
    patience: Duration,
}

/// Why the SMSC cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum SmppSetupError {
    #[error("no SMSC is named: set smpp.address to HOST:PORT")]
    Address,
    #[error("{key} is no value of SMPP 3.4: correct it in the configuration")]
    Value { key: &'static str },
    #[error("the file of certificate authorities {} cannot be used: {cause}; give a PEM file with certificates", path.display())]
    Roots { path: PathBuf, cause: rustls::pki_types::pem::Error },
    #[error("there is no certificate authority to believe: set smpp.ca-file, or install those of the system")]
    NoRoots,
    #[error("smpp.address names no host that TLS can check: give a host name")]
    ServerName,
    #[error("the TLS client cannot be made: {0}; this is a fault of the program, please report it")]
    Tls(#[from] rustls::Error),
}

impl Smpp {
    /// Begins to connect, in a task on the current tokio runtime; whether it succeeds shows in the log, in the counters
    /// and in what becomes of notices. Dropping this ends the connection.
    ///
    /// # Errors
    /// [`SmppSetupError`] if the configuration cannot be used.
    pub fn start(config: &config::Smpp, counters: Arc<dyn Counters>) -> Result<Self, SmppSetupError> {
        let composer = Arc::new(Composer::new(config)?);
        let link = Link::start(config, Arc::clone(&counters))?;
        let window = Arc::new(Semaphore::new(config.window_max.min(Semaphore::MAX_PERMITS)));
        let patience = Duration::from_secs(config.response_secs).saturating_mul(2);
        Ok(Self { link, composer, window, counters, patience })
    }

    /// Whether the SMSC takes submissions now.
    pub fn is_bound(&self) -> bool {
        self.link.client().is_some()
    }

    /// Unbinds, and waits until the connection is closed.
    pub async fn close(&self) {
        self.link.close().await;
    }
}

impl Notifier for Smpp {
    fn notify(&self, notice: Notice) -> BoxFuture<'static, Result<(), NotifyError>> {
        let prepared = self.prepare(&notice);
        let patience = self.patience;
        async move {
            let (client, turn, texts) = prepared?;
            for text in texts {
                submit(&client, text, patience).await?;
            }
            drop(turn);
            Ok(())
        }
        .boxed()
    }
}

impl Smpp {
    fn prepare(&self, notice: &Notice) -> Result<(Client, OwnedSemaphorePermit, Vec<SubmitSm>), NotifyError> {
        let texts = self.composer.compose(notice)?;
        let later = || NotifyError::Later { cause: "the SMSC is not connected".to_owned(), after: None };
        let client = self.link.client().ok_or_else(later)?;
        let turn = Arc::clone(&self.window).try_acquire_owned().map_err(|_| {
            self.counters.limit_hit(Limit::SmppWindow);
            NotifyError::Busy { limit: Limit::SmppWindow, after: WINDOW_PAUSE }
        })?;
        Ok((client, turn, texts))
    }
}

/// Submits one short message and waits for the response.
async fn submit(client: &Client, text: SubmitSm, patience: Duration) -> Result<(), NotifyError> {
    let later = |cause: String| NotifyError::Later { cause, after: None };
    match timeout(patience, client.submit_sm(text)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(Error::UnexpectedResponse { response })) => {
            let error = status::meaning(response.status().into());
            if status::is_unbound(response.status().into()) {
                // The SMSC has forgotten our bind: begin anew.
                let _closing = client.close().await;
            }
            Err(error)
        }
        Ok(Err(Error::ResponseTimeout { timeout, .. })) => {
            Err(later(format!("the SMSC gave no answer in {timeout:?}")))
        }
        Ok(Err(Error::ConnectionClosed)) => Err(later("the connection with the SMSC was lost".to_owned())),
        Ok(Err(Error::Encode(cause))) => Err(NotifyError::Refused { cause: cause.to_string() }),
        Ok(Err(other)) => Err(later(other.to_string())),
        Err(_) => Err(later(format!("the SMSC took no request in {patience:?}"))),
    }
}

impl std::fmt::Debug for Smpp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smpp").field("bound", &self.is_bound()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
