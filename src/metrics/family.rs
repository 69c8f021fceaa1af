//! Metric families whose children are found by index: an event costs an array access and an atomic addition.

use super::labels::Label;
use prometheus::core::Collector;
use prometheus::{CounterVec, Error, Registry};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};
use std::marker::PhantomData;

/// Everything of ours begins with this.
pub(super) const PREFIX: &str = "restante";

/// Makes families and registers them.
pub(super) struct Maker<'a>(pub(super) &'a Registry);

impl Maker<'_> {
    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.register(IntCounter::with_opts(Opts::new(name, help).namespace(PREFIX))?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.register(IntGauge::with_opts(Opts::new(name, help).namespace(PREFIX))?)
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, Error> {
        let opts = HistogramOpts::new(name, help).namespace(PREFIX).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(opts)?)
    }

    pub(super) fn counters<A: Label>(&self, name: &str, help: &str) -> Result<By<A, IntCounter>, Error> {
        let opts = Opts::new(name, help).namespace(PREFIX);
        let family = self.register(IntCounterVec::new(opts, &[A::NAME])?)?;
        By::of(|a: A| family.get_metric_with_label_values(&[a.value()]))
    }

    pub(super) fn gauges<A: Label>(&self, name: &str, help: &str) -> Result<By<A, IntGauge>, Error> {
        let opts = Opts::new(name, help).namespace(PREFIX);
        let family = self.register(IntGaugeVec::new(opts, &[A::NAME])?)?;
        By::of(|a: A| family.get_metric_with_label_values(&[a.value()]))
    }

    pub(super) fn histograms<A: Label>(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<By<A, Histogram>, Error> {
        let opts = HistogramOpts::new(name, help).namespace(PREFIX).buckets(buckets.to_vec());
        let family = self.register(HistogramVec::new(opts, &[A::NAME])?)?;
        By::of(|a: A| family.get_metric_with_label_values(&[a.value()]))
    }

    /// Counters whose children come and go.
    pub(super) fn open_counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.register(IntCounterVec::new(Opts::new(name, help).namespace(PREFIX), labels)?)
    }

    /// Gauges whose children come and go.
    pub(super) fn open_gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
        self.register(IntGaugeVec::new(Opts::new(name, help).namespace(PREFIX), labels)?)
    }

    /// Sums of seconds whose children come and go.
    pub(super) fn open_seconds(&self, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec, Error> {
        self.register(CounterVec::new(Opts::new(name, help).namespace(PREFIX), labels)?)
    }

    pub(super) fn grid<A: Label, B: Label>(&self, name: &str, help: &str) -> Result<Grid<A, B>, Error> {
        let opts = Opts::new(name, help).namespace(PREFIX);
        let family = self.register(IntCounterVec::new(opts, &[A::NAME, B::NAME])?)?;
        By::of(|a: A| By::of(|b: B| family.get_metric_with_label_values(&[a.value(), b.value()])))
    }

    pub(super) fn cube<A: Label, B: Label, C: Label>(&self, name: &str, help: &str) -> Result<Cube<A, B, C>, Error> {
        let opts = Opts::new(name, help).namespace(PREFIX);
        let family = self.register(IntCounterVec::new(opts, &[A::NAME, B::NAME, C::NAME])?)?;
        let child = |a: A, b: B, c: C| family.get_metric_with_label_values(&[a.value(), b.value(), c.value()]);
        By::of(|a| By::of(|b| By::of(|c| child(a, b, c))))
    }
}

/// Counters by two labels.
pub(super) type Grid<A, B> = By<A, By<B, IntCounter>>;
/// Counters by three labels.
pub(super) type Cube<A, B, C> = By<A, Grid<B, C>>;

/// One child for each value of a label.
#[derive(Debug)]
pub(super) struct By<L, T> {
    children: Box<[T]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, T> By<L, T> {
    pub(super) fn of(child: impl Fn(L) -> Result<T, Error>) -> Result<Self, Error> {
        let children = L::ALL.iter().map(|value| child(*value)).collect::<Result<_, _>>()?;
        Ok(Self { children, label: PhantomData })
    }

    /// The child of this value: `of` made one for each, so the index is always good.
    pub(super) fn at(&self, value: L) -> &T {
        &self.children[value.index()]
    }
}
