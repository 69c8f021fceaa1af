//! An XDMS of the tests' own: documents by path with entity tags, and every way to misbehave.

use super::counting::Tally;
use super::*;
use crate::gateway::http::fake::{Act, FakeServer, Seen, answer};
use crate::gateway::http::{HttpClient, HttpSettings, Roots};
use std::collections::HashMap;
use std::sync::Mutex;

/// Where the rules and the profile of [`user`] are.
pub(super) const RULES: &str =
    "/xcap-root/org.openmobilealliance.access-rules/users/sip%3A%2B12025550200%40ims.example.net/access-rules";
pub(super) const PROFILE: &str =
    "/xcap-root/org.openmobilealliance.upp-directory/users/sip%3A%2B12025550200%40ims.example.net/upp-directory";

/// How it is today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Answers(u16),
    Silent,
    HangsUp,
}

#[derive(Debug)]
struct Inside {
    mood: Mood,
    /// Tag and body by path.
    documents: HashMap<String, (String, Vec<u8>)>,
}

#[derive(Debug)]
pub(super) struct Xdms {
    pub server: FakeServer,
    inside: Arc<Mutex<Inside>>,
    seen: Mutex<usize>,
}

impl Xdms {
    pub(super) async fn start() -> Self {
        let inside = Arc::new(Mutex::new(Inside { mood: Mood::Well, documents: HashMap::new() }));
        let shared = Arc::clone(&inside);
        let server = FakeServer::start(move |request| shared.lock().unwrap().act(request)).await;
        Self { server, inside, seen: Mutex::default() }
    }

    pub(super) fn is(&self, mood: Mood) {
        self.inside.lock().unwrap().mood = mood;
    }

    pub(super) fn has(&self, path: &str, tag: &str, body: &str) {
        let document = (format!("\"{tag}\""), body.as_bytes().to_vec());
        self.inside.lock().unwrap().documents.insert(path.to_owned(), document);
    }

    pub(super) fn lacks(&self, path: &str) {
        self.inside.lock().unwrap().documents.remove(path);
    }

    /// The requests since the last look.
    pub(super) fn asked(&self) -> Vec<Seen> {
        let (all, mut seen) = (self.server.seen(), self.seen.lock().unwrap());
        let new = all[*seen..].to_vec();
        *seen = all.len();
        new
    }

    /// A source that asks it.
    pub(super) fn source(&self, section: &config::Preferences, tally: &Arc<Tally>) -> XcapSource {
        let settings = HttpSettings {
            connect_max: Duration::from_millis(section.connect_ms_max),
            total_max: Duration::from_millis(section.request_ms_max),
            response_bytes_max: section.document_bytes_max,
            in_flight_max: section.requests_max,
            roots: Roots::System,
            identity: None,
        };
        let http = HttpClient::new(&settings).unwrap();
        XcapSource::new(http, &self.server.url("/xcap-root/"), section, tally.clone())
    }
}

impl Inside {
    fn act(&self, request: &Seen) -> Act {
        match self.mood {
            Mood::Well => Act::Say(self.find(request)),
            Mood::Answers(status) => Act::Say(answer(status, &["WWW-Authenticate: Digest realm=\"x\""], b"trouble")),
            Mood::Silent => Act::Silence,
            Mood::HangsUp => Act::SayAndClose(Vec::new()),
        }
    }

    fn find(&self, request: &Seen) -> Vec<u8> {
        let path = request.what().strip_prefix("GET ").unwrap_or_default();
        match self.documents.get(path) {
            None => answer(404, &[], b""),
            Some((tag, _)) if request.header("if-none-match") == Some(tag) => {
                format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n").into_bytes()
            }
            Some((tag, body)) => answer(200, &[&format!("ETag: {tag}")], body),
        }
    }
}
