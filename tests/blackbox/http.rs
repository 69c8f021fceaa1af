//! A small HTTP server of the tests' own, written from RFC 9112 with plain sockets: what comes is kept, and a rule answers.

use crate::ua::PATIENCE;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What is answered: a status, header lines and a body.
pub struct Answer(pub u16, pub Vec<String>, pub Vec<u8>);

/// `None` ends the connection without an answer.
type Rule = Box<dyn FnMut(&Request) -> Option<Answer> + Send>;

struct Shared {
    rule: Mutex<Rule>,
    came: Mutex<Vec<Request>>,
    changed: Condvar,
    stop: AtomicBool,
}

/// A running server; it ends with its owner.
pub struct HttpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Answer {
    /// A status alone.
    pub fn status(status: u16) -> Self {
        Self(status, Vec::new(), Vec::new())
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The next request on a connection; `None` at its end.
    fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut line = || {
            let mut line = String::new();
            (stream.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
        };
        let start = line()?;
        let mut words = start.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        while let Some((name, value)) = line()?.split_once(':') {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let mut request = Self { method, path, headers, body: Vec::new() };
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        request.body = vec![0; length];
        stream.read_exact(&mut request.body).ok()?;
        Some(request)
    }
}

impl HttpServer {
    pub fn start(rule: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::new(Shared {
            rule: Mutex::new(Box::new(rule)),
            came: Mutex::default(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let inside = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !inside.stop.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                let inside = Arc::clone(&inside);
                // It ends when the other side goes away.
                std::thread::spawn(move || inside.serve(stream));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on requests are answered by this rule.
    pub fn change(&self, rule: impl FnMut(&Request) -> Option<Answer> + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// Everything that has come so far, in order.
    pub fn came(&self) -> Vec<Request> {
        self.shared.came.lock().unwrap().clone()
    }

    /// Waits until `count` requests have come, and gives them all; panics if they do not come.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        let came = self.shared.came.lock().unwrap();
        let (came, _) = self.shared.changed.wait_timeout_while(came, PATIENCE, |came| came.len() < count).unwrap();
        assert!(came.len() >= count, "{} of {count} requests came within {PATIENCE:?}: {came:#?}", came.len());
        came.clone()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = Request::read(&mut stream) {
            let answer = (self.rule.lock().unwrap())(&request);
            self.came.lock().unwrap().push(request);
            self.changed.notify_all();
            let Some(Answer(status, headers, body)) = answer else { return };
            let lines: String = headers.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
            let length = if status == 304 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
            let head = format!("HTTP/1.1 {status} As the test says\r\n{lines}{length}\r\n");
            if stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).is_err() {
                return;
            }
        }
    }
}
