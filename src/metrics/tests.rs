//! What a scrape looks like, and what can never be in it.

use super::*;
use std::collections::BTreeSet;

const REALM: &str = "ims.example.net";
const POLICY: PolicyName = PolicyName::of(&[0xab; 32]);

/// The metrics, and what must be held so that they have series of a realm and of policies.
struct Counted {
    metrics: Metrics,
    _held: (PolicyRealm, PolicyActive, PolicyShadow),
}

impl std::ops::Deref for Counted {
    type Target = Metrics;
    fn deref(&self) -> &Metrics {
        &self.metrics
    }
}

fn everything_counted() -> Counted {
    let metrics = Metrics::new().unwrap();
    let realm = metrics.policy_realm(REALM);
    realm.busy(Duration::from_millis(1500));
    realm.tripped(Hook::Expiry);
    let active = metrics.policy_active(REALM, Hook::Admission, POLICY);
    active.answered(Policy::Component);
    let shadow = metrics.policy_shadow(REALM, Hook::Admission, PolicyName::of(&[1; 32]));
    shadow.compared(Compared::Different);
    metrics.set_policy_unloadable(2);
    metrics.policy_order(Order::EndShadow, Ordered::Refused);
    metrics.admin_refusal(AdminRefusal::Role);
    metrics.registration(Source::ThirdParty, Registration::New);
    metrics.deferral(Deferral::Stored);
    metrics.policy_call(Hook::Admission, Policy::Component, Duration::from_micros(40));
    metrics.commit(32, 4096, Duration::from_millis(3));
    metrics.response(Direction::Sent, Method::Message, 202);
    metrics.set_queue(3, 700);
    metrics.add_queue(-1, -200);
    metrics.limit_hit(Limit::QueueMessages);
    metrics.stored(Storing::Append, Stored::Done);
    Counted { metrics, _held: (realm, active, shadow) }
}

#[test]
fn what_was_counted_is_in_the_scrape() {
    let text = everything_counted().render().unwrap();
    for line in [
        "restante_registrations_total{kind=\"new\",source=\"third-party\"} 1",
        "restante_deferrals_total{outcome=\"stored\"} 1",
        "restante_policy_calls_total{hook=\"admission\",outcome=\"component\"} 1",
        "restante_policy_call_seconds_bucket{hook=\"admission\",le=\"0.00005\"} 1",
        "restante_commit_batch_records_sum 32",
        "restante_commit_bytes_total 4096",
        "restante_sip_responses_total{direction=\"sent\",method=\"MESSAGE\",status=\"202\"} 1",
        "restante_queue_messages 2",
        "restante_queue_bytes 500",
        "restante_limit_hits_total{limit=\"queue.messages-max\"} 1",
        "restante_store_requests_total{operation=\"append\",outcome=\"done\"} 1",
        "restante_deliveries_total{outcome=\"timeout\"} 0",
        "restante_policy_busy_seconds_total{realm=\"ims.example.net\"} 1.5",
        "restante_policy_trips_total{decision=\"expiry\",realm=\"ims.example.net\"} 1",
        "restante_policy_trips_total{decision=\"admission\",realm=\"ims.example.net\"} 0",
        "restante_policy_bound{decision=\"admission\",policy=\"abababababab\",realm=\"ims.example.net\",role=\"active\"} 1",
        "restante_policy_bound{decision=\"admission\",policy=\"010101010101\",realm=\"ims.example.net\",role=\"shadow\"} 1",
        "restante_policy_verdicts_total{decision=\"admission\",outcome=\"component\",policy=\"abababababab\",realm=\"ims.example.net\"} 1",
        "restante_policy_shadow_total{decision=\"admission\",policy=\"010101010101\",realm=\"ims.example.net\",result=\"different\"} 1",
        "restante_policy_unloadable 2",
        "restante_policy_orders_total{order=\"end-shadow\",result=\"refused\"} 1",
        "restante_admin_refusals_total{cause=\"role\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing from\n{text}");
    }
    assert!(text.contains(&format!("restante_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))));
    assert!(text.contains("restante_process_resident_memory_bytes "));
}

#[test]
fn every_series_has_our_prefix_a_help_text_and_known_labels_only() {
    let text = everything_counted().render().unwrap();
    let helped: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP "))
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, help)| help.len() > 10)
        .map(|(name, _)| name)
        .collect();
    let known = BTreeSet::from([
        "action",
        "errand",
        "cause",
        "decision",
        "direction",
        "disposal",
        "hook",
        "kind",
        "le",
        "limit",
        "method",
        "notifier",
        "operation",
        "order",
        "outcome",
        "policy",
        "realm",
        "result",
        "role",
        "side",
        "source",
        "status",
        "version",
    ]);
    let mut series = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        series += 1;
        assert!(line.starts_with("restante_"), "{line}");
        let name = line.split(['{', ' ']).next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(helped.contains(name) || helped.contains(base), "{name} has no HELP text");
        let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(labels, _)| labels);
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (label, _) = label.split_once('=').unwrap();
            assert!(known.contains(label), "unexpected label {label} in {line}");
        }
    }
    // A cost of every scrape, and a promise: it does not grow with users.
    assert!((200..900).contains(&series), "{series} series");
}

#[test]
fn every_status_and_method_has_a_label() {
    for code in 0..=u16::MAX {
        let value = Status::of(code).value();
        if (100..700).contains(&code) {
            assert!(value == code.to_string() || value == format!("{}xx", code / 100), "{code} is {value}");
        }
    }
    assert_eq!(Method::of("MESSAGE"), Method::Message);
    assert_eq!(Method::of("message"), Method::Other);
    assert_eq!(Method::of("sip:alice@ims.test"), Method::Other);
}

#[test]
fn label_values_stand_where_their_index_says() {
    fn holds<L: Label + PartialEq + std::fmt::Debug>() {
        for (index, value) in L::ALL.iter().enumerate() {
            assert_eq!(value.index(), index, "{value:?}");
        }
    }
    holds::<Limit>();
    holds::<Status>();
    holds::<Method>();
    holds::<Hook>();
    holds::<Order>();
}

#[test]
fn every_limit_that_is_counted_is_a_key_of_the_configuration() {
    let sample = include_str!("../../ops/restante.toml");
    for limit in Limit::ALL.iter().filter(|limit| !limit.value().starts_with("internal.")) {
        let (section, key) = limit.value().split_once('.').unwrap();
        let (_, below) = sample.split_once(&format!("\n#[{section}]\n")).unwrap();
        let below = below.split("\n#[").next().unwrap();
        assert!(below.contains(&format!("\n#{key} = ")), "{limit:?}");
    }
}

/// One row for each family: name, kind, labels with how many values, help.
fn reference() -> Vec<String> {
    let metrics = everything_counted();
    let row = |family: prometheus::proto::MetricFamily| {
        let labels: Vec<String> =
            family.get_metric()[0].get_label().iter().map(|label| format!("`{}`", label.name())).collect();
        let labels = if labels.is_empty() { "—".to_owned() } else { labels.join(", ") };
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        format!("| `{}` | {kind} | {labels} | {} |", family.name(), family.help())
    };
    metrics.registry.gather().into_iter().map(row).collect()
}

#[test]
fn the_operators_page_has_every_metric() {
    let page = include_str!("../../docs/operators.md");
    let missing: Vec<String> = reference().into_iter().filter(|row| !page.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/operators.md lacks these rows:\n{}", missing.join("\n"));
}

#[test]
fn alerts_and_dashboard_name_only_metrics_that_exist() {
    let metrics = everything_counted();
    let families: BTreeSet<String> = metrics.registry.gather().iter().map(|family| family.name().to_owned()).collect();
    for text in [include_str!("../../ops/alerts.yml"), include_str!("../../ops/dashboard.json")] {
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let named: BTreeSet<&str> = text.split(|c| !is_name(c)).filter(|word| word.starts_with("restante_")).collect();
        assert!(named.len() > 5, "{named:?}");
        for name in named {
            let base = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(families.contains(base), "there is no metric {name}");
        }
    }
}

/// What the scrape has of policies that are bound.
fn of_policies(metrics: &Metrics) -> Vec<String> {
    let text = metrics.render().unwrap();
    let named = |line: &&str| line.contains("policy=") || line.contains("realm=");
    text.lines().filter(named).map(str::to_owned).collect()
}

#[test]
fn series_of_a_policy_are_there_while_it_is_bound_and_not_longer() {
    let metrics = Metrics::new().unwrap();
    assert!(of_policies(&metrics).is_empty());
    let first = metrics.policy_active(REALM, Hook::Admission, POLICY);
    let shadow = metrics.policy_shadow(REALM, Hook::Admission, POLICY);
    let native = metrics.policy_active(REALM, Hook::Expiry, PolicyName::NATIVE);
    assert_eq!(of_policies(&metrics).len(), 2 * (Policy::ALL.len() + 1) + Compared::ALL.len() + 1);
    first.answered(Policy::Component);
    // The same policy with other settings takes its own place: the numbers go on.
    let second = metrics.policy_active(REALM, Hook::Admission, POLICY);
    second.answered(Policy::Component);
    drop(first);
    let counted = "restante_policy_verdicts_total{decision=\"admission\",outcome=\"component\",policy=\"abababababab\",realm=\"ims.example.net\"} 2";
    assert!(of_policies(&metrics).iter().any(|line| line == counted));
    drop(second);
    assert!(of_policies(&metrics).iter().all(|line| line.contains("shadow") || line.contains("native")));
    drop(shadow);
    assert_eq!(of_policies(&metrics).len(), Policy::ALL.len() + 1);
    drop(native);
    let realm = metrics.policy_realm(REALM);
    assert_eq!(of_policies(&metrics).len(), 1 + Hook::ALL.len());
    drop(realm);
    assert!(of_policies(&metrics).is_empty());
}

#[test]
fn there_are_never_more_series_of_policies_than_allowed() {
    let metrics = Metrics::new().unwrap();
    let name = |n: u32| {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_be_bytes());
        PolicyName::of(&digest)
    };
    let held: Vec<_> = (0..10_050).map(|n| metrics.policy_shadow(REALM, Hook::Expiry, name(n))).collect();
    for shadow in &held {
        shadow.compared(Compared::Same);
    }
    assert_eq!(of_policies(&metrics).len(), 10_000 * (Compared::ALL.len() + 1));
    let text = metrics.render().unwrap();
    assert!(text.contains("restante_limit_hits_total{limit=\"internal.policy-places\"} 50\n"));
    drop(held);
    assert!(of_policies(&metrics).is_empty());
}
