//! `restante serve`: one node until a signal ends it.

use super::node::{AppError, Node};
use crate::actor;
use crate::config::Config;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long the end waits for those who hold the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves until SIGTERM or SIGINT, then drains. `say` gets the lines an operator should see.
///
/// # Errors
/// [`AppError`] if the node cannot start.
pub fn serve(config: &Config, say: impl Fn(&str)) -> Result<(), AppError> {
    let closing = actor::run(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Signals)?;
        let node = Node::start(config)?;
        let closing = node.closing();
        announce(config, &node, &say);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        say("stopping: no new requests; open transactions end, then the last commit");
        node.stop().await;
        Ok::<_, AppError>(closing)
    })?;
    // Threads let go of it a moment later than this one ends them, and the last one would close it.
    if !closing.end(PATIENCE) {
        tracing::warn!("something still holds the data directory; all of it is on the disk");
    }
    say("stopped");
    Ok(())
}

/// What it listens on, and what to try next.
fn announce(config: &Config, node: &Node, say: &impl Fn(&str)) {
    let realms: Vec<&str> = config.realms.keys().map(String::as_str).collect();
    say(&format!("restante {} serves {}", env!("CARGO_PKG_VERSION"), realms.join(", ")));
    for listen in &node.listening {
        say(&format!("  SIP      {listen}"));
    }
    for listen in &node.msrp_listening {
        say(&format!("  MSRP     {listen}"));
    }
    let admin = format!("{}://{}", config.admin.scheme(), node.admin_address);
    say(&format!("  admin    {admin}/metrics  /healthz  /readyz"));
    say(&format!("  data     {}", config.journal.directory.display()));
    say("try next:");
    say("  restante demo                                   the whole story on loopback, in its own directory");
    if let Some(realm) = realms.first() {
        say(&format!("  restante audit timeline --user sip:bob@{realm}    what happened to bob's messages"));
    }
    say(&format!("  curl {admin}/metrics"));
}
