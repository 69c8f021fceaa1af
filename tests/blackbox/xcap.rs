//! Preferences from Kamailio's xcap_server: a document put there is read by our XCAP client, changed, and removed.

use restante::config::{Config, Preferences, Realm};
use restante::formats::Origin;
use restante::gateway::http::{HttpClient, HttpSettings, Method, Request, Roots};
use restante::gateway::preferences::{self, Counters, NoCounters, PreferenceSource as _};
use restante::shelf::MemoryShelf;
use restante::types::{Address, Timestamp};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes the tables of Kamailio's presence modules.
const TABLES: &str = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for name in ('standard', 'presence'):
    db.executescript(open('/usr/share/kamailio/db_sqlite/%s-create.sql' % name).read())
";

/// The document of WX-16.
const PUSH: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy"
            xmlns:x="urn:oma:xml:xdm:extensions"
            xmlns:x21="urn:oma:xml:xdm:2.1extensions">
 <cr:rule id="deferred-push">
  <cr:conditions>
   <x:service-list><x:service enabler="CPM"/></x:service-list>
   <x:media-list><x21:deferred-messages/></x:media-list>
  </cr:conditions>
  <cr:actions><x21:allow-push/></cr:actions>
 </cr:rule>
</cr:ruleset>"#;

/// A Kamailio with a directory of its own.
struct Kamailio {
    child: Child,
    home: tempfile::TempDir,
    address: SocketAddr,
}

impl Kamailio {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let db = home.path().join("xcap.db");
        let made = Command::new("python3").args(["-c", TABLES]).arg(&db).status();
        assert!(made.expect("python3 is missing: run script/setup").success(), "the tables could not be made");
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let child = Command::new("kamailio")
            .arg("-f")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kamailio/xcap.cfg"))
            .args(["-DD", "-E", "-m", "32", "-l", &format!("tcp:{address}"), "-w"])
            .arg(home.path())
            .arg("-Y")
            .arg(home.path())
            .args(["-A", &format!("XCAP_DB=\"sqlite:///{}\"", db.display())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("kamailio is missing: run script/setup");
        let mut kamailio = Self { child, home, address };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = kamailio.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "kamailio does not listen:\n{}", kamailio.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        kamailio
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Only asked so does it end its own children, too.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Writes a document, or removes it, as its owner.
async fn change(kamailio: &Kamailio, auid: &str, body: Option<&str>) {
    let settings = HttpSettings {
        connect_max: Duration::from_secs(5),
        total_max: Duration::from_secs(10),
        response_bytes_max: 65_536,
        in_flight_max: 1,
        identity: None,
        roots: Roots::System,
    };
    let request = Request {
        method: if body.is_some() { Method::Put } else { Method::Delete },
        url: format!("http://{}/xcap-root/{auid}/users/sip%3A%2B12025550200%40ims.example.net/index", kamailio.address),
        headers: vec![
            ("X-3GPP-Intended-Identity", "\"sip:+12025550200@ims.example.net\"".to_owned()),
            ("Content-Type", "application/xml".to_owned()),
        ],
        body: body.unwrap_or_default().to_owned().into(),
    };
    let response = HttpClient::new(&settings).unwrap().send(request).await.unwrap();
    assert!(response.is_success(), "{response:?}:\n{}", kamailio.said());
}

#[test]
fn def_6_rules_and_profile_are_read_from_kamailios_xcap_server() {
    let kamailio = Kamailio::start();
    let (rules, profile) = ("org.openmobilealliance.pres-rules", "org.openmobilealliance.user-profile");
    let section = Preferences {
        xcap_root: Some(format!("http://{}/xcap-root", kamailio.address)),
        rules_auid: rules.to_owned(),
        rules_document: "index".to_owned(),
        profile_auid: profile.to_owned(),
        profile_document: "index".to_owned(),
        connect_ms_max: 10_000,
        request_ms_max: 20_000,
        ..Preferences::default()
    };
    let realms = BTreeMap::from([("ims.example.net".to_owned(), Realm::default())]);
    let config = Config { realms, preferences: section, ..Config::default() };
    let counters: Arc<dyn Counters> = Arc::new(NoCounters);
    let source = preferences::open(&config, Arc::<MemoryShelf>::default(), &counters).unwrap();
    let user = Address::parse("sip:+12025550200@ims.example.net").unwrap();
    let at = |secs: u64| Timestamp::from_secs(1_000_000 + secs);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert_eq!(source.read(&user, at(0)).await.origin, Origin::Absent);
        change(&kamailio, rules, Some(PUSH)).await;
        change(&kamailio, profile, Some("<profile><do-not-disturb>true</do-not-disturb></profile>")).await;
        let read = source.read(&user, at(100)).await;
        let says = read.evaluate(Some("sip:alice@ims.example.net"), at(100));
        assert_eq!((read.origin, says.allow_push, says.do_not_disturb), (Origin::Document, Some(true), true));
        // As known: 304.
        assert_eq!(source.read(&user, at(200)).await, read);
        change(&kamailio, rules, Some(&PUSH.replace("<x21:allow-push/>", ""))).await;
        change(&kamailio, profile, None).await;
        let says = source.read(&user, at(300)).await.evaluate(Some("sip:alice@ims.example.net"), at(300));
        assert_eq!((says.allow_push, says.do_not_disturb), (Some(false), false));
    });
}
