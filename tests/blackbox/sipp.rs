//! Runs SIPp scenarios from `tests/sipp` against the server.

use crate::ua::Message;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest run of one SIPp, seconds.
const LONGEST: u64 = 40;

/// A SIPp process with its trace in a directory of its own.
pub struct Sipp {
    child: Child,
    home: tempfile::TempDir,
    scenario: String,
}

impl Sipp {
    /// Starts a scenario as a client of `server`; options such as `-m 1 -s USER` as on its command line.
    pub fn client(scenario: &str, server: SocketAddr, options: &[&str]) -> Self {
        let mut arguments = vec![server.to_string()];
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        Self::start(scenario, &arguments)
    }

    /// Starts a scenario that waits for `calls` requests on this address.
    pub fn server(scenario: &str, address: SocketAddr, calls: u32) -> Self {
        let arguments = ["-p", &address.port().to_string(), "-m", &calls.to_string()];
        let mut sipp = Self::start(scenario, &arguments.map(str::to_owned));
        let deadline = Instant::now() + Duration::from_secs(10);
        while UdpSocket::bind(address).is_ok() {
            if let Some(status) = sipp.child.try_wait().unwrap() {
                panic!("sipp {scenario} ended with {status}:\n{}", sipp.said());
            }
            assert!(Instant::now() < deadline, "sipp {scenario} does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        sipp
    }

    fn start(scenario: &str, arguments: &[String]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(scenario);
        let output = std::fs::File::create(home.path().join("output")).unwrap();
        let child = Command::new("sipp")
            .arg("-sf")
            .arg(file)
            .args(arguments)
            .args([
                "-i",
                "127.0.0.1",
                "-nostdin",
                "-nd",
                "-buff_size",
                "4194304",
                "-timeout_error",
                "-timeout",
                &LONGEST.to_string(),
            ])
            .args(["-trace_msg", "-message_file", "messages", "-trace_logs", "-log_file", "logs"])
            .args(["-trace_err", "-error_file", "errors"])
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("sipp cannot be started ({error}): these tests need Debian's sip-tester; run script/setup")
            });
        Self { child, home, scenario: scenario.to_owned() }
    }

    /// Waits for the end; every call must have succeeded.
    pub fn succeeds(mut self) -> Trace {
        let status = self.ends();
        assert!(status.success(), "sipp {} ended with {status}:\n{}", self.scenario, self.said());
        Trace {
            messages: std::fs::read(self.file("messages")).unwrap_or_default(),
            logs: std::fs::read_to_string(self.file("logs")).unwrap_or_default(),
        }
    }

    /// Waits for the end; a call must have failed, which SIPp tells by ending with 1.
    pub fn fails(mut self) {
        let status = self.ends();
        assert_eq!(status.code(), Some(1), "sipp {}:\n{}", self.scenario, self.said());
    }

    fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(LONGEST + 10);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "sipp {} does not end", self.scenario);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn said(&self) -> String {
        ["errors", "messages"]
            .map(|name| String::from_utf8_lossy(&std::fs::read(self.file(name)).unwrap_or_default()).into_owned())
            .join("\n")
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What SIPp wrote down.
pub struct Trace {
    messages: Vec<u8>,
    /// Lines of the scenario's `<log>` actions.
    pub logs: String,
}

impl Trace {
    pub fn received(&self) -> Vec<Message> {
        self.after(b"message received [")
    }

    pub fn sent(&self) -> Vec<Message> {
        self.after(b"message sent (")
    }

    /// The messages behind this mark, which the number of octets, some words and an empty line follow.
    fn after(&self, mark: &[u8]) -> Vec<Message> {
        let mut found = Vec::new();
        let mut rest = &self.messages[..];
        while let Some(place) = rest.windows(mark.len()).position(|part| part == mark) {
            rest = &rest[place + mark.len()..];
            let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
            let length: usize = std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap();
            let start = rest.windows(2).position(|part| part == b"\n\n").expect("the message") + 2;
            found.push(Message::parse(&rest[start..start + length]).expect("a SIP message in SIPp's trace"));
            rest = &rest[start + length..];
        }
        found
    }
}
