//! `[policy]`: the components that decide, what they may use, and whose signature is believed.

use super::validate::Check;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

/// `[policy]`: the component that decides, and its limits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// A component file; without it the embedded standard policy.
    pub component: Option<PathBuf>,
    /// Longest component, octets.
    pub component_bytes_max: usize,
    /// A call that takes longer is ended, milliseconds.
    pub call_ms_max: u64,
    /// Each linear memory of one instance, octets; it may have two.
    pub memory_bytes_max: usize,
    /// WebAssembly stack, octets.
    pub stack_bytes_max: usize,
    /// Instances alive at once.
    pub instances_max: u32,
    /// An instance is thrown away after so many calls; 1 is a fresh one per question.
    pub calls_per_instance: u32,
    /// Longest settings of a binding, octets of JSON.
    pub settings_bytes_max: usize,
    /// Most components kept at once; an upload beyond it is refused until one is retired.
    pub catalogue_max: usize,
    /// Octets of all components kept, compiled code apart.
    pub catalogue_bytes_max: u64,
    /// Uploads examined at the same time, and a quarter of those on their way; beyond it 503 with Retry-After.
    pub uploads_max: usize,
    /// What compiling one component may take of a processor, seconds.
    pub compile_secs_max: u64,
    /// Most code that one component may be compiled to, octets.
    pub code_bytes_max: u64,
    /// What a start waits for policies that must be compiled, seconds; after it the standard rule stands in for them.
    pub start_secs_max: u64,
    /// Earlier bindings remembered for each decision of a realm: so many steps back.
    pub history_max: usize,
    /// What the policies of one realm may take to answer, milliseconds of all threads each second; beyond it the standard rule
    /// answers for that realm until the second is over.
    pub realm_ms_per_second: u64,
    /// A binding that fails so often …
    pub trip_failures: u32,
    /// … within so many seconds is tripped: the last good one takes its place.
    pub trip_window_secs: u64,
    /// Questions that may wait for shadow bindings; beyond it they are dropped and counted.
    pub shadow_backlog_max: usize,
    /// Differences between a shadow binding and the live one that are kept to be looked at.
    pub shadow_samples_max: usize,
    /// Whose signatures on components are believed.
    pub keys: Vec<PolicyKey>,
}

/// `[[policy.keys]]`: a public key that signs components. Several at once let keys be changed without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyKey {
    /// Its name, said with every signature and kept with what it signed.
    pub id: String,
    /// The Ed25519 public key (RFC 8032): 32 octets, Base64.
    pub ed25519: String,
    /// Believed from this moment on (RFC 3339); unset: always.
    pub not_before: Option<String>,
    /// Believed until this moment (RFC 3339); unset: for ever.
    pub not_after: Option<String>,
    /// The realms it signs for; unset: all.
    pub realms: Option<Vec<String>>,
}

/// Longest name of a key, octets.
const KEY_ID_BYTES_MAX: usize = 64;

impl PolicyKey {
    /// The key itself; `None` unless it is 32 octets in Base64.
    pub fn octets(&self) -> Option<[u8; 32]> {
        BASE64.decode(&self.ed25519).ok()?.try_into().ok()
    }

    /// A moment as the configuration has it (RFC 3339, in UTC); `None` if it is none.
    pub fn moment(text: &str) -> Option<SystemTime> {
        humantime::parse_rfc3339(text).ok()
    }

    /// What people and programs can write without quotes.
    fn has_good_name(&self) -> bool {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !self.id.is_empty() && self.id.len() <= KEY_ID_BYTES_MAX && self.id.bytes().all(good)
    }
}

/// Adds every problem of these values.
pub(super) fn validate(check: &mut Check<'_>, policy: &Policy, realms: &BTreeSet<&str>) {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    const DAY_SECS: u64 = 86_400;
    let named = policy.component.as_ref().is_none_or(|file| !file.as_os_str().is_empty());
    check.holds("policy.component", named, "no file is named", "name a component, or remove the key");
    check.range("policy.component-bytes-max", policy.component_bytes_max, KIB, 256 * MIB, "octets");
    check.range("policy.call-ms-max", policy.call_ms_max, 1, 10_000, "milliseconds");
    check.range("policy.memory-bytes-max", policy.memory_bytes_max, 64 * KIB, 4 * GIB, "octets");
    check.range("policy.stack-bytes-max", policy.stack_bytes_max, 64 * KIB, MIB, "octets");
    check.range("policy.instances-max", policy.instances_max, 1, 10_000, "instances");
    check.range("policy.calls-per-instance", policy.calls_per_instance, 1, 1_000_000_000, "calls");
    check.range("policy.settings-bytes-max", policy.settings_bytes_max, 2, MIB, "octets");
    check.range("policy.catalogue-max", policy.catalogue_max, 1, 10_000, "policies");
    check.range("policy.catalogue-bytes-max", policy.catalogue_bytes_max, MIB, 64 * GIB, "octets");
    check.range("policy.uploads-max", policy.uploads_max, 1, 64, "uploads");
    check.range("policy.compile-secs-max", policy.compile_secs_max, 1, 3600, "seconds");
    check.range("policy.code-bytes-max", policy.code_bytes_max, MIB, GIB, "octets");
    check.range("policy.start-secs-max", policy.start_secs_max, 0, 3600, "seconds");
    check.range("policy.history-max", policy.history_max, 1, 1000, "bindings");
    check.range("policy.realm-ms-per-second", policy.realm_ms_per_second, 1, 1_000_000, "milliseconds");
    check.range("policy.trip-failures", policy.trip_failures, 1, 100_000, "failures");
    check.range("policy.trip-window-secs", policy.trip_window_secs, 1, DAY_SECS, "seconds");
    check.range("policy.shadow-backlog-max", policy.shadow_backlog_max, 1, 1_000_000, "questions");
    check.range("policy.shadow-samples-max", policy.shadow_samples_max, 0, 1000, "samples");
    check.holds(
        "policy.catalogue-bytes-max",
        policy.catalogue_bytes_max >= policy.component_bytes_max as u64,
        "one component of the longest kind does not fit",
        "raise it to policy.component-bytes-max at least",
    );
    keys(check, &policy.keys, realms);
}

fn keys(check: &mut Check<'_>, keys: &[PolicyKey], realms: &BTreeSet<&str>) {
    check.no_twins("policy.keys", &keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>());
    for (index, key) in keys.iter().enumerate() {
        let at = |name: &str| format!("policy.keys[{index}].{name}");
        let name = "a name of 1 to 64 letters, digits, '-', '_' and '.'";
        check.text(&at("id"), &key.id, |_| key.has_good_name(), name);
        let wanted = "an Ed25519 public key: 32 octets in Base64";
        check.text(&at("ed25519"), &key.ed25519, |_| key.octets().is_some(), wanted);
        let wanted = "a moment in UTC, such as 2027-01-01T00:00:00Z";
        for (name, text) in [("not-before", &key.not_before), ("not-after", &key.not_after)] {
            if let Some(text) = text {
                check.text(&at(name), text, |text| PolicyKey::moment(text).is_some(), wanted);
            }
        }
        let moment = |text: &Option<String>| text.as_deref().and_then(PolicyKey::moment);
        let ends = moment(&key.not_before).zip(moment(&key.not_after)).is_none_or(|(from, until)| from < until);
        check.holds(&at("not-after"), ends, "the key expires before it is valid", "put it after not-before");
        let unknown = |realm: &&String| !realms.contains(realm.as_str());
        for realm in key.realms.iter().flatten().filter(unknown) {
            check.text(&at("realms"), realm, |_| false, "realms of this configuration");
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            component: None,
            component_bytes_max: 24 << 20,
            call_ms_max: 10,
            memory_bytes_max: 16 << 20,
            stack_bytes_max: 512 << 10,
            instances_max: 64,
            calls_per_instance: 10_000,
            settings_bytes_max: 64 << 10,
            catalogue_max: 64,
            catalogue_bytes_max: 256 << 20,
            uploads_max: 1,
            compile_secs_max: 180,
            code_bytes_max: 96 << 20,
            start_secs_max: 30,
            history_max: 16,
            realm_ms_per_second: 500,
            trip_failures: 20,
            trip_window_secs: 60,
            shadow_backlog_max: 1024,
            shadow_samples_max: 20,
            keys: Vec::new(),
        }
    }
}
