//! Reading and printing MSRP: one chunk of 64 KiB, in octets per second, and the bind of WX-12.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restante::msrp::{MsrpUri, Outgoing, Reader, Sender, SenderSettings, TransactionIds};
use restante::types::Timestamp;
use std::hint::black_box;
use std::time::Duration;

const WX_12A: &[u8] = include_bytes!("../tests/fixtures/wx/wx-12a-bind.msrp");

const CHUNK: u64 = 64 << 10;

/// The frames of a message that fits into one chunk.
fn send(own: &MsrpUri, peer: &MsrpUri, message: &Bytes) -> Vec<Bytes> {
    let outgoing = Outgoing {
        message_id: "Lm0b77aa10".into(),
        content_type: "message/cpim".into(),
        content_disposition: None,
        size: CHUNK,
        success_report: false,
    };
    let settings = SenderSettings { chunk_bytes_max: CHUNK, window: 1, response: Duration::from_secs(30) };
    let mut sender = Sender::new(settings, own.clone(), peer.clone().into(), outgoing, TransactionIds::new([0; 16]));
    sender.bound();
    sender.give(message.clone());
    std::iter::from_fn(|| sender.poll_transmit(Timestamp(0))).collect()
}

/// How many events these octets make.
fn read(octets: &Bytes) -> usize {
    let mut reader = Reader::new();
    reader.push(octets.clone());
    std::iter::from_fn(|| reader.next().ok().flatten()).count()
}

fn msrp(criterion: &mut Criterion) {
    let ends =
        (MsrpUri::new(false, "192.0.2.10", 2855, "q7Zk2mPf"), MsrpUri::new(false, "198.51.100.7", 9, "b0bA77x2"));
    let (Ok(own), Ok(peer)) = ends else { return };
    // Lines, as text has them: every line end may be the begin of an end-line.
    let message: Bytes =
        b"Nothing is taken out of the queue before the far end has said yes.\r\n--\r\n".repeat(1000).into();
    let message = message.slice(..64 << 10);
    let mut group = criterion.benchmark_group("msrp");
    group.throughput(Throughput::Bytes(CHUNK));
    group.bench_function("print a chunk", |bench| bench.iter(|| send(&own, &peer, black_box(&message))));
    let frame = Bytes::from(send(&own, &peer, &message).concat());
    group.bench_function("read a chunk", |bench| bench.iter(|| read(black_box(&frame))));
    let bind = Bytes::from_static(WX_12A);
    group.throughput(Throughput::Bytes(WX_12A.len() as u64));
    group.bench_function("read WX-12a", |bench| bench.iter(|| read(black_box(&bind))));
    group.finish();
}

criterion_group!(benches, msrp);
criterion_main!(benches);
