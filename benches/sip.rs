//! Reading and printing SIP: WX-1, the pager MESSAGE that is deferred, beside rsip on the same octets.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use restante::sip::{Limits, datagram};
use std::hint::black_box;

const WX_1: &[u8] = include_bytes!("../tests/fixtures/wx/wx-01-message.sip");

fn sip(criterion: &mut Criterion) {
    let (bytes, limits) = (Bytes::from_static(WX_1), Limits::default());
    let mut group = criterion.benchmark_group("sip");
    group.bench_function("read WX-1", |bench| bench.iter(|| datagram(black_box(&bytes), &limits)));
    group.bench_function("read WX-1 with rsip", |bench| bench.iter(|| rsip::SipMessage::try_from(black_box(WX_1))));
    let message = datagram(&bytes, &limits).ok();
    group.bench_function("print WX-1", |bench| bench.iter(|| message.as_ref().map(restante::sip::Message::to_bytes)));
    group.finish();
}

criterion_group!(benches, sip);
criterion_main!(benches);
