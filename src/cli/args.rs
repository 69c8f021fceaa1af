//! The arguments, as typed values; others script against them, so keep them stable.

mod policy;
mod when;

pub use policy::{
    Bind, DecisionError, Diff, Lang, Limits, Named, New, Past, Place, Policy, Questions, Reason, Server, SignatureFile,
    SignatureFileError, Test, Upload,
};
pub use when::{When, WhenError};

use crate::config::{CallerNameError, Listen, MsrpListen, Overrides, Role, RoleError, check_caller_name, peer};
use crate::types::{Address, MessageId};
use clap::{Args as ClapArgs, Parser, Subcommand};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Poste restante for RCS: an OMA CPM Participating Function that keeps messages for people whose phones are off.
#[derive(Clone, Debug, Parser)]
#[command(name = "restante", version, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Runs the server until SIGTERM or SIGINT
    Serve(Setup),
    /// Checks a configuration without opening a port
    Check(Setup),
    /// Plays the story of a deferred message over loopback SIP and prints each step
    Demo {
        /// The story of three messages that their recipient deals with: deliver, store, delete
        #[arg(long)]
        manage: bool,
        /// The story of a picture, which comes and goes by MSRP
        #[arg(long, conflicts_with = "manage")]
        large: bool,
    },
    /// Policies: the components that decide, from the author's desk to a realm and back
    #[command(subcommand)]
    Policy(Policy),
    /// Bearer tokens of the HTTP API
    #[command(subcommand)]
    Token(Token),
    /// Reads what happened from a data directory, also beside a running server
    #[command(subcommand)]
    Audit(Audit),
}

/// The configuration file and the flags that override it.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Setup {
    /// Configuration file (TOML); without it the embedded default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Socket to listen on, udp:HOST:PORT or tcp:HOST:PORT; may be repeated; replaces those of the file
    #[arg(long, value_name = "TRANSPORT:HOST:PORT")]
    pub listen: Vec<Listen>,
    /// Socket for large messages, msrp:HOST:PORT or msrps:HOST:PORT; may be repeated; replaces those of the file
    #[arg(long, value_name = "SCHEME:HOST:PORT")]
    pub msrp_listen: Vec<MsrpListen>,
    /// SIP domain to serve; may be repeated; added to those of the file
    #[arg(long, value_name = "DOMAIN")]
    pub realm: Vec<String>,
    /// Where pushes go, for every realm
    #[arg(long, value_name = "SIP-URI")]
    pub next_hop: Option<String>,
    /// Address or network of a peer that is believed and never challenged; may be repeated; replaces those of the file
    #[arg(long, value_name = "CIDR", value_parser = peer)]
    pub trusted_peer: Vec<IpNet>,
    /// Data directory
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Socket of the admin API
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: Option<SocketAddr>,
}

/// `restante audit …`
#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Prints every event of a user or of one message, in order
    Timeline(Timeline),
    /// Prints what operators did with policies, and what the server had to do itself, in order
    Operators(Operators),
    /// Recomputes the hash chain of every user's log, and that of the operator stream
    Verify {
        /// Data directory
        #[arg(long, value_name = "DIR", default_value = "./data")]
        data: PathBuf,
    },
}

/// `restante audit operators …`
#[derive(Clone, Debug, ClapArgs)]
pub struct Operators {
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data: PathBuf,
    /// Only entries after this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub after: u64,
    /// One JSON object per line instead of text
    #[arg(long)]
    pub json: bool,
}

/// `restante token …`
#[derive(Clone, Debug, Subcommand)]
pub enum Token {
    /// Prints a fresh token, and what the configuration must say of it
    New {
        /// Who it is for: the name that the operator stream tells as the author
        #[arg(long, value_name = "NAME", value_parser = caller_name)]
        name: String,
        /// What it allows: operator:REALM, operator:*, auditor or sre; may be repeated
        #[arg(long, value_name = "ROLE", value_parser = role, required = true)]
        role: Vec<Role>,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}

fn caller_name(text: &str) -> Result<String, CallerNameError> {
    check_caller_name(text).map(|()| text.to_owned())
}

fn role(text: &str) -> Result<Role, RoleError> {
    Role::try_from(text.to_owned())
}

/// `restante audit timeline …`
#[derive(Clone, Debug, ClapArgs)]
pub struct Timeline {
    #[command(flatten)]
    pub subject: Subject,
    /// Data directory
    #[arg(long, value_name = "DIR", default_value = "./data")]
    pub data: PathBuf,
    /// One JSON object per line instead of text
    #[arg(long)]
    pub json: bool,
}

/// Whose events: exactly one of the two.
#[derive(Clone, Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub struct Subject {
    /// The served user, such as sip:alice@ims.test
    #[arg(long, value_name = "ADDRESS", value_parser = Address::parse)]
    pub user: Option<Address>,
    /// The message: its message-URI-ID or the 32 hexadecimal digits of it
    #[arg(long, value_name = "ID", value_parser = message_id)]
    pub message: Option<MessageId>,
}

/// Why a text names no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this names no message: give 32 hexadecimal digits, or sip:DIGITS@HOST as in the 202")]
pub struct MessageIdError;

fn message_id(text: &str) -> Result<MessageId, MessageIdError> {
    let text = text.strip_prefix("sip:").unwrap_or(text);
    let digits = text.split_once('@').map_or(text, |(digits, _)| digits);
    MessageId::from_hex(digits).ok_or(MessageIdError)
}

impl Setup {
    /// What overrides the file.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        Overrides {
            listen: self.listen.clone(),
            msrp_listen: self.msrp_listen.clone(),
            realms: self.realm.clone(),
            next_hop: self.next_hop.clone(),
            trusted_peers: self.trusted_peer.clone(),
            data: self.data.clone(),
            admin: self.admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Args::try_parse_from(std::iter::once("restante").chain(line.split_whitespace())).map(|args| args.command)
    }

    #[test]
    fn the_arguments_are_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_acceptance_line_is_understood() {
        let line = "serve --listen udp:127.0.0.1:5080 --listen tcp:[::1]:5080 --msrp-listen msrps:[::1]:0 --realm ims.test \
                    --next-hop sip:127.0.0.1:5090 --trusted-peer 127.0.0.0/8 --trusted-peer ::1 --data /tmp/x \
                    --admin 127.0.0.1:0";
        let Command::Serve(setup) = parse(line).unwrap() else { panic!("not serve") };
        let overrides = setup.overrides();
        assert_eq!(overrides.listen.len(), 2);
        assert!(overrides.msrp_listen[0].secure);
        assert_eq!(overrides.realms, ["ims.test"]);
        assert_eq!(overrides.next_hop.as_deref(), Some("sip:127.0.0.1:5090"));
        assert_eq!(overrides.trusted_peers[1].to_string(), "::1/128");
        assert_eq!(overrides.admin, Some("127.0.0.1:0".parse().unwrap()));
    }

    #[test]
    fn a_wrong_socket_or_peer_is_told_with_the_right_form() {
        let error = parse("serve --listen 127.0.0.1:5060").unwrap_err().to_string();
        assert!(error.contains("write udp:HOST:PORT or tcp:HOST:PORT"), "{error}");
        let error = parse("serve --trusted-peer scscf.example").unwrap_err().to_string();
        assert!(error.contains("write an IP address, or a network"), "{error}");
    }

    #[test]
    fn the_commands_of_a_policys_life_are_understood() {
        for line in [
            "policy upload p.wasm --name night --realm a.test --reason x --signature key-1:p.sig",
            "policy list --server https://pf.test:8443 --ca-file ca.pem --certificate me.pem --key me.key --json",
            "policy show standard --token-file token",
            "policy realm a.test",
            "policy realm",
            "policy activate 0123abcd --realm a.test --decision expiry --decision delivery --settings {}",
            "policy shadow night --realm a.test",
            "policy end-shadow --realm a.test",
            "policy rollback --realm a.test --decision expiry --reason worse",
            "policy retire night --reason old",
            "policy events --after 7",
            "policy diff p.wasm --since 24h --realm a.test --threads 2 --json",
            "policy diff night --since 24h --server https://pf.test:8443 --examples 0 --json",
            "policy questions --from ./data --since 2026-11-23T08:00:00Z --limit 5 --out cases",
            "policy new night --lang rust --dir night",
            "policy test night --component other.wasm --json",
            "token new --name anna --role operator:a.test --role auditor",
            "audit operators --after 3 --json",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
    }

    #[test]
    fn a_wrong_decision_signature_moment_or_role_is_told_with_the_right_form() {
        for (line, word) in [
            ("policy activate p --realm a.test --decision expire", "admission, delivery, expiry"),
            ("policy activate p", "--realm"),
            ("policy upload p.wasm --signature p.sig", "KEY-ID:FILE"),
            ("policy list --certificate me.pem", "--key"),
            ("policy diff p.wasm --since yesterday", "24h"),
            ("policy diff p --data d --server https://pf.test", "--server"),
            ("policy diff p --threads 2 --server https://pf.test", "--server"),
            ("policy new p --lang cobol", "python"),
            ("token new --name anna --role root", "operator:REALM"),
            ("token new --name anna", "--role"),
            ("token new --role sre", "--name"),
            ("token new --role sre --name restante", "another name"),
            ("token new --role sre --name a\u{9b}b", "printable"),
            (&format!("token new --role sre --name {}", "x".repeat(65)), "1 to 64"),
            (&format!("policy rollback --realm a.test --reason {}", "x".repeat(513)), "512 octets"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn a_timeline_is_of_a_user_or_of_a_message() {
        let id = "ab".repeat(16);
        for line in [format!("audit timeline --message {id}"), format!("audit timeline --message sip:{id}@pf.test")] {
            let Command::Audit(Audit::Timeline(timeline)) = parse(&line).unwrap() else { panic!("not a timeline") };
            assert_eq!(timeline.subject.message, Some(MessageId([0xab; 16])));
            assert!(timeline.subject.user.is_none());
        }
        assert!(parse("audit timeline --user tel:+12025550200 --json").is_ok());
        assert!(parse("audit timeline").is_err());
        assert!(parse(&format!("audit timeline --user sip:a@b.test --message {id}")).is_err());
        assert!(parse("audit timeline --message abc").is_err());
        assert!(parse("audit timeline --user alice").is_err());
    }
}
