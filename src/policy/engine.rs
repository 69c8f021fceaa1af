//! The WebAssembly side of the policy host: the only module that names wasmtime.

mod binding;
mod bindings;
mod code;
mod compiler;
mod convert;
mod examine;
mod idle;
mod limits;
mod lines;
mod native;
mod pool;
mod seat;
mod ticker;
mod watch;
mod worker;

pub use binding::Binding;
pub use code::CodeCache;
pub use compiler::{NICENESS, be_nice};
pub use examine::Component;
pub(super) use lines::Meter;
pub use seat::Failed;
pub use worker::{Worker, WorkerError, compile_worker};

use self::compiler::Compiler;
use self::idle::Idle;
use self::limits::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use self::seat::{CallLimits, State};
use self::ticker::Ticker;
use super::{Counters, PolicyError};
use crate::config;
use crate::queue::question::Failure;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Instances beyond `policy.instances-max`: for components under examination, and for settings that are being tried.
const TRIALS: u32 = 4;
/// So long one waits for one of them.
const TURN: Duration = Duration::from_secs(30);

/// However busy the machine is, a call ends after so many times its limit.
const PATIENCE: u32 = 10;
/// The same for components under examination.
const PATIENCE_IN_TRIALS: u32 = 300;

/// Octets of an instance's memory that stay mapped when it is thrown away, to be cleared by hand: cheaper than asking
/// the kernel.
const KEEP_RESIDENT_BYTES: usize = 128 << 10;

/// A page of WebAssembly memory, octets.
const PAGE: usize = 64 << 10;

/// The engine with its limits and its clock; clones share it.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    engine: wasmtime::Engine,
    linker: Linker<State>,
    /// Code of another engine than one of this hash is not for this one.
    hash: [u8; 32],
    compiler: Compiler,
    worker: Option<Worker>,
    limits: config::Policy,
    /// Instances that exist, those for which nobody waits apart.
    alive: AtomicU32,
    trials: Mutex<u32>,
    trial_ended: Condvar,
    idle: Idle,
    counters: Arc<dyn Counters>,
    ticker: Ticker,
}

impl Engine {
    /// An engine with these limits.
    ///
    /// # Errors
    /// [`PolicyError::Engine`] if the machine cannot give what the limits allow; [`PolicyError::Ticker`];
    /// [`PolicyError::Compiler`].
    pub fn new(limits: &config::Policy, counters: Arc<dyn Counters>) -> Result<Self, PolicyError> {
        Self::of(&engine_config(limits), limits, counters, None)
    }

    /// An engine whose components tell what a call costs and where it trapped.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub(in crate::policy) fn metered(
        limits: &config::Policy,
        counters: Arc<dyn Counters>,
    ) -> Result<Self, PolicyError> {
        Self::of(engine_config(limits).consume_fuel(true), limits, counters, None)
    }

    fn of(
        config: &Config,
        limits: &config::Policy,
        counters: Arc<dyn Counters>,
        worker: Option<Worker>,
    ) -> Result<Self, PolicyError> {
        let failed = |error: wasmtime::Error| PolicyError::Engine { detail: format!("{error:#}") };
        let engine = wasmtime::Engine::new(config).map_err(failed)?;
        let linker = seat::linker(&engine).map_err(failed)?;
        let ticker =
            Ticker::start(engine.clone(), Duration::from_millis(limits.call_ms_max)).map_err(PolicyError::Ticker)?;
        let (hash, compiler) = (code::hash_of(&engine), Compiler::start()?);
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            hash,
            compiler,
            worker,
            limits: limits.clone(),
            alive: AtomicU32::new(0),
            trials: Mutex::new(0),
            trial_ended: Condvar::new(),
            idle: Idle::default(),
            counters,
            ticker,
        })))
    }

    /// Native code, as `wasmtime compile` makes it: what must be refused.
    #[cfg(test)]
    pub(in crate::policy) fn precompiled(&self, component: &[u8]) -> Vec<u8> {
        self.0.engine.precompile_component(component).unwrap()
    }

    /// Does slow work on the compiling thread, whose priority is low.
    pub(in crate::policy) fn quietly<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.0.compiler.run(work)
    }

    /// The limits of a call for which a message waits.
    fn call_limits(&self) -> CallLimits {
        CallLimits {
            time: Duration::from_millis(self.0.limits.call_ms_max),
            memory_bytes: self.0.limits.memory_bytes_max,
            patience: PATIENCE,
        }
    }

    /// The limits of a call for which nobody waits: the same processor time, but a thread of low priority may be kept
    /// from its processor for long.
    fn trial_limits(&self) -> CallLimits {
        CallLimits { patience: PATIENCE_IN_TRIALS, ..self.call_limits() }
    }
}

/// Settings that are the same for all: a verdict must not depend on the machine, and nothing here may grow unseen.
fn engine_config(limits: &config::Policy) -> Config {
    let instances = limits.instances_max.saturating_add(TRIALS);
    let memory = limits.memory_bytes_max.next_multiple_of(PAGE).max(PAGE);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(instances.saturating_mul(MEMORIES_MAX))
        .total_tables(instances.saturating_mul(TABLES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memory_size(memory)
        .table_elements(TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .cranelift_opt_level(OptLevel::Speed)
        // The same bits on every machine: NaNs in one form, no operation whose result the processor may choose.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes_max)
        // Slots as large as an instance may grow, and no larger: wasmtime's own 4 GiB a slot breaks under `ulimit -v`.
        .memory_reservation(memory as u64)
        .memory_guard_size(PAGE as u64)
        .memory_may_move(false)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// The right to have one instance more: one of `policy.instances-max`, or one of those for which nobody waits.
pub enum Permit {
    Live(Engine),
    Trial(Engine),
}

impl Permit {
    /// One of [`TRIALS`], when it is this one's turn.
    fn for_trial(engine: &Engine) -> Result<Self, Failed> {
        let inner = &engine.0;
        let many = inner.trials.lock().unwrap_or_else(PoisonError::into_inner);
        let all = |many: &mut u32| *many >= TRIALS;
        let turn = inner.trial_ended.wait_timeout_while(many, TURN, all).unwrap_or_else(PoisonError::into_inner);
        let (mut many, waited) = turn;
        if waited.timed_out() {
            return Err(Failed::new(Failure::Unavailable, "too many components are being tried at once"));
        }
        *many += 1;
        Ok(Self::Trial(engine.clone()))
    }

    fn acquire(engine: &Engine) -> Option<Self> {
        let inner = &engine.0;
        let more = |alive: u32| (alive < inner.limits.instances_max).then_some(alive + 1);
        let before = inner.alive.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        inner.counters.instances(before + 1);
        Some(Self::Live(engine.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        match self {
            Self::Live(Engine(inner)) => {
                let before = inner.alive.fetch_sub(1, Ordering::AcqRel);
                inner.counters.instances(before.saturating_sub(1));
            }
            Self::Trial(Engine(inner)) => {
                let mut many = inner.trials.lock().unwrap_or_else(PoisonError::into_inner);
                *many = many.saturating_sub(1);
                drop(many);
                inner.trial_ended.notify_one();
            }
        }
    }
}
