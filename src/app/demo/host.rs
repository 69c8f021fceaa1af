//! The server of the demo: this program as a child process, in a directory that goes when the demo ends.

use super::{DemoError, io};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long to wait for the child to do something.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of the demo's own.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub fn make() -> Result<Self, DemoError> {
        let directory = std::env::temp_dir().join(format!("restante-demo-{}", std::process::id()));
        std::fs::create_dir_all(&directory).map_err(io("no directory could be made"))?;
        Ok(Self(directory))
    }

    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is in the system's temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub(super) struct Host {
    child: Child,
    sip: SocketAddr,
    admin: SocketAddr,
}

impl Host {
    /// Starts `restante serve` on free ports and reads from its first lines where it listens.
    pub fn start(directory: &Directory) -> Result<Self, DemoError> {
        let program = std::env::current_exe().map_err(io("this program cannot find itself"))?;
        let mut child = Command::new(program)
            .args([
                "serve",
                "--listen",
                "udp:127.0.0.1:0",
                "--msrp-listen",
                "msrp:127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--data",
            ])
            .arg(directory.data())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io("the server could not be started"))?;
        let (mut sip, mut admin, mut said) = (None, None, String::new());
        let mut lines = BufReader::new(child.stderr.take().ok_or_else(nothing)?).lines();
        for line in lines.by_ref().map_while(Result::ok) {
            if let Some(address) = line.trim().strip_prefix("SIP").and_then(|rest| rest.trim().strip_prefix("udp:")) {
                sip = address.parse().ok();
            }
            if let Some((_, rest)) = line.split_once("http://").filter(|_| line.trim().starts_with("admin")) {
                admin = rest.split('/').next().and_then(|address| address.parse().ok());
            }
            if line.starts_with("try next") {
                break;
            }
            said = line;
        }
        // Whatever else it says is read and dropped, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let failed = || DemoError::NotStarted(std::io::Error::other(said));
        Ok(Self { sip: sip.ok_or_else(failed)?, admin: admin.ok_or_else(nothing)?, child })
    }

    pub const fn sip(&self) -> SocketAddr {
        self.sip
    }

    pub fn listening(&self) -> String {
        format!("restante serve on udp:{}", self.sip)
    }

    /// SIGKILL: no chance to save anything.
    pub fn kill(mut self) -> Result<(), DemoError> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(io("the server could not be killed"))
    }

    /// SIGTERM: it drains and says 0.
    pub fn stop(mut self) -> Result<(), DemoError> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|error| DemoError::Io { what: "the server could not be told to stop", cause: error.into() })?;
        let status = self.child.wait().map_err(io("the server's end could not be awaited"))?;
        if status.success() { Ok(()) } else { Err(DemoError::Silence { who: "the demo", what: "exit code 0" }) }
    }

    /// Waits until the metrics say so.
    pub fn wait_for_metric(&self, line: &str) -> Result<(), DemoError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.metrics().map_err(io("the metrics could not be read"))?.lines().any(|metric| metric == line) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(DemoError::Silence { who: "the demo", what: "a metric" })
    }

    /// One request to the HTTP API: the status and the body of the answer.
    pub fn http(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), DemoError> {
        self.exchange(method, path, body).map_err(io("the HTTP API could not be asked"))
    }

    fn metrics(&self) -> std::io::Result<String> {
        self.exchange("GET", "/metrics", "").map(|(_, text)| text)
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.admin, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.0\r\nHost: demo\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let text = text.replace('\r', "");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Ok((status, body.to_owned()))
    }
}

impl Drop for Host {
    /// A demo that failed leaves nobody behind; one that has been stopped is long gone.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn nothing() -> DemoError {
    DemoError::Silence { who: "the demo", what: "the server's first lines" }
}
