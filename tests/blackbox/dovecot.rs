//! A private Dovecot: its own directory, ports, users and certificate; nothing of the system's is touched.
//!
//! The tests of the library's IMAP client use this file too, so it knows nothing of the other helpers here.
// Not every binary that has this file uses all of it.
#![allow(dead_code)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub const MASTER_USER: &str = "restante";
pub const MASTER_PASSWORD: &str = "let \"me\\ in";

const PATIENCE: Duration = Duration::from_secs(20);

/// A running, or killed, Dovecot and its mail. Every user exists.
pub struct Dovecot {
    home: tempfile::TempDir,
    /// IMAP, STARTTLS offered.
    pub imap: SocketAddr,
    /// IMAP over TLS.
    pub imaps: SocketAddr,
    child: Option<Child>,
}

/// An object as a client of the user's sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub uid: u32,
    pub flags: String,
    pub octets: Vec<u8>,
}

impl Dovecot {
    /// Starts one.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one with more configuration.
    pub fn with(more: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut dovecot = Self { home, imap: free_address(), imaps: free_address(), child: None };
        dovecot.certificate();
        let mail = dovecot.path("mail");
        std::fs::create_dir(&mail).unwrap();
        let (uid, gid) = owner();
        chown(&mail, Some(uid), Some(gid)).unwrap();
        std::fs::write(dovecot.path("masters"), format!("{MASTER_USER}:{{PLAIN}}{MASTER_PASSWORD}\n")).unwrap();
        std::fs::write(dovecot.path("dovecot.conf"), dovecot.config(more)).unwrap();
        dovecot.run();
        dovecot
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// PEM file of the certificate, for `localhost` and 127.0.0.1, signed by itself.
    pub fn ca_file(&self) -> PathBuf {
        self.path("cert.pem")
    }

    fn certificate(&self) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(self.path("key.pem"))
            .arg("-out")
            .arg(self.ca_file())
            .output()
            .expect("openssl is installed: run script/setup");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn config(&self, more: &str) -> String {
        let home = self.home.path().display();
        let (uid, gid) = owner();
        let is_root = uid != own_uid();
        let mut text = format!(
            "protocols = imap\nlisten = 127.0.0.1\nbase_dir = {home}/run\nstate_dir = {home}/state\n\
             log_path = {home}/log\nssl = yes\nssl_cert = <{home}/cert.pem\nssl_key = <{home}/key.pem\n\
             disable_plaintext_auth = no\nauth_mechanisms = plain login\nauth_username_chars =\n\
             auth_master_user_separator = *\nauth_failure_delay = 0\nfirst_valid_uid = 1\n\
             mail_location = maildir:~/mail:LAYOUT=fs\nnamespace inbox {{\n  inbox = yes\n  separator = /\n}}\n\
             passdb {{\n  driver = passwd-file\n  args = {home}/masters\n  master = yes\n}}\n\
             passdb {{\n  driver = static\n  args = password=of-the-user-alone\n}}\n\
             userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={home}/mail/%u allow_all_users=yes\n}}\n\
             service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = {}\n  }}\n  \
             inet_listener imaps {{\n    port = {}\n    ssl = yes\n  }}\n}}\nservice anvil {{\n  chroot =\n}}\n{more}\n",
            self.imap.port(),
            self.imaps.port()
        );
        if !is_root {
            let named = |flag: &str| {
                let output = Command::new("id").arg(flag).output().unwrap();
                String::from_utf8(output.stdout).unwrap().trim().to_owned()
            };
            let (user, group) = (named("-un"), named("-gn"));
            write!(text, "default_internal_user = {user}\ndefault_login_user = {user}\n").unwrap();
            writeln!(text, "default_internal_group = {group}").unwrap();
        }
        text
    }

    /// Starts it, on the mail of the one before.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "it is running already");
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(self.path("dovecot.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        self.child = Some(command.spawn().expect("Dovecot is installed: run script/setup"));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.imap).is_err() || TcpStream::connect(self.imaps).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "Dovecot does not run: {ended:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9` of all its processes.
    pub fn kill(&mut self) {
        self.signal("-KILL");
        // Its children hold the sockets for a moment longer.
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.imap).is_ok() || TcpStream::connect(self.imaps).is_ok() {
            assert!(Instant::now() < deadline, "Dovecot does not die");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops all its processes where they are: connections stay and nothing answers.
    pub fn freeze(&self) {
        self.send("-STOP");
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.send("-CONT");
    }

    fn send(&self, signal: &str) {
        let group = self.child.as_ref().expect("it is running").id();
        // A process group of its own: nobody else is in it.
        let status = Command::new("kill").args([signal, "--", &format!("-{group}")]).status().unwrap();
        assert!(status.success(), "kill: {status}");
    }

    fn signal(&mut self, signal: &str) {
        self.send(signal);
        self.child.take().unwrap().wait().unwrap();
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// What a client of this user's sees in a folder, in order of UID; nothing if there is no such folder.
    pub fn objects(&self, user: &str, folder: &str) -> Vec<Seen> {
        let mut client = Client::log_in(self.imap, user);
        if client.ask(&format!("EXAMINE \"{folder}\"")).is_empty() {
            return Vec::new();
        }
        client.objects()
    }

    /// Has a client of this user's say these commands.
    pub fn say(&self, user: &str, commands: &[&str]) {
        let mut client = Client::log_in(self.imap, user);
        for command in commands {
            assert!(!client.ask(command).is_empty(), "{command} was refused");
        }
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- Dovecot's log ---\n{}", self.log());
        }
        // It may have ended by itself, which its log above tells.
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).output();
            let _ = child.wait();
        }
    }
}

/// A client of the user's own, as simple as can be; its lines need no reader of literals but one.
struct Client(BufReader<TcpStream>);

impl Client {
    fn log_in(server: SocketAddr, user: &str) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self(BufReader::new(stream));
        client.line();
        let password = MASTER_PASSWORD.replace('\\', "\\\\").replace('"', "\\\"");
        assert!(!client.ask(&format!("LOGIN \"{user}*{MASTER_USER}\" \"{password}\"")).is_empty(), "no login");
        client
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "Dovecot closed the connection");
        line
    }

    /// The lines of the answer; empty if it is not OK.
    fn ask(&mut self, command: &str) -> Vec<String> {
        write!(self.0.get_mut(), "t {command}\r\n").unwrap();
        let mut lines = Vec::new();
        loop {
            lines.push(self.line());
            match lines.last().unwrap() {
                line if line.starts_with("t OK") => return lines,
                line if line.starts_with("t ") => return Vec::new(),
                _ => {}
            }
        }
    }

    fn objects(&mut self) -> Vec<Seen> {
        write!(self.0.get_mut(), "t UID FETCH 1:* (UID FLAGS BODY.PEEK[])\r\n").unwrap();
        let mut seen = Vec::new();
        loop {
            let line = self.line();
            if line.starts_with("t ") {
                return seen;
            }
            let Some((head, size)) = line.trim_end().strip_suffix('}').and_then(|line| line.rsplit_once('{')) else {
                continue;
            };
            let mut octets = vec![0; size.parse().unwrap()];
            self.0.read_exact(&mut octets).unwrap();
            self.line();
            let word =
                |after: &str, until: char| head.split_once(after).unwrap().1.split(until).next().unwrap().to_owned();
            seen.push(Seen { uid: word("UID ", ' ').parse().unwrap(), flags: word("FLAGS (", ')'), octets });
        }
    }
}

fn own_uid() -> u32 {
    let uid = Command::new("id").arg("-u").output().unwrap().stdout;
    String::from_utf8(uid).unwrap().trim().parse().unwrap()
}

/// Whose the mail is: Dovecot refuses that it be root's.
fn owner() -> (u32, u32) {
    let id = |flag: &str, name: &str| {
        let output = Command::new("id").args([flag, name]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    if own_uid() == 0 {
        return (id("-u", "mail"), id("-g", "mail"));
    }
    let gid = Command::new("id").arg("-g").output().unwrap().stdout;
    (own_uid(), String::from_utf8(gid).unwrap().trim().parse().unwrap())
}

/// A loopback address whose port is free, below the range of outgoing sockets.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    for _ in 0..5000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) * 7919;
        let port = 11_000 + u16::try_from((u64::from(std::process::id()) * 911 + step) % 20_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port between 11000 and 31000");
}
