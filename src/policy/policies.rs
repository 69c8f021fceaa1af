//! What an operator may do with policies, from upload to retirement: the port that the HTTP API and its tests use.

use super::check::Report;
use super::view::{Binds, EntryView, PolicyView, RealmView};
use crate::queue::question::{Hook, NAMES_OF_HOOKS};
use crate::shelf::ShelfError;
use crate::types::{Digest, Timestamp};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Who gives an order, as the operator stream tells: the name of a token or of a certificate in the configuration,
/// `local` (nobody is asked for a name on the loopback interface), or `restante` itself. No personal data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author(pub String);

/// The order and its author. The reason is the operator's own text for whoever reads the stream later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    pub author: Author,
    /// At most [`REASON_BYTES_MAX`] octets, none of which is hidden ([`is_hidden`]); may be empty.
    pub reason: String,
    pub order: T,
}

/// Some of the realms of a server: for whom somebody speaks, or what somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Realms {
    All,
    /// These, in lower case.
    Only(BTreeSet<String>),
}

impl Realms {
    /// One.
    #[must_use]
    pub fn one(realm: &str) -> Self {
        Self::Only(BTreeSet::from([realm.to_ascii_lowercase()]))
    }

    /// Whether this realm, in lower case, is one of them.
    #[must_use]
    pub fn contain(&self, realm: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(realms) => realms.contains(realm),
        }
    }
}

/// Whether a character says nothing and changes what is seen: control characters, and those that set the direction of the
/// text around them or cannot be seen (Unicode's `Bidi_Control`, line separators, fillers, tags).
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Longest reason of an order, octets.
pub const REASON_BYTES_MAX: usize = 512;
/// Longest name of a policy, octets: letters, digits, `-`, `_`, `.`.
pub const NAME_BYTES_MAX: usize = 64;

/// A component to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub component: Bytes,
    /// What people call it; need not be unique.
    pub name: Option<String>,
    pub signature: Option<Signature>,
    /// Whose it is: their operators see it and may let it go, and their need of a signature is checked. `None`: for all.
    pub realm: Option<String>,
}

/// An upload that is refused before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// That were announced, or had come.
    pub octets: u64,
    /// As of [`Upload`].
    pub realm: Option<String>,
}

/// A policy to let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retire {
    pub policy: Digest,
    /// What whoever says so may see …
    pub sees: Realms,
    /// … and decide for.
    pub operates: Realms,
}

/// A detached signature: Ed25519 (RFC 8032) over the octets of the component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Of `policy.keys`.
    pub key: String,
    /// 64 octets.
    pub octets: Vec<u8>,
}

/// A component to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    pub realm: String,
    pub policy: Digest,
    /// The decisions; `None`: all that it exports.
    pub decisions: Option<Vec<Hook>>,
    /// Settings, checked against its schema; `None` is `{}`.
    pub settings: Option<Value>,
}

/// Decisions of a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub realm: String,
    /// `None`: all.
    pub decisions: Option<Vec<Hook>>,
}

/// What came of an upload.
#[derive(Clone, Debug)]
pub struct Uploaded {
    pub digest: Digest,
    /// It was not there before, as far as the realm of the upload may know.
    pub new: bool,
    /// A signature came with it that it did not have before.
    pub signed: bool,
    /// What it is called in the realm of the upload: what came again keeps its name.
    pub name: Option<String>,
    pub report: Report,
}

/// What an operator may do with policies. Every call may compile, run guests and wait for the disk: it belongs on a
/// thread that may. What it returns `Ok` for is durable, and is in force for every question asked from then on.
pub trait Policies: Send + Sync {
    /// Examines a component and keeps it. The same component again is no error and changes nothing, unless it comes for
    /// another realm or with another signature.
    ///
    /// # Errors
    /// [`PoliciesError`]; a refusal for want of a good signature, of room, or of the component's own worth is recorded.
    fn upload(&self, upload: Signed<Upload>) -> Result<Uploaded, PoliciesError>;

    /// Writes down that an upload was refused before its component was read (as [`PoliciesError::TooLarge`], or for a
    /// signature of no form).
    fn turned_away(&self, _upload: Signed<Announced>, _error: &PoliciesError) {}

    /// The one policy that a text names among those that these realms may see: 64 hexadecimal digits, at least 8 first
    /// ones of them, a name that only one policy has, or `standard`.
    ///
    /// # Errors
    /// [`PoliciesError::NoSuchPolicy`] or [`PoliciesError::Ambiguous`].
    fn resolve(&self, text: &str, realms: &Realms) -> Result<Digest, PoliciesError>;

    /// Every policy that these realms may see (what was uploaded for them or for all, is bound there or could be gone back
    /// to there, is built in), the latest upload first; the standard policy is always there.
    fn list(&self, realms: &Realms) -> Vec<PolicyView>;

    /// One of them.
    ///
    /// # Errors
    /// [`PoliciesError::NoSuchPolicy`].
    fn show(&self, policy: Digest, realms: &Realms) -> Result<PolicyView, PoliciesError>;

    /// The component of one of them.
    ///
    /// # Errors
    /// [`PoliciesError::NoSuchPolicy`], [`PoliciesError::Retired`] or [`PoliciesError::Store`].
    fn component(&self, policy: Digest, realms: &Realms) -> Result<Bytes, PoliciesError>;

    /// What decides in a realm.
    ///
    /// # Errors
    /// [`PoliciesError::NoSuchRealm`].
    fn realm(&self, realm: &str) -> Result<RealmView, PoliciesError>;

    /// The names of all realms.
    fn realms(&self) -> Vec<String>;

    /// From now on the policy takes these decisions, all from the same question on. Ends a shadow of the same policy there.
    ///
    /// # Errors
    /// [`PoliciesError`]; nothing has changed then.
    fn activate(&self, bind: Signed<Bind>) -> Result<RealmView, PoliciesError>;

    /// From now on the policy is asked the same questions as the one that decides, without effect.
    ///
    /// # Errors
    /// As [`Policies::activate`].
    fn shadow(&self, bind: Signed<Bind>) -> Result<RealmView, PoliciesError>;

    /// Ends what [`Policies::shadow`] began.
    ///
    /// # Errors
    /// [`PoliciesError::NothingShadowed`] and others.
    fn end_shadow(&self, place: Signed<Place>) -> Result<RealmView, PoliciesError>;

    /// Puts back what decided before: one step for each of these decisions that has one.
    ///
    /// # Errors
    /// [`PoliciesError::NothingToRollBack`] and others.
    fn rollback(&self, place: Signed<Place>) -> Result<RealmView, PoliciesError>;

    /// The policy may not be bound any more, leaves every history, and its component goes. What it has decided stays
    /// recorded.
    ///
    /// # Errors
    /// [`PoliciesError::InUse`] while it decides or shadows somewhere; [`PoliciesError::OfOthers`] if it came for realms that
    /// whoever says so does not operate, or these could go back to it; the standard policy cannot be retired.
    fn retire(&self, policy: Signed<Retire>) -> Result<PolicyView, PoliciesError>;

    /// What operators did, and what the server had to do itself: of the `limit` entries after `after`, those that these
    /// realms may see.
    ///
    /// # Errors
    /// [`PoliciesError::Store`].
    fn events(&self, after: u64, limit: usize, realms: &Realms) -> Result<Entries, PoliciesError>;
}

/// A part of the operator stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    pub entries: Vec<EntryView>,
    /// The last entry that was looked at, shown or not.
    pub next: u64,
}

/// Which past a candidate is held against, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiffOrder {
    /// Asked at this moment or later …
    pub since: Option<Timestamp>,
    /// … and before this one.
    pub until: Option<Timestamp>,
    /// Only this one; `None`: all.
    pub realm: Option<String>,
    /// Settings of the candidate; `None` is `{}`.
    pub settings: Option<Value>,
    /// Differences of each kind that are shown one by one, at most [`EXAMPLES_MAX`].
    pub examples: usize,
}

/// Most differences of each kind that are shown one by one.
pub const EXAMPLES_MAX: usize = 20;

/// What a policy would have decided otherwise. A call asks it every question of that past: it takes minutes and belongs
/// on a thread that may wait. It has no effect.
pub trait Hindsight: Send + Sync {
    /// What `restante policy diff --json` prints.
    ///
    /// # Errors
    /// [`HindsightError`]
    fn diff(&self, policy: Digest, order: DiffOrder) -> Result<Value, HindsightError>;
}

/// Why the past cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum HindsightError {
    /// No such policy or realm, settings that it does not take, an engine that fails, a server that stops.
    #[error(transparent)]
    Policies(#[from] PoliciesError),
    #[error("no time is between {since} and {until}: give a since before until")]
    NoTime { since: Timestamp, until: Timestamp },
    #[error("another candidate is being held against the past, and there is one at a time: try again in some minutes")]
    Busy,
    #[error("the past cannot be read: {detail}")]
    Past { detail: String },
    #[error("no thread can be started to ask the past: {0}; raise the limit of threads (ulimit -u)")]
    Thread(std::io::Error),
    #[error("the thread that asks the past ended before its time: see the server's log, and report it")]
    Interrupted,
}

/// What somebody called a policy, a realm, a decision or a key.
pub type Name = String;

/// Why an order is not carried out. Every text says what, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesError {
    #[error("no policy is named '{0}': restante policy list shows all")]
    NoSuchPolicy(Name),
    #[error("'{0}' names {several}", several = several(.1))]
    Ambiguous(Name, Vec<Digest>),
    #[error(
        "the policy '{policy}' did not come for {realm}: name it by its whole digest, or upload it for this realm, too"
    )]
    NotForRealm { policy: Name, realm: Name },
    #[error("the policy {0} is retired: upload it again")]
    Retired(Digest),
    #[error("this server has no realm '{0}': give one of its configuration")]
    NoSuchRealm(Name),
    #[error("the component has {octets} octets, more than policy.component-bytes-max ({limit}): build it smaller")]
    TooLarge { octets: u64, limit: u64 },
    #[error("the component is not acceptable: see the findings")]
    Unacceptable(Box<Report>),
    #[error(
        "realm '{realm}' takes signed components only: sign it with one of its keys (policy.keys) and upload it again"
    )]
    Unsigned { realm: String },
    #[error("the signature is not accepted: {0}")]
    Signature(#[from] SignatureError),
    #[error("the settings are not accepted:{}", problems(.0))]
    Settings(Vec<SettingsProblem>),
    #[error("the policy does not decide {}: it can be bound to {}", names(.asked), names(.decides))]
    NotDecided { asked: Vec<Hook>, decides: Vec<Hook> },
    #[error("no such decision as '{0}': the decisions are {NAMES_OF_HOOKS}")]
    NoSuchDecision(Name),
    #[error("the {what} is not accepted: {why}")]
    Text { what: &'static str, why: &'static str },
    #[error("the policy is in use: {}; activate another one there, or end the shadow, and try again", places(.bound, *.elsewhere))]
    InUse {
        /// Where, as far as it may be told.
        bound: Vec<Binds>,
        /// And in realms that may not be told.
        elsewhere: bool,
    },
    #[error(
        "the policy is not only yours: it came for other realms, too, or these could go back to it; an operator of all \
         of them is needed (operator:*)"
    )]
    OfOthers,
    #[error("the policy is built in, or named by policy.component, and cannot be retired")]
    BuiltIn,
    #[error("there is no room: {what} ({limit}) is reached; retire policies that nobody needs")]
    Full { what: &'static str, limit: u64 },
    #[error("{0} uploads are being examined already (policy.uploads-max): try again in a moment")]
    Busy(usize),
    #[error(transparent)]
    Reception(#[from] ReceptionError),
    #[error("nothing decided before in {realm}: there is nothing to go back to")]
    NothingToRollBack { realm: String },
    #[error("no policy is in the shadow in {realm}")]
    NothingShadowed { realm: String },
    #[error(transparent)]
    Store(#[from] ShelfError),
    #[error("what is kept of {what} is damaged: {why}; restore the data directory from a backup")]
    Damaged { what: String, why: &'static str },
    #[error("{detail}")]
    Newer { detail: String },
    #[error("the policy engine failed: {detail}")]
    Engine { detail: String },
    /// For want of time, memory or a process.
    #[error("it cannot be done now: {detail}")]
    NotNow { detail: String },
    #[error("the server is stopping: try again when it is back")]
    Stopping,
}

/// Why a component did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceptionError {
    #[error("a component is sent as application/wasm: say so with Content-Type")]
    MediaType,
    #[error("{0} uploads are being received or examined already (policy.uploads-max): try again in a moment")]
    Full(usize),
    #[error("another upload by the same name is being received: wait until it has come")]
    Another,
    /// More than this pause, or than this time for the whole.
    #[error("the component came too slowly: it must go on within {0:?}, and be there within {1:?}")]
    TooSlow(Duration, Duration),
    #[error("the component ended before it was whole: send it again")]
    Broken,
}

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("no key is named '{0}': use one of policy.keys")]
    NoSuchKey(Name),
    #[error("the key '{0}' is not for this realm")]
    OtherRealm(Name),
    #[error("the key '{0}' is not valid yet")]
    NotYet(Name),
    #[error("the key '{0}' has expired: sign with a later one")]
    Expired(Name),
    #[error("it is no Ed25519 signature of this component by the key '{0}'")]
    Wrong(Name),
    #[error("a signature is KEY-ID:BASE64, and 64 octets long")]
    Form,
}

/// One thing that is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SettingsProblem {
    /// Where in the settings (a JSON pointer, RFC 6901); empty: the whole.
    pub at: String,
    pub what: String,
}

fn problems(problems: &[SettingsProblem]) -> String {
    use std::fmt::Write as _;
    problems.iter().fold(String::new(), |mut text, SettingsProblem { at, what }| {
        let between = if at.is_empty() { "" } else { ": " };
        // Writing to a String cannot fail.
        let _ = write!(text, " {at}{between}{what};");
        text
    })
}

/// Policies that one answer names; of more than that, the number says enough.
const NAMED_MAX: usize = 10;

/// So many of their digits that they can be given as they stand.
fn several(policies: &[Digest]) -> String {
    let first = |policy: &Digest| policy.to_string().chars().take(16).collect::<String>();
    let named = policies.iter().take(NAMED_MAX).map(first).collect::<Vec<_>>().join(", ");
    let more = if policies.len() > NAMED_MAX { ", …" } else { "" };
    format!("{} policies: give the digest of the one that is meant, or its first digits: {named}{more}", policies.len())
}

fn names(hooks: &[Hook]) -> String {
    if hooks.is_empty() {
        return "nothing".to_owned();
    }
    hooks.iter().map(|hook| hook.name()).collect::<Vec<_>>().join(", ")
}

fn places(places: &[Binds], elsewhere: bool) -> String {
    let told = places.iter().map(|place| format!("{} of {} ({})", place.decision, place.realm, place.role));
    told.chain(elsewhere.then(|| "realms of other operators".to_owned())).collect::<Vec<_>>().join(", ")
}
