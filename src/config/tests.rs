//! A file says what it means or is refused with every problem, its place and what to do.

use super::*;
use std::collections::BTreeSet;

const SAMPLE: &str = include_str!("../../ops/restante.toml");

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::read(Some(Source { name: "restante.toml", text }), &Overrides::default())
}

/// A file with a realm, so that only what is tested can be wrong.
fn with_realm(text: &str) -> String {
    format!("{text}\n[realms.\"ims.test\"]\n")
}

fn problems(text: &str) -> Vec<String> {
    read(text).unwrap_err().problems.iter().map(ToString::to_string).collect()
}

/// The sample with its defaults switched on: `#key = …` becomes `key = …`; also the `##` keys if `all`.
fn uncommented(all: bool) -> String {
    let line = |line: &'static str| match (line.strip_prefix("##"), line.strip_prefix('#')) {
        (Some(key), _) if all => key,
        (None, Some(key)) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key,
        _ => "",
    };
    SAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_file_says_the_defaults() {
    assert_eq!(read(&uncommented(false)).unwrap(), Config::default());
}

#[test]
fn the_sample_file_as_it_is_lacks_only_a_realm() {
    let problems = problems(SAMPLE);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("restante.toml: realms: no realm to serve"), "{problems:?}");
}

/// Serde tells the keys it knows when it meets one that it does not: so the sample can be held against the structs.
#[test]
fn the_sample_file_has_every_key_with_a_comment_of_its_own() {
    let text = uncommented(true);
    read(&text).unwrap();
    let mut section = String::new();
    let mut there = BTreeSet::new();
    let mut before = "";
    for (line, raw) in text.lines().zip(SAMPLE.lines()) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            assert!(before.starts_with("# ") && before.len() > 20, "{key} has no comment above it");
            there.insert(format!("{section}.{key}"));
        }
        before = raw;
    }
    for section in [
        "sip",
        "msrp",
        "realms.\"restante.test\"",
        "queue",
        "journal",
        "policy",
        "actors",
        "preferences",
        "errands",
        "store",
        "notifier",
        "webhook",
        "smpp",
        "admin",
        "log",
    ] {
        let shape = problems(&format!("[{section}]\nno-such-key = 1\n[realms.x]")).remove(0);
        let (_, known) = shape.split_once("expected ").unwrap();
        for key in known.split('`').skip(1).step_by(2) {
            assert!(there.remove(&format!("{section}.{key}")), "{section}.{key} is missing from ops/restante.toml");
        }
    }
    assert!(there.is_empty(), "unknown keys in ops/restante.toml: {there:?}");
}

#[test]
fn without_a_file_there_is_a_demo_realm_on_loopback_sockets() {
    let config = Config::read(None, &Overrides::default()).unwrap();
    assert_eq!(config, Config::default());
    assert!(config.sip.listen.iter().all(|listen| listen.address.ip().is_loopback()));
    assert_eq!(config.realms[DEMO_REALM].users.len(), 2);
    assert!(config.realms[DEMO_REALM].digest);
}

#[test]
fn the_demo_users_are_refused_where_others_can_reach_them() {
    let overrides = Overrides { listen: vec!["udp:0.0.0.0:5060".parse().unwrap()], ..Overrides::default() };
    let error = Config::read(None, &overrides).unwrap_err().to_string();
    assert!(error.contains("--listen: sip.listen: the demo users have passwords that everybody knows"), "{error}");
    let overrides = Overrides { realms: vec!["ims.test".into()], ..overrides };
    assert_eq!(Config::read(None, &overrides).unwrap().realms.keys().collect::<Vec<_>>(), ["ims.test"]);
}

#[test]
fn unknown_keys_and_wrong_types_are_all_told_with_line_and_column() {
    let text =
        "[sip]\nheader-bytes-max = \"much\"\nlissen = []\n\n[queues]\nmessages-max = 1\n[queue]\n  bytes-max = -1\n";
    let found = problems(&with_realm(text));
    for expected in [
        "restante.toml:2:20: sip.header-bytes-max: invalid type: string \"much\", expected usize",
        "restante.toml:3:1: sip.lissen: unknown field `lissen`, expected one of `listen`",
        "restante.toml:5:2: queues: unknown field `queues`",
        "restante.toml:8:15: queue.bytes-max: invalid value: integer `-1`, expected u64",
    ] {
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected} is missing from {found:#?}");
    }
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let found = problems("[sip]\nlisten = [\"udp:127.0.0.1:5060\"\n[realms.\"ims.test\"]\n");
    assert!(
        found.iter().any(|problem| problem.starts_with("restante.toml:") && problem.contains("no TOML")),
        "{found:?}"
    );
    assert!(!found.iter().any(|problem| problem.contains("unknown field")), "{found:?}");
}

#[test]
fn values_out_of_range_are_all_told_with_their_lines_and_the_range() {
    let text = "[queue]\nmessages-max = 0\nbackoff-min-secs = 7200\n[realms.\"ims.test\"]\nexpiry-max-secs = 2592001\n";
    let found = problems(text);
    assert_eq!(
        found,
        [
            "restante.toml:5:1: realms.\"ims.test\".expiry-max-secs: 2592001 is out of range: give 1 to 2592000 seconds",
            "restante.toml:2:1: queue.messages-max: 0 is out of range: give 1 to 1000000 messages",
            "restante.toml:3:1: queue.backoff-min-secs: the first pause is longer than the longest: lower it, or raise \
             queue.backoff-max-secs",
        ]
    );
}

#[test]
fn values_that_do_not_fit_together_are_refused() {
    for (text, key) in [
        ("[sip]\nbody-bytes-max = 2000000\nconnection-backlog-max = 65536", "sip.connection-backlog-max"),
        ("[queue]\nbytes-max = 1000", "queue.bytes-max"),
        ("[journal]\nappends-waiting-max = 10", "journal.batch-max"),
        ("[journal]\nwrite-buffer-bytes = 536870912", "journal.disk-free-min"),
        ("[actors]\nawake-max = 10", "actors.wake-permits"),
        ("[preferences]\ncache-bytes-max = 1048576", "preferences.cache-bytes-max"),
        ("[admin]\nlisten = \"127.0.0.1:5060\"", "admin.listen"),
        ("[policy]\nmemory-bytes-max = 4294967296\ninstances-max = 1000", "policy.instances-max"),
    ] {
        let found = problems(&with_realm(text));
        assert!(found.len() == 1 && found[0].contains(key), "{text}: {found:?}");
    }
    let found = problems("[realms.\"ims.test\"]\nregistration-min-secs = 100\nregistration-max-secs = 50");
    assert!(found[0].contains("restante.toml:2:1: realms.\"ims.test\".registration-min-secs"), "{found:?}");
}

#[test]
fn sockets_and_peers_are_read_and_never_twice() {
    let text = "[sip]\nlisten = [\"udp:[::1]:5060\", \"udp:127.0.0.1:0\", \"udp:127.0.0.1:0\"]\n\
                trusted-peers = [\"10.1.2.3/8\", \"192.0.2.7\", \"2001:db8::/32\"]";
    let config = read(&with_realm(text)).unwrap();
    let peers: Vec<String> = config.sip.trusted_peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]);
    let found = problems(&with_realm("[sip]\nlisten = [\n  \"udp:127.0.0.1:5060\",\n  \"udp:127.0.0.1:5060\",\n]"));
    assert!(found[0].starts_with("restante.toml:4:"), "{found:?}");
    assert!(found[0].contains("'udp:127.0.0.1:5060' is there twice"), "{found:?}");
    let found = problems(&with_realm("[sip]\nlisten = [\"tls:127.0.0.1:5061\"]\ntrusted-peers = [\"scscf\"]"));
    assert!(
        found.iter().any(|text| text.contains("restante.toml:2") && text.contains("is no listening socket")),
        "{found:?}"
    );
    assert!(found.iter().any(|text| text.contains("restante.toml:3") && text.contains("is no peer")), "{found:?}");
}

#[test]
fn realms_are_host_names_in_any_case() {
    let config = read("[realms.\"IMS.Test\"]\ndigest = false").unwrap();
    assert!(!config.realms["ims.test"].digest);
    assert!(problems("[realms.\"IMS.test\"]\n[realms.\"ims.test\"]")[0].contains("is there twice"));
    for bad in ["ims test", "-ims.test", "ims..test", "", "sip:ims.test"] {
        let found = problems(&format!("[realms.\"{bad}\"]"));
        assert!(found[0].contains("a host name, such as"), "{bad}: {found:?}");
    }
}

#[test]
fn next_hops_are_sip_uris() {
    let next_hop = |uri: &str| read(&format!("[realms.x]\nnext-hop = {uri:?}"));
    for good in [
        "sip:127.0.0.1:5090",
        "sip:scscf.ims.test",
        "SIP:orig@scscf.ims.test:5060;lr;transport=TCP",
        "sip:[2001:db8::1]:5060",
        "sip:[::1]",
    ] {
        assert!(next_hop(good).is_ok(), "{good}");
    }
    for bad in [
        "127.0.0.1:5090",
        "sips:scscf.ims.test",
        "sip:",
        "sip:x:0",
        "sip:x:port",
        "sip:[::1",
        "sip:a b",
        "sip:x;transport=sctp",
        "tel:+12025550200",
    ] {
        assert!(next_hop(bad).is_err(), "{bad}");
    }
}

#[test]
fn xcap_roots_are_http_urls_and_a_realm_may_have_its_own() {
    let text = "[preferences]\nxcap-root = \"https://xcap.ims.test/root\"\n[realms.a]\n[realms.b]\nxcap-root = \"\"\n\
                [realms.c]\nxcap-root = \"http://[::1]:8080\"";
    let config = read(text).unwrap();
    let root = |realm: &str| config.preferences.root_of(&config.realms[realm]);
    assert_eq!(
        (root("a"), root("b"), root("c")),
        (Some("https://xcap.ims.test/root"), None, Some("http://[::1]:8080"))
    );
    for bad in
        ["xcap.ims.test", "ftp://x/", "https://", "https://user@x/", "http://x:0/", "http://x/?a", "http://x/a b"]
    {
        assert!(read(&format!("[preferences]\nxcap-root = {bad:?}\n[realms.x]")).is_err(), "{bad}");
        assert!(read(&format!("[realms.x]\nxcap-root = {bad:?}")).is_err(), "{bad}");
    }
}

#[test]
fn flags_override_the_file_and_are_blamed_for_what_they_say() {
    let overrides = Overrides {
        listen: vec!["tcp:127.0.0.1:5080".parse().unwrap()],
        msrp_listen: vec!["msrp:127.0.0.1:0".parse().unwrap()],
        realms: vec!["Second.test".into()],
        next_hop: Some("sip:127.0.0.1:5090".into()),
        trusted_peers: vec!["127.0.0.0/8".parse().unwrap()],
        data: Some("/tmp/restante".into()),
        admin: Some("127.0.0.1:0".parse().unwrap()),
    };
    let text = "[sip]\nlisten = [\"udp:127.0.0.1:5060\"]\n[realms.\"first.test\"]\nexpiry-max-secs = 60";
    let source = Source { name: "f", text };
    let config = Config::read(Some(source), &overrides).unwrap();
    assert_eq!(config.sip.listen, overrides.listen);
    assert_eq!(config.msrp.listen, overrides.msrp_listen);
    assert_eq!(config.realms.keys().collect::<Vec<_>>(), ["first.test", "second.test"]);
    assert_eq!(config.realms["first.test"].expiry_max_secs, 60);
    assert!(config.realms.values().all(|realm| realm.next_hop == overrides.next_hop));
    assert_eq!(config.journal.directory, std::path::Path::new("/tmp/restante"));

    let overrides = Overrides { realms: vec!["no good".into()], next_hop: Some("x".into()), ..Overrides::default() };
    let error = Config::read(Some(source), &overrides).unwrap_err().to_string();
    assert!(error.contains("--realm: realms.\"no good\": 'no good' will not do"), "{error}");
    assert!(error.contains("--next-hop: realms.\"first.test\".next-hop: 'x' will not do"), "{error}");
}

#[test]
fn the_host_is_never_an_address_that_says_nothing() {
    let host = |text: &str| read(&with_realm(text)).unwrap().host();
    assert_eq!(host(""), "127.0.0.1");
    assert_eq!(host("[sip]\nhost = \"pf.ims.test\""), "pf.ims.test");
    assert_eq!(host("[sip]\nlisten = [\"udp:0.0.0.0:5060\", \"udp:[::1]:5060\"]"), "[::1]");
    assert_eq!(host("[sip]\nlisten = [\"udp:0.0.0.0:5060\"]"), "ims.test");
}

#[test]
fn a_message_store_needs_a_login_and_tls_or_this_machine() {
    let store = |text: &str| read(&with_realm(&format!("[store]\nmaster-password = \"geheim\"\n{text}")));
    for good in
        ["imap = \"imaps://store.ims.test\"", "imap = \"imap://192.0.2.1\"", "imap = \"imap+plain://[::1]:1143\""]
    {
        assert!(store(good).is_ok(), "{good}");
    }
    assert!(store("imap = \"imap+plain://192.0.2.1\"\nplain-anywhere = true").is_ok());
    let told = |text: &str| store(text).unwrap_err().to_string();
    assert!(
        told("imap = \"imap+plain://192.0.2.1\"").contains("restante.toml:3:1: store.imap: passwords and messages")
    );
    assert!(told("imap = \"store.ims.test\"").contains("'store.ims.test' is no IMAP server"));
    assert!(told("imap = \"imaps://x\"\nmaster-user = \"\"").contains("give store.master-user"));
    assert!(told("user-format = \"bob\"").contains("a text with {user} or {address} in it"));
    assert!(told("rest-min-secs = 100").contains("the first rest is longer than the longest"));
    assert!(problems(&with_realm("[store]\nimap = \"imaps://x\""))[0].contains("give store.master-password"));
}

#[test]
fn msrp_sockets_need_a_certificate_a_name_and_a_port_of_their_own() {
    let msrp = |text: &str| problems(&with_realm(&format!("[msrp]\n{text}")));
    let certified = "tls-certificate = \"c.pem\"\ntls-key = \"k.pem\"";
    assert!(read(&with_realm(&format!("[msrp]\nlisten = [\"msrps:127.0.0.1:0\"]\n{certified}"))).is_ok());
    assert!(read(&with_realm("[msrp]\nlisten = []")).is_ok());
    assert!(read(&with_realm("[msrp]\nlisten = [\"msrp:0.0.0.0:2855\"]\nhost = \"pf.ims.test\"")).is_ok());
    for (text, told) in [
        ("listen = [\"msrps:127.0.0.1:0\"]", "restante.toml:2:1: msrp.listen: an msrps socket has no certificate"),
        ("tls-certificate = \"c.pem\"", "msrp.tls-certificate: a certificate is of no use without its key"),
        ("tls-key = \"k.pem\"", "msrp.tls-key: a key is of no use without its certificate"),
        ("listen = [\"msrp:0.0.0.0:2855\"]", "msrp.host: peers cannot be told to connect to 0.0.0.0 or [::]"),
        ("listen = [\"msrp:127.0.0.1:5060\"]", "msrp.listen: SIP or the HTTP API listens on this socket already"),
        ("listen = [\"msrp:127.0.0.1:8080\"]", "msrp.listen: SIP or the HTTP API listens on this socket already"),
        ("listen = [\"msrp:[::1]:1\", \"msrp:[::1]:1\"]", "'msrp:[::1]:1' is there twice"),
        ("listen = [\"tcp:127.0.0.1:2855\"]", "is no MSRP socket"),
        ("host = \"pf ims\"", "msrp.host: 'pf ims' will not do"),
        ("chunk-bytes-max = 2047", "msrp.chunk-bytes-max: 2047 is out of range: give 2048 to 1073741824 octets"),
        ("sessions-max = 0", "msrp.sessions-max: 0 is out of range"),
        ("idle-secs = 0", "msrp.idle-secs: 0 is out of range"),
    ] {
        let found = msrp(text);
        assert!(found.len() == 1 && found[0].contains(told), "{text}: {found:?}");
    }
}

#[test]
fn passwords_are_never_printed() {
    assert_eq!(
        problems(&with_realm("[store]\nmaster-password = 123456")),
        ["restante.toml:2:19: store.master-password: a password must be a text in quotes"]
    );
    assert!(!format!("{:?}", Config::default()).contains("alice-demo"));
    let found = problems("[realms.x]\nusers = { alice = 123456 }");
    assert_eq!(found, ["restante.toml:2:19: realms.x.users.alice: a password must be a text in quotes"]);
}

/// A `[[policy.keys]]` that is good, with these lines on top.
fn signing_key(id: &str, more: &str) -> String {
    let public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    format!("[[policy.keys]]\nid = \"{id}\"\ned25519 = \"{public}\"\n{more}\n")
}

#[test]
fn keys_that_sign_policies_are_read() {
    let valid =
        "not-before = \"2026-01-01T00:00:00Z\"\nnot-after = \"2027-01-01T00:00:00.5Z\"\nrealms = [\"IMS.test\"]";
    let text = signing_key("release-2026", valid) + &signing_key("release-2027", "");
    let keys = read(&with_realm(&text)).unwrap().policy.keys;
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].octets().map(|octets| octets[0]), Some(0xd7));
    assert_eq!(keys[0].realms, Some(vec!["ims.test".to_owned()]), "host names know no case");
    assert!(PolicyKey::moment("2026-01-01T00:00:00Z") < PolicyKey::moment("2026-01-01T00:00:01Z"));
}

#[test]
fn keys_that_could_not_be_used_are_told() {
    let long = "x".repeat(65);
    for (text, told) in [
        (signing_key("", ""), "policy.keys[0].id: '' will not do"),
        (signing_key("a b", ""), "policy.keys[0].id: 'a b' will not do"),
        (signing_key(&long, ""), "will not do: give a name of 1 to 64 letters"),
        (signing_key("a", "") + &signing_key("a", ""), "policy.keys[1]: 'a' is there twice"),
        (signing_key("a", "not-before = \"soon\""), "policy.keys[0].not-before: 'soon' will not do"),
        (signing_key("a", "not-after = \"2026-13-01T00:00:00Z\""), "policy.keys[0].not-after: '2026-13-01"),
        (signing_key("a", "not-after = \"\""), "policy.keys[0].not-after: '' will not do"),
        (
            signing_key("a", "not-before = \"2027-01-01T00:00:00Z\"\nnot-after = \"2026-01-01T00:00:00Z\""),
            "policy.keys[0].not-after: the key expires before it is valid",
        ),
        (signing_key("a", "realms = [\"other.test\"]"), "policy.keys[0].realms: 'other.test' will not do"),
        ("[[policy.keys]]\nid = \"a\"\ned25519 = \"AAAA\"".to_owned(), "policy.keys[0].ed25519: 'AAAA' will not do"),
        ("[[policy.keys]]\nid = \"a\"\ned25519 = \"%%\"".to_owned(), "an Ed25519 public key: 32 octets in Base64"),
        ("[policy]\ncatalogue-bytes-max = 1048576".to_owned(), "policy.catalogue-bytes-max: one component"),
        ("[policy]\nuploads-max = 0".to_owned(), "policy.uploads-max: 0 is out of range"),
        ("[policy]\nhistory-max = 0".to_owned(), "policy.history-max: 0 is out of range"),
    ] {
        let found = problems(&with_realm(&text));
        assert!(found.len() == 1 && found[0].contains(told), "{text}: {found:?}");
    }
}

#[test]
fn a_realm_may_have_a_notifier_of_its_own_and_what_it_needs_is_asked_for() {
    let text = "[notifier]\nkind = \"none\"\n[realms.\"ims.test\"]\nnotifier = \"outbox\"\n[realms.\"other.test\"]";
    let config = read(text).unwrap();
    assert_eq!(config.notifier_of("ims.test"), NotifierKind::Outbox);
    assert_eq!(config.notifier_of("other.test"), NotifierKind::None);
    assert!(!config.notifies_by(NotifierKind::Smpp));
    let found = problems("[realms.\"ims.test\"]\nnotifier = \"webhook\"");
    assert!(found.len() == 2 && found[0].contains("webhook.url") && found[1].contains("webhook.secrets"), "{found:?}");
    let found = problems("[notifier]\nkind = \"smpp\"\n[realms.\"ims.test\"]");
    assert!(found.len() == 1 && found[0].contains("smpp.address"), "{found:?}");
}

#[test]
fn notifier_values_that_will_not_do_are_told_without_their_secrets() {
    for (text, key) in [
        ("[webhook]\nurl = \"ftp://x/\"", "webhook.url"),
        ("[webhook]\nurl = \"https://me@x/\"", "webhook.url"),
        ("[webhook]\nsecrets = [\"short-one\"]", "webhook.secrets"),
        ("[smpp]\naddress = \"smsc\"", "smpp.address"),
        ("[smpp]\npassword = \"nine-long\"", "smpp.password"),
        ("[smpp]\ntext = \"{total} messages\"", "smpp.text"),
        ("[smpp]\nreconnect-min-ms = 60000", "smpp.reconnect-min-ms"),
        ("[webhook]\nsecrets = [123456]", "webhook.secrets"),
        ("[smpp]\npassword = 123456", "smpp.password"),
    ] {
        let found = problems(&with_realm(text));
        assert!(found.len() == 1 && found[0].contains(key), "{text}: {found:?}");
        assert!(!["short-one", "nine-long", "123456"].iter().any(|secret| found[0].contains(secret)), "{found:?}");
    }
}

const SHA256: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

fn caller(list: &str, name: &str, sha256: &str, roles: &str) -> String {
    format!("[[admin.{list}]]\nname = {name:?}\nsha256 = {sha256:?}\nroles = [{roles}]\n")
}

#[test]
fn who_may_use_the_http_api_has_a_name_a_hash_and_roles() {
    let colons =
        SHA256.to_ascii_uppercase().as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(":");
    let tls = "[admin]\ntls = { certificate = \"c.pem\", key = \"k.pem\", client-ca = \"ca.pem\" }\n";
    let token = caller("tokens", "alice", SHA256, "\"operator:IMS.Test\", \"operator:*\", \"auditor\", \"sre\"");
    let certificate = caller("certificates", "alice", &colons, "\"operator:ims.test\"");
    let config = read(&with_realm(&format!("{tls}{token}{certificate}"))).unwrap();
    let own = Role::Operator(Some("ims.test".to_owned()));
    assert_eq!(config.admin.tokens[0].roles, [own.clone(), Role::Operator(None), Role::Auditor, Role::Sre]);
    assert_eq!(config.admin.certificates[0].roles, [own]);
    assert_eq!(sha256_octets(&colons), sha256_octets(SHA256));
    assert!(config.admin.asks_who() && !Config::default().admin.asks_who());
}

#[test]
fn callers_of_the_http_api_that_will_not_do_are_told_without_their_hashes() {
    let other = "00".repeat(32);
    let sre = "\"sre\"";
    let token = |name: &str, sha256: &str, roles: &str| caller("tokens", name, sha256, roles);
    let tls = |more: &str| format!("[admin]\ntls = {{ certificate = \"c.pem\", key = \"k.pem\"{more} }}\n");
    for (text, told) in [
        (token("", SHA256, sre), "restante.toml:2:1: admin.tokens"),
        (token("a\n", SHA256, sre), "a name of up to 64 printable characters"),
        (token(&"a".repeat(65), SHA256, sre), "a name of up to 64 printable characters"),
        (token("local", SHA256, sre), "the operator stream has this name for another"),
        (token("a", "the-token-itself", sre), "this is no SHA-256: give 64 hexadecimal digits"),
        (token("a", &SHA256[..62], sre), "this is no SHA-256"),
        (token("a", SHA256, ""), "there is no role"),
        (token("a", SHA256, "\"operator:other.test\""), "'other.test' will not do: give a realm of this configuration"),
        (token("a", SHA256, "\"admin\""), "'admin' is no role: write operator:REALM"),
        (token("a", SHA256, "\"operator:\""), "'operator:' is no role"),
        (token("a", SHA256, sre) + &token("a", &other, sre), "admin.tokens[1]: 'a' is there twice"),
        (token("a", SHA256, sre) + &token("b", &SHA256.to_uppercase(), sre), "is there twice"),
        (caller("certificates", "a", SHA256, sre), "admin.certificates: client certificates are of no use without"),
        (tls(", client-ca = \"ca.pem\""), "admin.tls.client-ca: clients are asked for certificates, but none is named"),
        (tls("").replace("c.pem", ""), "admin.tls.certificate: no file is named"),
        (tls("").replace("k.pem", ""), "admin.tls.key: no file is named"),
        ("[admin]\ntls = { certificate = \"c.pem\" }\n".to_owned(), "missing field `key`"),
    ] {
        let found = problems(&with_realm(&text));
        assert!(found.len() == 1 && found[0].contains(told), "{text}: {found:?}");
        assert!(!found[0].contains("the-token-itself"), "{found:?}");
    }
}

/// The range of a number, as its fault tells it; nothing for what is no number.
fn range_of(section: &str, key: &str) -> String {
    for value in ["9007199254740993", "4294967295"] {
        let text = format!("[{section}]\n{key} = {value}");
        let faults = read(&text).unwrap_err().problems.into_iter().map(|problem| problem.fault);
        let range = faults.into_iter().find_map(|fault| match fault {
            Fault::Range { min, max, unit, .. } => Some(format!("{min} to {max} {unit}")),
            _ => None,
        });
        if let Some(range) = range {
            return range;
        }
    }
    "—".to_owned()
}

/// One row for each key of the sample: key, default, range, and the comment above it.
fn reference() -> Vec<String> {
    let (mut rows, mut section, mut comment) = (Vec::new(), "", Vec::new());
    for line in SAMPLE.lines() {
        if let Some(name) = line.strip_prefix("#[") {
            section = name.trim_end_matches(']');
            comment.clear();
        } else if let Some((key, value)) = line.strip_prefix('#').and_then(|line| line.split_once(" = "))
            && !key.starts_with(' ')
        {
            let default = match (key.strip_prefix('#'), key) {
                (Some(_), _) => "unset".to_owned(),
                (None, "users") => "none".to_owned(),
                _ => format!("`{value}`"),
            };
            let key = key.trim_start_matches('#');
            let shown = section.replace(DEMO_REALM, "DOMAIN");
            let range = range_of(section, key);
            rows.push(format!("| `{shown}.{key}` | {default} | {range} | {} |", comment.join(" ")));
            comment.clear();
        } else if let Some(text) = line.strip_prefix("# ") {
            comment.push(text);
        }
    }
    rows
}

#[test]
fn the_operators_page_has_every_key_with_its_default_and_range() {
    let page = include_str!("../../docs/operators.md");
    let missing: Vec<String> = reference().into_iter().filter(|row| !page.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/operators.md lacks these rows:\n{}", missing.join("\n"));
}
