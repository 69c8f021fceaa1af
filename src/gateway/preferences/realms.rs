//! Each realm's own source of preferences: its XDMS, or the documents kept here.

use super::{
    Counters, Document, DocumentError, Documents, Kept, KeptDocuments, Precondition, PreferenceSource, Watcher,
    Written, XcapSource,
};
use crate::config::{self, Config};
use crate::formats::Profile;
use crate::gateway::http::{HttpClient, HttpSettings, HttpSetupError, Roots};
use crate::shelf::{Shelf, ShelfError};
use crate::types::{Address, Timestamp};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why preferences cannot be had from anywhere.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("preferences.ca-file: {0}")]
    Http(#[from] HttpSetupError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

/// All realms of a node.
#[derive(Clone)]
pub struct Realms {
    kept: KeptDocuments,
    /// By domain; `None` are those whose documents are kept here.
    by_domain: Arc<BTreeMap<String, Option<XcapSource>>>,
    /// Of users without a domain (`tel:`), or of one that is no realm.
    others: Option<XcapSource>,
}

/// Makes the sources that the configuration names; connects nowhere yet. May wait for the disk.
///
/// # Errors
/// [`SetupError`]
pub fn open(config: &Config, shelf: Arc<dyn Shelf>, counters: &Arc<dyn Counters>) -> Result<Realms, SetupError> {
    let section = &config.preferences;
    let mut servers = Servers { section, counters, known: BTreeMap::new() };
    let mut realms = BTreeMap::new();
    for (name, realm) in &config.realms {
        realms.insert(name.clone(), servers.source(section.root_of(realm))?);
    }
    let others = servers.source(section.xcap_root.as_deref())?;
    let kept = KeptDocuments::open(shelf, section, Arc::clone(counters))?;
    Ok(Realms { kept, by_domain: Arc::new(realms), others })
}

/// One client, cache and breaker for each XDMS, however many realms it serves.
struct Servers<'a> {
    section: &'a config::Preferences,
    counters: &'a Arc<dyn Counters>,
    known: BTreeMap<String, XcapSource>,
}

impl Servers<'_> {
    fn source(&mut self, root: Option<&str>) -> Result<Option<XcapSource>, HttpSetupError> {
        let Some(root) = root else { return Ok(None) };
        if let Some(known) = self.known.get(root) {
            return Ok(Some(known.clone()));
        }
        let http = HttpClient::new(&http_settings(self.section))?;
        let source = XcapSource::new(http, root, self.section, Arc::clone(self.counters));
        self.known.insert(root.to_owned(), source.clone());
        Ok(Some(source))
    }
}

fn http_settings(section: &config::Preferences) -> HttpSettings {
    HttpSettings {
        connect_max: Duration::from_millis(section.connect_ms_max),
        total_max: Duration::from_millis(section.request_ms_max),
        response_bytes_max: section.document_bytes_max,
        in_flight_max: section.requests_max,
        roots: section.ca_file.clone().map_or(Roots::System, Roots::File),
        identity: None,
    }
}

impl Realms {
    fn server(&self, user: &Address) -> Option<&XcapSource> {
        self.by_domain.get(user.host()).map_or(self.others.as_ref(), Option::as_ref)
    }

    fn source(&self, user: &Address) -> &dyn PreferenceSource {
        self.server(user).map_or(&self.kept, |server| server)
    }

    /// The documents kept here, if this user's are.
    fn kept_of(&self, user: &Address) -> Result<&KeptDocuments, DocumentError> {
        match self.by_domain.get(user.host()) {
            None => Err(DocumentError::NotServed),
            Some(Some(_)) => Err(DocumentError::Elsewhere),
            Some(None) => Ok(&self.kept),
        }
    }
}

impl PreferenceSource for Realms {
    fn cached(&self, user: &Address, now: Timestamp) -> Option<Profile> {
        self.source(user).cached(user, now)
    }

    fn read(&self, user: &Address, now: Timestamp) -> BoxFuture<'static, Profile> {
        self.source(user).read(user, now)
    }

    fn changed(&self, told: Watcher) {
        self.kept.changed(Arc::clone(&told));
        for server in self.by_domain.values().flatten().chain(&self.others) {
            server.changed(Arc::clone(&told));
        }
    }
}

impl Documents for Realms {
    fn octets_max(&self) -> usize {
        self.kept.octets_max()
    }

    fn get(&self, user: &Address, document: Document) -> Result<Option<Kept>, DocumentError> {
        self.kept_of(user)?.get(user, document)
    }

    fn put(
        &self,
        user: &Address,
        document: Document,
        body: Bytes,
        condition: &Precondition,
    ) -> Result<Written, DocumentError> {
        self.kept_of(user)?.put(user, document, body, condition)
    }

    fn delete(&self, user: &Address, document: Document, condition: &Precondition) -> Result<bool, DocumentError> {
        self.kept_of(user)?.delete(user, document, condition)
    }
}
