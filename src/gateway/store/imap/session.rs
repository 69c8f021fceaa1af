//! The few commands of IMAP4rev1 and UIDPLUS that storing takes, on a connection that is logged in for one user.

use super::super::{Content, Location, Mark, StoreError, folder};
use super::credentials::Credentials;
use super::link::{Answer, Link, Then, protocol};
use super::wire::{Code, Condition, Token};
use crate::config::ImapServer;
use crate::types::Address;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// Objects whose headers are read at a time.
const FETCHED_MAX: usize = 100;

/// A connection that acts for one user.
pub(super) struct Session {
    link: Link,
    namespace: Namespace,
    /// The server takes NUL octets (RFC 3516).
    binary: bool,
}

/// Where the user's own folders are (RFC 2342).
#[derive(Debug, PartialEq, Eq)]
struct Namespace {
    prefix: String,
    /// Between levels; none on a server that has no levels.
    separator: Option<char>,
}

/// An object to be appended or looked for.
pub(super) struct Sought<'a> {
    pub folder: &'a str,
    pub id: &'a str,
    pub mark: Mark,
}

impl Session {
    /// Connects, logs in and looks at what the server can do.
    pub async fn open(
        server: &ImapServer,
        tls: &TlsConnector,
        credentials: &Credentials,
        user: &Address,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let mut link = Link::open(server, tls, patience).await?;
        let before = capabilities(&mut link).await?;
        if !before.iter().any(|token| token.is("IMAP4rev1")) {
            return Err(StoreError::Lacks { what: "IMAP4rev1" });
        }
        credentials.log_in(&mut link, user).await?;
        let can = capabilities(&mut link).await?;
        let has = |name: &str| can.iter().any(|token| token.is(name));
        if !has("UIDPLUS") {
            return Err(StoreError::Lacks { what: "UIDPLUS (RFC 4315), without which a stored message has no UID" });
        }
        let namespace = Namespace::ask(&mut link, has("NAMESPACE")).await?;
        Ok(Self { link, namespace, binary: has("BINARY") })
    }

    /// Appends an object, unseen; makes its folder if there is none.
    pub async fn append(&mut self, sought: &Sought<'_>, object: &Content) -> Result<Location, StoreError> {
        let name = self.namespace.quoted(sought.folder)?;
        let octets = object.length();
        // Only a literal8 may have NUL octets (RFC 3516 section 4.4).
        let mark = match object.has_nul().await? {
            true if self.binary => "~",
            true => return Err(StoreError::Refused { command: "append", code: "NUL without BINARY".to_owned() }),
            false => "",
        };
        let command = format!("APPEND {name} () {mark}{{{octets}}}");
        let mut answer = self.link.exchange(&command, Then::Object(object)).await?;
        if is_absent(&answer) {
            let created = self.create(sought.folder).await?;
            answer = self.link.exchange(&command, Then::Object(object)).await?;
            if is_absent(&answer) {
                return Err(refusal("create", &created));
            }
        }
        if answer.condition != Condition::Ok {
            return Err(refusal("append", &answer));
        }
        if let Some((uidvalidity, uid)) = append_uid(&answer.code) {
            return Ok(Location { folder: sought.folder.to_owned(), uidvalidity, uid });
        }
        // A folder whose UIDs do not last tells none (RFC 4315 section 2); some servers forget.
        self.find(sought).await?.ok_or(protocol("it tells no UID of what it stored, and does not find it"))
    }

    /// The folder and those above it. A refusal is no error yet: another may have made it meanwhile.
    async fn create(&mut self, path: &str) -> Result<Answer, StoreError> {
        let command = format!("CREATE {}", self.namespace.quoted(path)?);
        let answer = self.link.command(&command).await?;
        if answer.condition == Condition::Ok || path == folder::ROOT {
            return Ok(answer);
        }
        // RFC 3501 section 6.3.3 only wishes that servers make what is above.
        let root = format!("CREATE {}", self.namespace.quoted(folder::ROOT)?);
        self.link.command(&root).await?;
        self.link.command(&command).await
    }

    /// Where an object is, if it is there. SEARCH finds whatever contains the text, so the headers are compared.
    pub async fn find(&mut self, sought: &Sought<'_>) -> Result<Option<Location>, StoreError> {
        let Some(uidvalidity) = self.enter("EXAMINE", sought.folder).await? else { return Ok(None) };
        let id = quoted(sought.id).ok_or_else(|| StoreError::Refused { command: "search", code: "ID".to_owned() })?;
        let answer = self.link.command(&format!("UID SEARCH UNDELETED HEADER IMDN-Message-ID {id}")).await?;
        if answer.condition != Condition::Ok {
            return Err(refusal("search", &answer));
        }
        let found = answer.data.iter().filter(|data| data.first().is_some_and(|first| first.is("SEARCH")));
        let mut uids: Vec<u32> = found.flatten().filter_map(Token::number).collect();
        uids.sort_unstable();
        for some in uids.chunks(FETCHED_MAX) {
            if let Some(uid) = self.marked(some, sought.mark).await? {
                return Ok(Some(Location { folder: sought.folder.to_owned(), uidvalidity, uid }));
            }
        }
        Ok(None)
    }

    /// The first of these objects that has this mark.
    async fn marked(&mut self, uids: &[u32], mark: Mark) -> Result<Option<u32>, StoreError> {
        let uids = uids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let fields = "BODY.PEEK[HEADER.FIELDS (FROM IMDN-MESSAGE-ID)]";
        let answer = self.link.command(&format!("UID FETCH {uids} (UID {fields})")).await?;
        if answer.condition != Condition::Ok {
            return Err(refusal("fetch", &answer));
        }
        let is_it = |data: &&Vec<Token>| {
            data.get(1).is_some_and(|second| second.is("FETCH"))
                && data.iter().any(|token| matches!(token, Token::Text(text) if Mark::of(text) == mark))
        };
        let uid = |data: &Vec<Token>| {
            let at = data.iter().position(|token| token.is("UID"))?;
            data.get(at + 1)?.number()
        };
        Ok(answer.data.iter().filter(is_it).filter_map(uid).min())
    }

    /// Removes an object; one that is gone, alone or with its folder, is removed.
    pub async fn remove(&mut self, location: &Location) -> Result<(), StoreError> {
        match self.enter("SELECT", &location.folder).await? {
            Some(uidvalidity) if uidvalidity == location.uidvalidity => {}
            // Another folder of the name: its UIDs name other objects.
            Some(_) | None => return Ok(()),
        }
        for command in ["UID STORE # +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE #"] {
            let answer = self.link.command(&command.replace('#', &location.uid.to_string())).await?;
            if answer.condition != Condition::Ok {
                return Err(refusal("remove", &answer));
            }
        }
        Ok(())
    }

    /// Enters a folder and tells its UIDVALIDITY; `None` if there is no such folder.
    async fn enter(&mut self, verb: &str, path: &str) -> Result<Option<u32>, StoreError> {
        let name = self.namespace.quoted(path)?;
        let answer = self.link.command(&format!("{verb} {name}")).await?;
        if answer.condition == Condition::Ok {
            let told = answer.codes.iter().find(|code| code.name == "UIDVALIDITY");
            let uidvalidity = told.and_then(|code| code.values.first()?.parse().ok());
            return uidvalidity.map(Some).ok_or(protocol("it tells no UIDVALIDITY"));
        }
        if is_absent(&answer) {
            return Ok(None);
        }
        // A server without RFC 5530 does not say why.
        let listed = self.link.command(&format!("LIST \"\" {name}")).await?;
        let is_there = listed.data.iter().any(|data| data.first().is_some_and(|first| first.is("LIST")));
        if listed.condition == Condition::Ok && !is_there { Ok(None) } else { Err(refusal("open a folder", &answer)) }
    }

    /// Ends it politely.
    pub async fn close(self) {
        self.link.close().await;
    }
}

async fn capabilities(link: &mut Link) -> Result<Vec<Token>, StoreError> {
    let answer = link.command("CAPABILITY").await?;
    let told = answer.data.into_iter().find(|data| data.first().is_some_and(|first| first.is("CAPABILITY")));
    told.filter(|_| answer.condition == Condition::Ok).ok_or(protocol("it tells no capabilities"))
}

impl Namespace {
    async fn ask(link: &mut Link, has_namespace: bool) -> Result<Self, StoreError> {
        if has_namespace {
            let answer = link.command("NAMESPACE").await?;
            let told = answer.data.iter().find_map(|data| Self::personal(data));
            if let Some(told) = told {
                return told;
            }
        }
        let answer = link.command("LIST \"\" \"\"").await?;
        let told = answer.data.iter().find(|data| data.first().is_some_and(|first| first.is("LIST")));
        let after =
            told.and_then(|data| data.iter().position(|token| *token == Token::Close).map(|at| &data[at + 1..]));
        let separator = after.and_then(<[Token]>::first).ok_or(protocol("it tells no hierarchy separator"))?;
        Self::of(&Token::Text(Vec::new()), separator)
    }

    /// `NAMESPACE (("prefix" "separator") …) …`
    fn personal(data: &[Token]) -> Option<Result<Self, StoreError>> {
        match data {
            [name, Token::Open, Token::Open, prefix, separator, ..] if name.is("NAMESPACE") => {
                Some(Self::of(prefix, separator))
            }
            _ => None,
        }
    }

    fn of(prefix: &Token, separator: &Token) -> Result<Self, StoreError> {
        let prefix = match prefix {
            Token::Text(text) => String::from_utf8(text.clone()).ok(),
            _ => None,
        };
        let separator = match separator {
            Token::Text(text) => match text.as_slice() {
                [octet] if folder::separates(*octet) => Some(Some(char::from(*octet))),
                _ => None,
            },
            token => token.is("NIL").then_some(None),
        };
        match (prefix, separator) {
            (Some(prefix), Some(separator)) => Ok(Self { prefix, separator }),
            _ => Err(StoreError::Lacks { what: "a hierarchy separator such as / or ." }),
        }
    }

    /// A folder as the server names it, in quotes.
    fn quoted(&self, path: &str) -> Result<String, StoreError> {
        let separator = self.separator.map_or_else(|| "=_".to_owned(), |separator| separator.to_string());
        let name = format!("{}{}", self.prefix, path.replace(folder::SEPARATOR, &separator));
        quoted(&name).ok_or(protocol("a folder name that it could not understand"))
    }
}

/// As a quoted string (RFC 3501 section 4.3); `None` for what only a literal could say.
pub(super) fn quoted(text: &str) -> Option<String> {
    text.bytes().all(|b| (b' '..0x7f).contains(&b)).then(|| {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    })
}

/// `APPENDUID uidvalidity uid` (RFC 4315 section 3).
fn append_uid(code: &Code) -> Option<(u32, u32)> {
    let [uidvalidity, uid] = code.values.as_slice() else { return None };
    let values = uidvalidity.parse().ok().zip(uid.parse().ok());
    values.filter(|_| code.name == "APPENDUID")
}

/// There is no such folder (RFC 3501 section 7.1, RFC 5530).
fn is_absent(answer: &Answer) -> bool {
    answer.condition == Condition::No && matches!(answer.code.name.as_str(), "TRYCREATE" | "NONEXISTENT")
}

/// What a NO or BAD means (RFC 5530): only what tells of this very object or folder is for good.
pub(super) fn refusal(command: &'static str, answer: &Answer) -> StoreError {
    let code = match answer.code.name.as_str() {
        "" if answer.condition == Condition::Bad => "BAD",
        "" => "NO",
        code => code,
    };
    match code {
        "OVERQUOTA" => StoreError::Quota,
        "AUTHENTICATIONFAILED" | "AUTHORIZATIONFAILED" | "EXPIRED" | "PRIVACYREQUIRED" => StoreError::Login,
        "BAD" | "CANNOT" | "NOPERM" | "TOOBIG" | "PARSE" | "UNKNOWN-CTE" | "CLIENTBUG" | "ALREADYEXISTS" => {
            StoreError::Refused { command, code: code.to_owned() }
        }
        _ => StoreError::Unavailable { code: code.to_owned() },
    }
}
