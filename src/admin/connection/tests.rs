use super::*;
use std::net::{TcpListener, TcpStream as Stream};

const TIMES: Times = Times {
    idle: Duration::from_secs(15),
    unread: Duration::from_mins(1),
    crowded: Duration::from_secs(2),
    request: Duration::from_hours(2),
    look: Duration::from_secs(1),
};

/// Connections of which one more than `open` would be too many.
struct World {
    all: Arc<Connections>,
    metrics: Arc<Metrics>,
    listener: TcpListener,
}

/// Our end, as the server holds it, and the client's.
struct Pair {
    held: Held,
    client: Stream,
}

impl World {
    fn new(max: usize) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let all = Arc::new(Connections::new(max, TIMES, Arc::clone(&metrics)));
        Self { all, metrics, listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    fn connect(&self) -> Pair {
        let client = Stream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (ours, _) = self.listener.accept().unwrap();
        Pair { held: self.all.hold(ours.into()), client }
    }

    fn hits(&self, limit: &str) -> String {
        let text = self.metrics.render().unwrap();
        let series = format!("restante_limit_hits_total{{limit=\"{limit}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or_default().to_owned()
    }
}

impl Pair {
    fn is_open(&self) -> bool {
        !self.held.connection.activity().shut
    }

    /// The end that the client sees.
    fn reads_the_end(&mut self) -> bool {
        self.client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        std::io::Read::read(&mut self.client, &mut [0]).is_ok_and(|octets| octets == 0)
    }
}

fn after(time: Duration) -> Instant {
    Instant::now() + time
}

#[test]
fn a_connection_without_a_request_ends_after_the_keep_alive_time() {
    let world = World::new(10);
    let mut pair = world.connect();
    world.all.look(after(TIMES.idle.saturating_sub(TIMES.look)));
    assert!(pair.is_open());
    world.all.look(after(TIMES.idle));
    assert!(!pair.is_open() && pair.reads_the_end());
}

#[test]
fn a_request_at_work_is_left_alone_up_to_the_ceiling_which_is_counted_once() {
    let world = World::new(1);
    let mut pair = world.connect();
    let at_work = AtWork::begin(&pair.held.connection);
    world.all.look(after(TIMES.request.saturating_sub(TIMES.look)));
    assert!(pair.is_open(), "also if others wait");
    assert_eq!(world.hits("internal.admin-request-time"), "0");
    world.all.look(after(TIMES.request));
    world.all.look(after(TIMES.request * 2));
    assert!(!pair.is_open() && pair.reads_the_end());
    assert_eq!(world.hits("internal.admin-request-time"), "1");
    drop(at_work);
}

#[test]
fn an_answer_may_be_taken_slowly_but_not_for_ever() {
    let world = World::new(10);
    let pair = world.connect();
    let answering = Answering::begin(&pair.held.connection);
    answering.goes_on();
    world.all.look(after(TIMES.unread.saturating_sub(TIMES.look)));
    assert!(pair.is_open());
    world.all.look(after(TIMES.unread));
    assert!(!pair.is_open());
}

#[test]
fn reaching_the_limit_is_counted_and_those_that_wait_get_the_places_of_the_idle() {
    let world = World::new(3);
    let (idle, unread) = (world.connect(), world.connect());
    let _answering = Answering::begin(&unread.held.connection);
    assert_eq!(world.hits("admin.connections-max"), "0");
    world.all.look(after(TIMES.crowded));
    assert!(idle.is_open(), "there is room");
    let busy = world.connect();
    let _at_work = AtWork::begin(&busy.held.connection);
    assert_eq!(world.hits("admin.connections-max"), "1");
    world.all.look(after(TIMES.crowded));
    assert_eq!([idle.is_open(), unread.is_open(), busy.is_open()], [false, false, true]);
    drop(idle);
    assert_eq!(world.all.open().connections.len(), 2);
}
