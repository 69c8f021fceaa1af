//! What the HTTP API and the command line show of policies: plain values with JSON names.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A policy in the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyView {
    /// SHA-256 of the component, hexadecimal: its name in every event, metric and report.
    pub digest: String,
    /// What whoever brought it for a realm of the caller calls it; else, whoever brought it first.
    pub name: Option<String>,
    /// The realms that it came for, as far as the caller may know; none: for all.
    pub realms: Option<Vec<String>>,
    /// `validated` (it may be bound), `retired`.
    pub state: String,
    /// Octets of the component.
    pub bytes: u64,
    /// The decisions that it exports.
    pub decides: Vec<String>,
    /// The JSON Schema of its settings; none if it has no settings.
    pub settings_schema: Option<Value>,
    /// RFC 3339; none for the standard policy, which is built in.
    pub uploaded_at: Option<String>,
    pub uploaded_by: Option<String>,
    pub reason: Option<String>,
    /// The keys whose signature on it was accepted.
    pub signed_by: Vec<String>,
    /// Where it is bound now, as far as the caller may know.
    pub bound: Vec<Binds>,
}

/// A place where a policy is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Binds {
    pub realm: String,
    pub decision: String,
    /// `active` or `shadow`.
    pub role: String,
}

/// What decides in a realm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct RealmView {
    pub realm: String,
    /// One for each decision, in the order of their names.
    pub decisions: Vec<DecisionView>,
}

/// What takes one decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DecisionView {
    pub decision: String,
    /// None: no component, the standard rule.
    pub active: Option<BoundView>,
    pub shadow: Option<ShadowView>,
    /// What decided before, the latest first: the steps of `rollback`.
    pub earlier: Vec<BoundView>,
}

/// A policy with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BoundView {
    /// Its digest.
    pub policy: String,
    pub name: Option<String>,
    pub settings: Value,
    /// RFC 3339; none for what the configuration binds.
    pub since: Option<String>,
    pub by: Option<String>,
    pub reason: Option<String>,
    /// What is wrong with it: it was tripped, or it could not be loaded.
    pub trouble: Option<String>,
}

/// A policy that is asked without effect, and how it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShadowView {
    #[serde(flatten)]
    pub bound: BoundView,
    /// Questions it was asked.
    pub asked: u64,
    /// … answered like the live one,
    pub same: u64,
    /// … answered otherwise,
    pub different: u64,
    /// … not answered: trap, deadline, nonsense.
    pub failed: u64,
    /// Questions it was not asked, because too many waited.
    pub dropped: u64,
    /// Some of the differences, the latest last (`policy.shadow-samples-max`).
    pub samples: Vec<Difference>,
}

/// Two verdicts on one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// RFC 3339.
    pub at: String,
    /// The message-URI-ID's random part.
    pub message: String,
    /// In words, as the timeline has them.
    pub active: String,
    pub shadow: String,
}

/// One entry of the operator stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EntryView {
    /// From 1, without gaps.
    pub seq: u64,
    /// RFC 3339.
    pub at: String,
    pub author: String,
    pub reason: String,
    /// The hash chain after this entry, hexadecimal.
    pub chain: String,
    /// What happened, each with its `event` and what belongs to it.
    pub events: Vec<Value>,
}
