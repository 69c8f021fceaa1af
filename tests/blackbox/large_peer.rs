//! The far end of large messages: the Python peer of the tests (`tests/peers`) as a process, and its lines of JSON.

use crate::server::Server;
use crate::wire::{ALICE, address};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/peer.py");
/// Longer than the peer's own patience, so that it can say what it waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running peer.
pub struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    errors: Option<JoinHandle<String>>,
    seen: Vec<Value>,
}

/// What a peer has said from its start to its end.
#[derive(Debug)]
pub struct Told {
    pub lines: Vec<Value>,
    /// 0: everything asked for happened.
    pub code: Option<i32>,
    /// What it printed beside its lines: nothing, if all is well.
    pub errors: String,
}

impl Peer {
    /// Runs it with exactly these arguments.
    pub fn run(arguments: &[&str]) -> Self {
        let mut child = Command::new("python3")
            .arg(PROGRAM)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 is installed: run script/setup");
        let (give, lines) = channel();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if give.send(value).is_err() {
                    break;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Self { stdin: child.stdin.take(), child, lines, errors: Some(errors), seen: Vec::new() }
    }

    /// A trusted peer's: Alice sends a large message to this user of the server's.
    pub fn sending(server: &Server, user: &str, options: &[&str]) -> Self {
        let (server, from, to) = (server.sip().to_string(), address(ALICE), address(user));
        let common = ["send", "--server", &server, "--pai", "--from", &from, "--to", &to];
        Self::run(&[&common, options].concat())
    }

    /// This user registers, as through a trusted peer, and takes what comes. Returns when the registration is there.
    pub fn receiving(server: &Server, user: &str, options: &[&str]) -> Self {
        let (server, user) = (server.sip().to_string(), address(user));
        let mut peer = Self::run(&[&["receive", "--server", &server, "--pai", "--user", &user], options].concat());
        peer.wait_for("ready");
        peer
    }

    /// The next line of this kind; panics if none comes.
    pub fn wait_for(&mut self, event: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line["event"] == event {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no '{event}' within {PATIENCE:?}: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.child.wait();
                    let errors = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
                    panic!("the peer ended without '{event}': {:#?}\n{errors}", self.seen);
                }
            }
        }
    }

    /// Waits until this many transfers are held (`--hold-at`).
    pub fn wait_until_held(&mut self, count: u64) {
        while self.wait_for("held")["count"] != count {}
    }

    /// Lets those go on that are held.
    pub fn go_on(&mut self) {
        let stdin = self.stdin.as_mut().expect("it was not closed");
        stdin.write_all(b"\n").and_then(|()| stdin.flush()).unwrap();
    }

    /// Ends it now and gives everything that it said before.
    pub fn stop(mut self) -> Told {
        let _ = self.child.kill();
        self.finish()
    }

    /// Waits for its end and gives everything that it said.
    pub fn finish(mut self) -> Told {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("the peer did not end within {PATIENCE:?}: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let code = self.child.wait().unwrap().code();
        let errors = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        Told { lines: std::mem::take(&mut self.seen), code, errors }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Told {
    /// All lines of this kind, in order.
    pub fn such(&self, event: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["event"] == event).collect()
    }

    /// The only line of this kind.
    pub fn only(&self, event: &str) -> &Value {
        let such = self.such(event);
        assert_eq!(such.len(), 1, "not one '{event}': {self:#?}");
        such[0]
    }

    /// Everything that was asked of the peer has happened; panics with all that it said if not.
    pub fn good(self) -> Self {
        assert!(self.code == Some(0) && self.errors.is_empty(), "{self:#?}");
        self
    }

    /// The digests (SHA-256, as hexadecimal text) of the messages that this kind of line tells of, sorted.
    pub fn digests(&self, event: &str) -> Vec<String> {
        let mut digests: Vec<_> = self.such(event).iter().map(|line| text(line, "sha256").to_owned()).collect();
        digests.sort();
        digests
    }
}

/// A text in a line; panics if there is none.
pub fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap_or_else(|| panic!("no text '{name}' in {line:#}"))
}

/// A header field of a request or response in a line; the first, if there are several.
pub fn header<'a>(line: &'a Value, message: &str, name: &str) -> Option<&'a str> {
    let value = &line[message][name];
    value.as_str().or_else(|| value[0].as_str())
}
