//! `restante check`: is this configuration good, and what would the server do with it?

use super::args::Setup;
use super::{CliError, load, out};
use crate::admin;
use crate::config::{Config, Realm};
use std::path::Path;

pub(super) fn run(setup: &Setup) -> Result<(), CliError> {
    let config = load(setup.config.as_deref(), &setup.overrides())?;
    if let Some(file) = &config.policy.component {
        component(file, config.policy.component_bytes_max as u64)?;
    }
    if let Some(tls) = &config.admin.tls {
        admin::check_tls(tls)?;
    }
    summary(&config).iter().for_each(out::result);
    notes(&config).iter().for_each(out::message);
    Ok(())
}

/// Only that it is there and not too long: `restante policy check` looks inside.
fn component(file: &Path, max: u64) -> Result<(), CliError> {
    let length = std::fs::metadata(file).map_err(|cause| CliError::Read { file: file.to_owned(), cause })?.len();
    if length > max {
        return Err(CliError::ComponentTooLong { file: file.to_owned(), length, max });
    }
    Ok(())
}

/// What the server would do, one line each. User names and passwords are not shown.
fn summary(config: &Config) -> Vec<String> {
    let mut lines = vec!["the configuration is good".to_owned()];
    let mut line = |name: &str, value: String| lines.push(format!("{name:<14} {value}"));
    line("listens on", join(&config.sip.listen));
    line("host", config.host());
    let no_large = || "nothing: no large messages".to_owned();
    let msrp = &config.msrp.listen;
    line("large messages", if msrp.is_empty() { no_large() } else { join(msrp) });
    for (name, realm) in &config.realms {
        line("realm", format!("{name}: {}", of_realm(realm)));
    }
    line(
        "trusted peers",
        if config.sip.trusted_peers.is_empty() { "none".into() } else { join(&config.sip.trusted_peers) },
    );
    line("data", config.journal.directory.display().to_string());
    let embedded = || "the embedded standard policy".to_owned();
    line("policy", config.policy.component.as_ref().map_or_else(embedded, |file| file.display().to_string()));
    line("admin", format!("{}://{}", config.admin.scheme(), config.admin.listen));
    lines
}

fn of_realm(realm: &Realm) -> String {
    let digest = if realm.digest { format!("digest, {} users", realm.users.len()) } else { "no digest".to_owned() };
    let next_hop = realm.next_hop.as_deref().map_or_else(String::new, |next_hop| format!(", next hop {next_hop}"));
    format!("{digest}{next_hop}, messages kept {} s at most", realm.expiry_max_secs)
}

/// What is allowed, but may not be meant.
fn notes(config: &Config) -> Vec<String> {
    let untrusting = config.sip.trusted_peers.is_empty();
    let mut notes = Vec::new();
    for (name, realm) in &config.realms {
        if !realm.digest {
            notes.push(format!(
                "note: realm {name} has no digest: whoever reaches a socket can register as anyone in it"
            ));
        } else if realm.users.is_empty() && untrusting {
            notes.push(format!(
                "note: nobody can register in realm {name}: it has no users and there are no trusted peers"
            ));
        }
    }
    notes.extend(admin::remark(&config.admin, config.admin.listen).map(|remark| format!("note: {remark}")));
    notes
}

fn join<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_summary_tells_what_the_server_would_do_and_no_secrets() {
        let text = summary(&Config::default()).join("\n");
        for part in [
            "udp:127.0.0.1:5060, tcp:127.0.0.1:5060",
            "msrp:127.0.0.1:2855",
            "restante.test: digest, 2 users",
            "./data",
            "127.0.0.1:8080",
        ] {
            assert!(text.contains(part), "{part} is missing from\n{text}");
        }
        assert!(!text.contains("alice"), "{text}");
        assert!(notes(&Config::default()).is_empty());
    }

    #[test]
    fn the_api_is_told_with_its_scheme_and_with_who_can_reach_it() {
        let mut config = Config::default();
        config.admin.listen = "192.0.2.10:8443".parse().unwrap();
        assert!(notes(&config).iter().any(|note| note.contains("admin.tokens")), "{:?}", notes(&config));
        let token = ("alice", "0".repeat(64), vec![config::Role::Sre]);
        config.admin.tokens = vec![config::AdminToken { name: token.0.to_owned(), sha256: token.1, roles: token.2 }];
        assert!(notes(&config).iter().any(|note| note.contains("set admin.tls")), "{:?}", notes(&config));
        assert!(summary(&config).join("\n").contains("http://192.0.2.10:8443"));
        let file = |name: &str| Path::new("/nowhere").join(name);
        let tls = config::AdminTls { certificate: file("pem"), key: file("key"), client_ca: None };
        config.admin.tls = Some(tls);
        assert!(notes(&config).is_empty(), "{:?}", notes(&config));
        assert!(summary(&config).join("\n").contains("https://192.0.2.10:8443"));
    }

    #[test]
    fn an_open_or_closed_realm_is_remarked_on() {
        let realms = [("open.test", false), ("closed.test", true)]
            .map(|(name, digest)| (name.to_owned(), Realm { digest, ..Realm::default() }))
            .into();
        let config = Config { realms, ..Config::default() };
        let notes = notes(&config);
        assert!(notes.iter().any(|note| note.contains("open.test has no digest")), "{notes:?}");
        assert!(notes.iter().any(|note| note.contains("nobody can register in realm closed.test")), "{notes:?}");
    }
}
