//! `[preferences]`: where the users' preferences come from, and how long an answer is waited for and believed.

use super::Realm;
use serde::Deserialize;
use std::path::PathBuf;

/// `[preferences]`: documents kept here, or an XDMS over XCAP (spec chapter 3).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Preferences {
    /// The XCAP root of the XDMS (RFC 4825 section 6.1), `http:` or `https:`; without it, documents are kept here.
    pub xcap_root: Option<String>,
    /// The only certificate authorities believed, a PEM file; without it, those of the system.
    pub ca_file: Option<PathBuf>,
    /// Where the access rules are; an empty AUID: they are not asked for.
    pub rules_auid: String,
    pub rules_document: String,
    pub rules_media_type: String,
    /// Where the active user preference profile is; an empty AUID: it is not asked for.
    pub profile_auid: String,
    pub profile_document: String,
    pub profile_media_type: String,
    /// Documents are read again when they are wanted and older than this, seconds …
    pub max_age_secs: u64,
    /// … that there are none is believed for so long, seconds …
    pub absent_max_age_secs: u64,
    /// … and after a failure this passes before the next try, seconds.
    pub failure_max_age_secs: u64,
    /// Users whose profile is kept in memory.
    pub cache_users_max: usize,
    /// Octets of the documents of those.
    pub cache_bytes_max: usize,
    /// Longest document, octets.
    pub document_bytes_max: usize,
    /// A connection to the XDMS must be there within this time, milliseconds.
    pub connect_ms_max: u64,
    /// A document must be there within this time, milliseconds.
    pub request_ms_max: u64,
    /// Requests to one XDMS at once; the next waits.
    pub requests_max: usize,
    /// Users of one XDMS being read at once; beyond it what is known must do.
    pub reads_max: usize,
    /// Attempts for one document …
    pub attempts_max: u32,
    /// … and the pause between them, milliseconds.
    pub retry_pause_ms: u64,
    /// An XDMS that fails so often in a row is left alone …
    pub breaker_failures: u32,
    /// … for so long, seconds.
    pub breaker_pause_secs: u64,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            xcap_root: None,
            ca_file: None,
            rules_auid: "org.openmobilealliance.access-rules".to_owned(),
            rules_document: "access-rules".to_owned(),
            rules_media_type: "application/auth-policy+xml".to_owned(),
            profile_auid: "org.openmobilealliance.upp-directory".to_owned(),
            profile_document: "upp-directory".to_owned(),
            profile_media_type: "*/*".to_owned(),
            max_age_secs: 60,
            absent_max_age_secs: 60,
            failure_max_age_secs: 5,
            cache_users_max: 100_000,
            cache_bytes_max: 256 << 20,
            document_bytes_max: 64 << 10,
            connect_ms_max: 1000,
            request_ms_max: 2000,
            requests_max: 64,
            reads_max: 10_000,
            attempts_max: 2,
            retry_pause_ms: 200,
            breaker_failures: 5,
            breaker_pause_secs: 10,
        }
    }
}

impl Preferences {
    /// The XCAP root of a realm, without any if its documents are kept here.
    #[must_use]
    pub fn root_of<'a>(&'a self, realm: &'a Realm) -> Option<&'a str> {
        realm.xcap_root.as_deref().or(self.xcap_root.as_deref()).filter(|root| !root.is_empty())
    }
}
