//! Preferences from a server that behaves as it likes, and from documents kept here.

mod counting;
mod keeping;
mod reading;
mod trouble;
mod xdms;

use super::*;
use crate::config;

/// The document of WX-16.
const PUSH: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy"
            xmlns:x="urn:oma:xml:xdm:extensions"
            xmlns:x21="urn:oma:xml:xdm:2.1extensions">
 <cr:rule id="deferred-push">
  <cr:conditions>
   <x:service-list><x:service enabler="CPM"/></x:service-list>
   <x:media-list><x21:deferred-messages/></x:media-list>
  </cr:conditions>
  <cr:actions><x21:allow-push/></cr:actions>
 </cr:rule>
</cr:ruleset>"#;

/// A profile that does not want to be disturbed.
const QUIET: &str = "<profile><do-not-disturb>true</do-not-disturb></profile>";

/// The user of WX-17.
fn user() -> Address {
    Address::parse("sip:+12025550200@ims.example.net").unwrap()
}

/// A moment, seconds after the beginning.
fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

/// The rule for a message at the first moment.
fn manage_or_push(profile: &Profile) -> Option<bool> {
    profile.evaluate(Some("sip:alice@ims.example.net"), at(0)).allow_push
}

fn quiet(profile: &Profile) -> bool {
    profile.evaluate(None, at(0)).do_not_disturb
}

/// The same with the rule that has no `allow-push`.
fn manage() -> String {
    PUSH.replace("<x21:allow-push/>", "")
}

/// Quick to fail, so that tests are quick.
fn section() -> config::Preferences {
    config::Preferences { retry_pause_ms: 1, request_ms_max: 20_000, ..config::Preferences::default() }
}
