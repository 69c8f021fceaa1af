//! The IMAP client: against a real Dovecot, and against a server that behaves as no real one does.

use super::dovecot::{Dovecot, MASTER_PASSWORD, MASTER_USER};
use super::fake::{Fake, usual};
use super::*;
use crate::config::{ImapServer, Login, Secret, Security, Store};
use crate::gateway::store::{ImapStore, Location, StartError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn config() -> Store {
    Store {
        master_user: MASTER_USER.to_owned(),
        master_password: Some(Secret(MASTER_PASSWORD.to_owned())),
        ..Store::default()
    }
}

fn over(security: Security, address: SocketAddr, config: &Store) -> (ImapStore, Arc<Told>) {
    let server = ImapServer { security, host: address.ip().to_string(), port: address.port() };
    let told = Arc::new(Told::default());
    (ImapStore::start(&server, config, Arc::clone(&told) as Arc<dyn Counters>).unwrap(), told)
}

fn plain(address: SocketAddr, config: &Store) -> (ImapStore, Arc<Told>) {
    over(Security::Plain, address, config)
}

fn contents(dovecot: &Dovecot, user: &Address, folder: &str) -> Vec<(u32, Vec<u8>)> {
    let seen = dovecot.objects(&format!("{}@{}", user.user(), user.host()), folder);
    seen.into_iter().map(|seen| (seen.uid, seen.octets)).collect()
}

#[test]
fn the_imap_store_conforms_on_dovecot() {
    let dovecot = Dovecot::start();
    let (store, _) = plain(dovecot.imap, &config());
    conformance::holds(&store, &|user, folder| contents(&dovecot, user, folder));
}

/// Another server's ways: `.` between the levels and all folders below INBOX.
#[test]
fn the_imap_store_conforms_with_another_separator_and_a_prefix() {
    let dovecot =
        Dovecot::with("mail_location = maildir:~/mail\nnamespace inbox {\n  separator = .\n  prefix = INBOX.\n}");
    let (store, _) = plain(dovecot.imap, &config());
    conformance::holds(&store, &|user, folder| {
        contents(&dovecot, user, &format!("INBOX.{}", folder.replace('/', ".")))
    });
}

#[test]
fn a_stored_message_is_unseen_and_may_have_any_octets() {
    let dovecot = Dovecot::start();
    let (store, _) = plain(dovecot.imap, &config());
    let request = append("+12025550200", "any-octets");
    let object = Bytes::from([&request.object.head[..], &(0..=255).collect::<Vec<u8>>(), b"\r\n"].concat());
    let place = done(store.append(Append { object: object.clone().into(), ..request })).unwrap();
    let seen = dovecot.objects("+12025550200@ims.example.net", &place.folder);
    assert!(!seen[0].flags.contains("\\Seen"), "{}", seen[0].flags);
    // To a client that cannot take NUL Dovecot gives 0x80 in its place, and it ends every line with CRLF.
    let told = object.iter().flat_map(|octet| match octet {
        0 => vec![0x80],
        b'\n' => vec![b'\r', b'\n'],
        octet => vec![*octet],
    });
    let told = String::from_utf8_lossy(&told.collect::<Vec<u8>>()).replace("\r\r\n", "\r\n");
    assert_eq!(String::from_utf8_lossy(&seen[0].octets), told);
}

#[test]
fn over_tls_and_starttls_the_server_must_be_the_one_it_says() {
    let dovecot = Dovecot::start();
    let config = Store { ca_file: Some(dovecot.ca_file()), ..config() };
    for (security, address) in [(Security::Tls, dovecot.imaps), (Security::StartTls, dovecot.imap)] {
        let (store, _) = over(security, address, &config);
        done(store.append(append("bob", "one"))).unwrap();
        let (stranger, told) = over(security, address, &Store { ca_file: None, ..config.clone() });
        let refused = done(stranger.append(append("bob", "two"))).unwrap_err();
        assert!(refused.to_string().contains("certificate"), "{refused}");
        assert_eq!(*told.ended.lock().unwrap(), [(Operation::Append, Outcome::Unreachable)]);
    }
    assert_eq!(dovecot.objects("bob@ims.example.net", &format!("Default/{CONVERSATION}")).len(), 2);
}

#[test]
fn login_as_the_user_with_a_master_suffix_works_too() {
    let dovecot = Dovecot::start();
    let format = format!("{{user}}@{{host}}*{MASTER_USER}");
    let config = Store { login: Login::Login, user_format: format, ..config() };
    let (store, _) = plain(dovecot.imap, &config);
    let place = done(store.append(append("bob", "one"))).unwrap();
    assert_eq!(contents(&dovecot, &user("bob"), &place.folder).len(), 1);
}

#[test]
fn a_wrong_password_is_told_as_such_and_may_pass_when_it_is_mended() {
    let dovecot = Dovecot::start();
    for login in [Login::Plain, Login::Login] {
        let wrong = Store { master_password: Some(Secret("wrong".to_owned())), login, ..config() };
        let (store, _) = plain(dovecot.imap, &wrong);
        let refused = done(store.append(append("bob", "one"))).unwrap_err();
        assert_eq!(refused, StoreError::Login);
        assert!(refused.may_pass() && !refused.to_string().contains("bob") && !refused.to_string().contains("wrong"));
    }
}

#[test]
fn a_connection_is_used_again_by_its_user_and_idle_ones_end() {
    let dovecot = Dovecot::start();
    let config = Store { connections_max: 2, connection_idle_secs: 1, ..config() };
    let (store, told) = plain(dovecot.imap, &config);
    for name in ["bob", "bob", "carol", "dave", "bob"] {
        done(store.append(append(name, "one"))).unwrap();
    }
    let logins = dovecot.log().matches("Login: user=").count();
    assert_eq!(logins, 4, "the second of bob's used the first's; his last came when others had taken the places");
    assert!(told.connections.lock().unwrap().iter().all(|(open, busy)| *open <= 2 && *busy <= 1));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while told.connections.lock().unwrap().last() != Some(&(0, 0)) {
        assert!(std::time::Instant::now() < deadline, "{:?}", told.connections.lock().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A restarted server has closed every idle connection: nobody notices.
#[test]
fn a_restart_of_the_server_costs_no_request() {
    let mut dovecot = Dovecot::start();
    let (store, _) = plain(dovecot.imap, &config());
    let first = done(store.append(append("bob", "one"))).unwrap();
    dovecot.kill();
    let down = done(store.append(append("bob", "two"))).unwrap_err();
    assert!(matches!(down, StoreError::Unreachable { .. }) && down.may_pass(), "{down}");
    dovecot.run();
    let second = done(store.append(again(&append("bob", "two")))).unwrap();
    assert_eq!(second, Location { uid: first.uid + 1, ..first });
    dovecot.kill();
    dovecot.run();
    done(store.remove(&user("bob"), &second)).unwrap();
    assert_eq!(contents(&dovecot, &user("bob"), &second.folder).len(), 1);
}

/// The server dies in the middle of an APPEND: whatever it did, the repeat leaves exactly one.
#[test]
fn a_server_killed_midway_leaves_one_object_after_the_repeat() {
    let mut dovecot = Dovecot::start();
    let (store, _) = plain(dovecot.imap, &Store { command_secs: 1, ..config() });
    let place = done(store.append(append("bob", "one"))).unwrap();
    dovecot.freeze();
    let asked = store.append(append("bob", "two"));
    let late = done(asked).unwrap_err();
    assert!(matches!(late, StoreError::Timeout { .. }), "{late}");
    dovecot.kill();
    dovecot.run();
    done(store.append(again(&append("bob", "two")))).unwrap();
    assert_eq!(contents(&dovecot, &user("bob"), &place.folder).len(), 2);
}

#[test]
fn a_full_mailbox_is_quota() {
    let dovecot = Dovecot::with(
        "mail_plugins = quota\nplugin {\n  quota = count:User quota\n  quota_vsizes = yes\n  quota_rule = *:storage=4K\n}",
    );
    let (store, _) = plain(dovecot.imap, &config());
    let big = Append { object: Bytes::from([OBJECT, &b"x".repeat(8192)[..]].concat()).into(), ..append("bob", "big") };
    assert_eq!(done(store.append(big)), Err(StoreError::Quota));
}

#[test]
fn a_server_that_is_down_is_left_alone_for_a_while() {
    let fake = Fake::start(|_| Some("HANG UP".to_owned()));
    let (store, told) =
        plain(fake.address, &Store { failures_max: 2, rest_min_secs: 600, rest_max_secs: 600, ..config() });
    for _ in 0..2 {
        assert!(matches!(done(store.append(append("bob", "one"))), Err(StoreError::Unreachable { .. })));
    }
    let tries = fake.connections.load(Ordering::Relaxed);
    for _ in 0..100 {
        let resting = done(store.append(append("bob", "one"))).unwrap_err();
        assert!(matches!(resting, StoreError::Resting { secs: 599..=600 }) && resting.may_pass(), "{resting}");
    }
    assert_eq!(fake.connections.load(Ordering::Relaxed), tries, "it was not asked again");
    assert_eq!(*told.resting.lock().unwrap(), [true]);
}

#[test]
fn a_slow_server_costs_its_time_and_no_more() {
    let fake = Fake::start(|command| if command.starts_with("APPEND") { None } else { usual(command) });
    let (store, _) = plain(fake.address, &Store { command_secs: 1, ..config() });
    let late = done(store.append(append("bob", "one"))).unwrap_err();
    assert!(matches!(late, StoreError::Timeout { key: "store.command-secs", .. }), "{late}");
    let fake = Fake::start(|command| if command == "CAPABILITY" { None } else { usual(command) });
    let (store, _) = plain(fake.address, &Store { connect_secs: 1, ..config() });
    let late = done(store.append(append("bob", "one"))).unwrap_err();
    assert!(matches!(late, StoreError::Timeout { key: "store.connect-secs", .. }), "{late}");
}

#[test]
fn requests_above_the_limit_are_put_off() {
    let fake = Fake::start(|command| if command.starts_with("APPEND") { None } else { usual(command) });
    let config = Store { requests_waiting_max: 1, connections_max: 1, command_secs: 1, ..config() };
    let (store, told) = plain(fake.address, &config);
    let first = store.append(append("bob", "one"));
    assert_eq!(done(store.append(append("carol", "one"))), Err(StoreError::Busy { key: "store.requests-waiting-max" }));
    assert!(matches!(done(first), Err(StoreError::Timeout { .. })));
    assert_eq!(*told.limits.lock().unwrap(), [Limit::RequestsWaiting]);
}

#[test]
fn a_server_without_uidplus_is_told_as_such() {
    let fake = Fake::start(|command| match command {
        "CAPABILITY" => Some("* CAPABILITY IMAP4rev1\r\n$ OK\r\n".to_owned()),
        command => usual(command),
    });
    let lacks = done(plain(fake.address, &config()).0.append(append("bob", "one"))).unwrap_err();
    assert!(lacks.to_string().contains("UIDPLUS") && lacks.may_pass(), "{lacks}");
    let fake = Fake::start(usual);
    let (store, _) = over(Security::StartTls, fake.address, &Store { ca_file: None, ..config() });
    let no_tls = done(store.append(append("bob", "one"))).unwrap_err();
    assert!(matches!(no_tls, StoreError::Unreachable { .. } | StoreError::Lacks { .. }), "{no_tls}");
    assert!(fake.heard.lock().unwrap().iter().all(|heard| heard == "STARTTLS"), "no password goes in clear");
}

/// WX-15: what goes over the wire, with the names of a server of another kind.
#[test]
fn wx_15_is_what_is_said() {
    let fake = Fake::start(usual);
    let (store, _) = plain(fake.address, &config());
    let place = done(store.append(append("bob", "Mk7xQ2b9LhT0"))).unwrap();
    assert_eq!((place.uidvalidity, place.uid), (7, 42));
    let heard = fake.heard.lock().unwrap().clone();
    let append = format!("APPEND \"INBOX.Default.{CONVERSATION}\" () {{725}}");
    assert_eq!(heard, ["CAPABILITY", "AUTHENTICATE PLAIN", "CAPABILITY", "NAMESPACE", &append]);
}

#[test]
fn a_missing_folder_is_made_with_what_is_above_and_appenduid_is_not_needed() {
    use std::sync::atomic::AtomicUsize;
    let asked = AtomicUsize::new(0);
    let fake = Fake::start(move |command| {
        let first = command.split(' ').next().unwrap();
        let nth = |limit| first == "APPEND" && asked.fetch_add(1, Ordering::Relaxed) < limit;
        Some(match first {
            "APPEND" if nth(1) => "$ NO [TRYCREATE] none\r\n".to_owned(),
            "APPEND" => "+ go\r\n$ OK done\r\n".to_owned(),
            "CREATE" if command.contains(CONVERSATION) && asked.fetch_add(1, Ordering::Relaxed) < 2 => {
                "$ NO first what is above\r\n".to_owned()
            }
            "UID" if command.contains("SEARCH") => "* SEARCH 3 42\r\n$ OK\r\n".to_owned(),
            "UID" => {
                let of = |n, uid, from| {
                    let text = format!("From: {from}\r\nIMDN-Message-ID: one\r\n\r\n");
                    let head = "BODY[HEADER.FIELDS (\"FROM\" \"IMDN-MESSAGE-ID\")]";
                    format!("* {n} FETCH (UID {uid} {head} {{{}}}\r\n{text})\r\n", text.len())
                };
                let ours = of(2, 42, "sip:+12025550100@ims.example.net");
                format!("{}{ours}$ OK\r\n", of(1, 3, "sip:mallory@ims.example.net"))
            }
            _ => return usual(command),
        })
    });
    let (store, _) = plain(fake.address, &config());
    let place = done(store.append(append("bob", "one"))).unwrap();
    assert_eq!((place.uidvalidity, place.uid), (7, 42));
    let heard = fake.heard.lock().unwrap().join("\n");
    assert_eq!(heard.matches("CREATE").count(), 3, "{heard}");
    assert!(heard.contains("CREATE \"INBOX.Default\"\n"), "{heard}");
}

#[test]
fn what_a_server_refuses_for_good_is_told_from_what_may_pass() {
    for (said, may_pass) in [
        ("NO [OVERQUOTA] x", true),
        ("NO [UNAVAILABLE] x", true),
        ("NO [SERVERBUG] x", true),
        ("NO x", true),
        ("NO [CANNOT] x", false),
        ("NO [TOOBIG] x", false),
        ("BAD x", false),
    ] {
        let fake = Fake::start(move |command| match command.split(' ').next() {
            Some("APPEND") => Some(format!("$ {said}\r\n")),
            _ => usual(command),
        });
        let refused = done(plain(fake.address, &config()).0.append(append("bob", "one"))).unwrap_err();
        assert_eq!(refused.may_pass(), may_pass, "{said}: {refused}");
    }
}

#[test]
fn what_is_no_imap_server_is_told_as_such() {
    for greeting in ["HTTP/1.1 400 Bad Request", "* PREAUTH somebody", "* BYE [UNAVAILABLE] later", "\u{0}"] {
        let fake = Fake::start(move |_| Some(greeting.to_owned()));
        let refused = done(plain(fake.address, &config()).0.append(append("bob", "one"))).unwrap_err();
        let expected = matches!(refused, StoreError::Protocol { .. } | StoreError::Unreachable { .. });
        assert!(expected && refused.may_pass(), "{greeting}: {refused}");
    }
    let missing = Store { ca_file: Some("/nowhere.pem".into()), ..config() };
    let server = "imaps://localhost".parse().unwrap();
    let error = ImapStore::start(&server, &missing, Arc::new(Told::default())).err().unwrap();
    assert!(matches!(error, StartError::Authorities { .. }) && error.to_string().contains("/nowhere.pem"), "{error}");
}
