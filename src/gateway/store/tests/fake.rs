//! A server that says what a test wants, to show what real ones seldom do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A fake server; its thread ends with the process.
pub(super) struct Fake {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    /// The commands it heard, without their tags.
    pub heard: Arc<Mutex<Vec<String>>>,
    /// The literals that came whole, without the end of the line.
    pub literals: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// What it answers to a command: lines in which `$` stands for the tag; `None` for silence.
pub(super) type Script = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Fake {
    pub fn start(script: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let fake = Self { address, connections: Arc::default(), heard: Arc::default(), literals: Arc::default() };
        let connections = Arc::clone(&fake.connections);
        let (heard, literals) = (Arc::clone(&fake.heard), Arc::clone(&fake.literals));
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::Relaxed);
                let (script, heard, literals) = (Arc::clone(&script), Arc::clone(&heard), Arc::clone(&literals));
                std::thread::spawn(move || converse(stream, &*script, &heard, &literals));
            }
        });
        fake
    }
}

fn converse(stream: TcpStream, script: &Script, heard: &Mutex<Vec<String>>, literals: &Mutex<Vec<Vec<u8>>>) {
    let mut writer = stream.try_clone().unwrap();
    let greeting = script("GREETING").unwrap_or_else(|| "* OK ready".to_owned());
    if greeting == "HANG UP" || writer.write_all(format!("{greeting}\r\n").as_bytes()).is_err() {
        return;
    }
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|octets| octets > 0) {
        let (tag, command) = line.trim_end().split_once(' ').unwrap_or_default();
        heard.lock().unwrap().push(command.to_owned());
        let answer = script(command).unwrap_or_default().replace('$', tag);
        let (first, rest) =
            if answer.starts_with('+') { answer.split_once('\n').unwrap() } else { ("", answer.as_str()) };
        if !first.is_empty() && (writeln!(writer, "{first}").is_err() || !continued(command, &mut reader, literals)) {
            return;
        }
        if rest == "HANG UP" || writer.write_all(rest.as_bytes()).is_err() {
            return;
        }
        line.clear();
    }
}

/// Reads what follows a command after the server said go on: a literal, or a line.
fn continued(command: &str, reader: &mut BufReader<TcpStream>, literals: &Mutex<Vec<Vec<u8>>>) -> bool {
    let Some((_, size)) = command.strip_suffix('}').and_then(|command| command.rsplit_once('{')) else {
        return reader.read_line(&mut String::new()).is_ok();
    };
    let mut literal = vec![0; size.parse::<usize>().unwrap() + 2];
    let is_whole = reader.read_exact(&mut literal).is_ok() && literal.ends_with(b"\r\n");
    if is_whole {
        literal.truncate(literal.len() - 2);
        literals.lock().unwrap().push(literal);
    }
    is_whole
}

/// What a usual server answers; a test's own script says only what is different.
pub(super) fn usual(command: &str) -> Option<String> {
    let answer = match command.split(' ').next()? {
        "CAPABILITY" => "* CAPABILITY IMAP4rev1 UIDPLUS NAMESPACE\r\n$ OK\r\n",
        "NAMESPACE" => "* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n$ OK\r\n",
        "AUTHENTICATE" => "+ \r\n$ OK\r\n",
        "SELECT" | "EXAMINE" => "* OK [UIDVALIDITY 7] x\r\n$ OK\r\n",
        "APPEND" => "+ go\r\n$ OK [APPENDUID 7 42] done\r\n",
        "GREETING" => return None,
        _ => "$ OK\r\n",
    };
    Some(answer.to_owned())
}
