//! The `restante` binary as a process of its own: started, watched, killed and started again on the same data.

use crate::phone::Phone;
use crate::ua::{Caller, PATIENCE};
use crate::wire::{REALM, Registration, address, message};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub const BINARY: &str = env!("CARGO_BIN_EXE_restante");

/// A loopback address whose port is free for UDP and TCP. The ports lie below the range from which the kernel takes
/// those of outgoing sockets, so that a server that is killed finds its port still free a moment later.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    for _ in 0..5000 {
        // Scattered, so that test processes beside this one rarely look at the same port.
        let step = NEXT.fetch_add(1, Ordering::Relaxed) * 7919;
        let port = 11_000 + u16::try_from((u64::from(std::process::id()) * 613 + step) % 20_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port between 11000 and 31000");
}

/// What is said on the command line and in the configuration file.
pub struct Setup {
    pub next_hop: Option<SocketAddr>,
    pub trusted: bool,
    /// The sockets for large messages, with blanks between them.
    pub msrp: &'static str,
    /// Where its directory is made, if not where all are.
    pub place: Option<PathBuf>,
    /// More configuration, as TOML.
    pub config: String,
}

const PLAIN: &str = "msrp:127.0.0.1:0";

impl Setup {
    /// An S-CSCF at this address, on a trusted loopback: the command line of the README.
    pub fn behind(next_hop: SocketAddr) -> Self {
        Self { next_hop: Some(next_hop), trusted: true, msrp: PLAIN, place: None, config: String::new() }
    }

    /// No S-CSCF: what is pushed goes to where the registration came from, on a trusted loopback.
    pub fn alone() -> Self {
        Self { next_hop: None, trusted: true, msrp: PLAIN, place: None, config: String::new() }
    }

    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        writeln!(self.config, "{toml}").unwrap();
        self
    }

    /// Large messages with TLS as well; the configuration names the certificate.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.msrp = "msrp:127.0.0.1:0 msrps:127.0.0.1:0";
        self
    }

    #[must_use]
    pub fn untrusted(mut self) -> Self {
        self.trusted = false;
        self
    }

    /// Its data directory is made in this one.
    #[must_use]
    pub fn at(mut self, place: &tempfile::TempDir) -> Self {
        self.place = Some(place.path().to_owned());
        self
    }

    pub fn start(self) -> Server {
        let home = self.place.as_ref().map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
        let mut server =
            Server { setup: self, home, sip: free_address(), admin: free_address(), child: None, starts: 0 };
        // Between the look and the use another process may have taken the port.
        while let Err(problem) = server.try_start() {
            assert!(server.starts < 5 && problem.contains("in use"), "{problem}");
            (server.sip, server.admin) = (free_address(), free_address());
        }
        server
    }
}

/// A running, or killed, server and its data directory.
pub struct Server {
    setup: Setup,
    home: tempfile::TempDir,
    sip: SocketAddr,
    admin: SocketAddr,
    child: Option<Child>,
    starts: u32,
}

impl Server {
    /// Starts the process, on the data of the one before, and waits until it says that it is ready.
    pub fn start(&mut self) -> Duration {
        self.try_start().unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn try_start(&mut self) -> Result<Duration, String> {
        assert!(self.child.is_none(), "it is running already");
        self.starts += 1;
        let begun = Instant::now();
        let log = std::fs::File::create(self.log_path(self.starts)).unwrap();
        let mut command = Command::new(BINARY);
        command
            .arg("serve")
            .args(["--listen", &format!("udp:{}", self.sip), "--listen", &format!("tcp:{}", self.sip)])
            .args(["--realm", REALM, "--admin", &self.admin.to_string()])
            .arg("--data")
            .arg(self.data());
        if let Some(next_hop) = self.setup.next_hop {
            command.args(["--next-hop", &format!("sip:{next_hop}")]);
        }
        for listen in self.setup.msrp.split(' ') {
            command.args(["--msrp-listen", listen]);
        }
        if self.setup.trusted {
            command.args(["--trusted-peer", "127.0.0.0/8"]);
        }
        if !self.setup.config.is_empty() {
            let file = self.home.path().join("restante.toml");
            std::fs::write(&file, &self.setup.config).unwrap();
            command.arg("--config").arg(file);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        while begun.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return Err(format!("the server ended with {status} before it was ready:\n{}", self.log()));
            }
            if self.get("/readyz").is_some_and(|(status, _)| status == 200) {
                return Ok(begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("the server was not ready within 30 s:\n{}", self.log()))
    }

    /// The configuration of the next start.
    pub fn configure(&mut self, toml: &str) {
        toml.clone_into(&mut self.setup.config);
    }

    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// The socket of the HTTP API.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it is running").id()
    }

    fn log_path(&self, start: u32) -> PathBuf {
        self.home.path().join(format!("server-{start}.log"))
    }

    /// What the last start has printed.
    pub fn log(&self) -> String {
        std::fs::read(self.log_path(self.starts))
            .map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What all starts have printed.
    pub fn logs(&self) -> String {
        (1..=self.starts).map(|start| std::fs::read_to_string(self.log_path(start)).unwrap_or_default()).collect()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it is running");
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the server had ended by itself with {status}:\n{}", self.log());
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends SIGTERM and leaves the process to it.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "kill: {status}");
    }

    /// Waits for the end of a terminated process.
    pub fn wait_for_end(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        let mut child = self.child.take().expect("it is running");
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("the server did not end within {within:?} of SIGTERM:\n{}", self.log());
    }

    pub fn caller(&self) -> Caller {
        Caller::new(self.sip)
    }

    /// GET on the admin port: status and body, `None` if nobody answers.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        self.ask("GET", path, "")
    }

    /// A request on the admin port: status and body, `None` if nobody answers.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.admin, Duration::from_secs(2)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{length}Connection: close\r\n\r\n", self.admin);
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Puts a document of preferences of a user (`rules` or `profile`), or removes it.
    pub fn prefers(&self, user: &str, document: &str, body: Option<&str>) {
        let path = format!("/v1/users/{}/preferences/{document}", address(user).replace('+', "%2B"));
        let method = if body.is_some() { "PUT" } else { "DELETE" };
        let (status, said) = self.ask(method, &path, body.unwrap_or_default()).expect("an answer");
        assert!(matches!(status, 201 | 204), "{method} {path}: {status} {said}");
    }

    /// The sum over all series of this metric; `None` if there is none.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (status, text) = self.get("/metrics")?;
        assert_eq!(status, 200, "{text}");
        let values: Vec<f64> = text
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with([' ', '{']))
            .filter_map(|rest| rest.rsplit(' ').next()?.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Waits until the metric has this value; the panic tells the last one seen.
    pub fn wait_for_metric(&self, name: &str, value: f64) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = None;
        while Instant::now() < deadline {
            seen = self.metric(name);
            if seen.is_some_and(|seen| (seen - value).abs() < 0.5) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{name} is {seen:?}, not {value}\n{}", self.log());
    }

    /// `restante audit timeline` of a user: what it prints.
    pub fn timeline(&self, user: &str) -> String {
        let output = run(&["audit", "timeline", "--user", &address(user), "--data", self.data().to_str().unwrap()]);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until the timeline of a user tells this.
    pub fn wait_for_event(&self, user: &str, event: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let timeline = self.timeline(user);
            if timeline.contains(event) {
                return timeline;
            }
            assert!(Instant::now() < deadline, "no {event} in\n{timeline}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The objects in the message store of a user, as the admin API tells them.
    pub fn stored(&self, user: &str) -> Vec<Vec<u8>> {
        let store = format!("/v1/users/{}/store", address(user).replace('+', "%2B"));
        let get = |path: &str| self.get(path).filter(|(status, _)| *status == 200).map(|(_, body)| body);
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let mut objects = Vec::new();
        let Some(folders) = get(&store) else { return objects };
        for folder in json(&folders)["folders"].as_array().unwrap() {
            let name = folder["name"].as_str().unwrap();
            let page = get(&format!("{store}?folder={name}")).unwrap();
            for object in json(&page)["objects"].as_array().unwrap() {
                objects.push(get(&format!("{store}/{name}/{}", object["uid"])).unwrap().into_bytes());
            }
        }
        objects
    }

    /// What is in the outbox.
    pub fn notices(&self) -> Vec<serde_json::Value> {
        let (status, body) = self.get("/v1/outbox").expect("an answer");
        assert_eq!(status, 200, "{body}");
        let page: serde_json::Value = serde_json::from_str(&body).unwrap();
        page["notices"].as_array().unwrap().iter().map(|entry| entry["notice"].clone()).collect()
    }

    /// Alice sends a message to `user`; it is accepted.
    pub fn deferred(&self, caller: &Caller, user: &str, body: &[u8]) {
        let response = caller.request(&message(caller.via(), user, body));
        assert_eq!(response.status(), Some(202), "{response:#?}\n{}", self.log());
    }

    /// The S-CSCF tells of a registration; it is answered 200.
    pub fn registered(&self, caller: &Caller, registration: &mut Registration, scscf: &Phone, expires: u32) {
        let response = caller.request(&registration.next(caller.via(), scscf.address(), expires));
        assert_eq!(response.status(), Some(200), "{response:#?}\n{}", self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

/// Runs the binary with these arguments to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Both outputs of a process, for messages.
pub fn said(output: &Output) -> String {
    format!("{}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Names under which the tests watch the server.
pub mod metric {
    /// Messages in the queues.
    pub const QUEUED: &str = "restante_queue_messages";
}
