//! One instance of a component with its store: what a question is asked of.

use super::Permit;
use super::bindings::exports::restante::policy::{admission, delivery, expiry, handling, notification, settings};
use super::bindings::restante::policy::{host, types};
use super::convert::{self, IntoVerdict, with_client, with_context, with_message};
use super::limits::Limits;
use super::lines::Lines;
use super::ticker::Clock;
use super::watch::{Decision, Watch};
use crate::policy::mask::fit_for_log;
use crate::policy::sense::make_sense;
use crate::queue::question::{Context, Failure, Hook, Question, Verdict};
use std::time::Duration;
use wasmtime::component::{HasSelf, Instance, InstancePre, Linker};
use wasmtime::{FrameInfo, Store, Trap, UpdateDeadline, WasmBacktrace};

/// Octets that one call may hand out of the guest: its answer, and each line for the log.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// A failure and what is known of its cause, for the author and the log. The detail may quote the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub failure: Failure,
    pub detail: String,
}

impl Failed {
    pub fn new(failure: Failure, detail: impl Into<String>) -> Self {
        Self { failure, detail: detail.into() }
    }
}

/// What belongs to one store.
pub struct State {
    limits: Limits,
    watch: Watch,
    clock: Clock,
    pub lines: Lines,
}

impl types::Host for State {}

impl host::Host for State {
    fn log(&mut self, level: host::Level, message: String) {
        self.lines.push(level, message);
    }
}

/// Everything a guest can import from us.
pub fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    host::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Where in a component the functions of its interfaces are; `None` for what it does not export.
#[derive(Clone)]
pub struct Indices {
    admission: Option<admission::GuestIndices>,
    handling: Option<handling::GuestIndices>,
    delivery: Option<delivery::GuestIndices>,
    expiry: Option<expiry::GuestIndices>,
    notification: Option<notification::GuestIndices>,
    settings: Option<settings::GuestIndices>,
}

impl Indices {
    /// Looks them up. An interface that lacks a function counts as not exported; the caller has compared with the list
    /// of exported interfaces.
    pub fn of(pre: &InstancePre<State>) -> Self {
        Self {
            admission: admission::GuestIndices::new(pre).ok(),
            handling: handling::GuestIndices::new(pre).ok(),
            delivery: delivery::GuestIndices::new(pre).ok(),
            expiry: expiry::GuestIndices::new(pre).ok(),
            notification: notification::GuestIndices::new(pre).ok(),
            settings: settings::GuestIndices::new(pre).ok(),
        }
    }

    /// Whether the decision can be asked.
    pub const fn has(&self, hook: Hook) -> bool {
        match hook {
            Hook::Admission => self.admission.is_some(),
            Hook::Handling => self.handling.is_some(),
            Hook::Delivery => self.delivery.is_some(),
            Hook::Expiry => self.expiry.is_some(),
            Hook::Notification => self.notification.is_some(),
        }
    }

    /// Whether there are settings.
    pub const fn has_settings(&self) -> bool {
        self.settings.is_some()
    }
}

/// The functions of one instance, found and type-checked when first needed.
#[derive(Default)]
struct Guests {
    admission: Option<admission::Guest>,
    handling: Option<handling::Guest>,
    delivery: Option<delivery::Guest>,
    expiry: Option<expiry::Guest>,
    notification: Option<notification::Guest>,
    settings: Option<settings::Guest>,
}

/// The limits of every call.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits {
    /// Of a processor.
    pub time: Duration,
    pub memory_bytes: usize,
    /// Times [`Self::time`] that may go by on the wall.
    pub patience: u32,
}

/// An instance that is asked by one thread at a time. The permit is given back after the instance is gone.
pub struct Seat {
    store: Store<State>,
    instance: Instance,
    guests: Guests,
    calls: u32,
    broken: bool,
    trace: Option<String>,
    permit: Permit,
}

/// The function's handle in this instance.
macro_rules! guest {
    ($seat:ident, $indices:ident, $name:ident) => {{
        let Seat { store, instance, guests, .. } = $seat;
        match (&mut guests.$name, &$indices.$name) {
            (Some(guest), _) => Ok((&*guest, store)),
            (slot, Some(indices)) => match indices.load(&mut *store, instance) {
                Ok(guest) => Ok((&*slot.insert(guest), store)),
                Err(error) => Err(Failed::new(Failure::Unavailable, root(&error))),
            },
            (_, None) => Err(Failed::new(Failure::Unavailable, "it does not export this interface")),
        }
    }};
}

impl Seat {
    /// Instantiates the component.
    ///
    /// # Errors
    /// [`Failed`] if it traps, hangs or wants too much at its start, or if there is no room.
    pub fn open(pre: &InstancePre<State>, limits: CallLimits, clock: &Clock, permit: Permit) -> Result<Self, Failed> {
        let state = State {
            limits: Limits::new(limits.memory_bytes),
            watch: Watch::new(limits.time, limits.patience),
            clock: clock.clone(),
            lines: Lines::default(),
        };
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(ANSWER_BYTES_MAX);
        store.epoch_deadline_callback(|mut context| {
            let state = context.data_mut();
            Ok(match state.watch.check() {
                Decision::Go(ticks) => {
                    state.clock.need();
                    UpdateDeadline::Continue(ticks)
                }
                Decision::End => UpdateDeadline::Interrupt,
            })
        });
        // Only an engine that meters has fuel to give.
        let _ = store.set_fuel(u64::MAX);
        arm(&mut store);
        match pre.instantiate(&mut store) {
            Ok(instance) => {
                let guests = Guests::default();
                Ok(Self { store, instance, guests, calls: 0, broken: false, trace: None, permit })
            }
            Err(error) => Err(Failed::new(cause(&error, &store, Failure::Unavailable), root(&error))),
        }
    }

    /// Asks; the verdict makes sense.
    ///
    /// # Errors
    /// [`Failed`]; look at [`Self::worn`] afterwards.
    pub fn ask(&mut self, indices: &Indices, question: &Question) -> Result<Verdict, Failed> {
        self.calls = self.calls.saturating_add(1);
        arm(&mut self.store);
        match question {
            Question::Admission { context, message } => {
                let (guest, store) = guest!(self, indices, admission)?;
                let answer =
                    with_context(context, message, |c| with_message(message, |m| guest.call_judge(store, c, m)));
                self.conclude(answer, context)
            }
            Question::Handling { context, message } => {
                let (guest, store) = guest!(self, indices, handling)?;
                let answer =
                    with_context(context, message, |c| with_message(message, |m| guest.call_judge(store, c, m)));
                self.conclude(answer, context)
            }
            Question::Delivery { context, message, client } => {
                let (guest, store) = guest!(self, indices, delivery)?;
                let answer = with_context(context, message, |c| {
                    with_message(message, |m| with_client(client, |to| guest.call_judge(store, c, m, to)))
                });
                self.conclude(answer, context)
            }
            Question::Expiry { context, message } => {
                let (guest, store) = guest!(self, indices, expiry)?;
                let answer =
                    with_context(context, message, |c| with_message(message, |m| guest.call_judge(store, c, m)));
                self.conclude(answer, context)
            }
            Question::Notification { context, message, cause } => {
                let (guest, store) = guest!(self, indices, notification)?;
                let cause = convert::cause(*cause);
                let answer =
                    with_context(context, message, |c| with_message(message, |m| guest.call_judge(store, c, m, cause)));
                self.conclude(answer, context)
            }
        }
    }

    /// The JSON Schema of the settings.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn schema(&mut self, indices: &Indices) -> Result<String, Failed> {
        arm(&mut self.store);
        let (guest, store) = guest!(self, indices, settings)?;
        let answer = guest.call_schema(store);
        answer.map_err(|error| self.fail(&error))
    }

    /// Gives it its settings.
    ///
    /// # Errors
    /// [`Failed`], with `Refused` and the guest's words if it does not take them.
    pub fn configure(&mut self, indices: &Indices, json: &str) -> Result<(), Failed> {
        arm(&mut self.store);
        let (guest, store) = guest!(self, indices, settings)?;
        match guest.call_configure(store, json) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(words)) => Err(Failed::new(Failure::Refused, words)),
            Err(error) => Err(self.fail(&error)),
        }
    }

    /// Finds the function of a hook and checks its type; the error says in which way it is not ours.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn check_shape(&mut self, indices: &Indices, hook: Hook) -> Result<(), Failed> {
        match hook {
            Hook::Admission => guest!(self, indices, admission).map(|_| ()),
            Hook::Handling => guest!(self, indices, handling).map(|_| ()),
            Hook::Delivery => guest!(self, indices, delivery).map(|_| ()),
            Hook::Expiry => guest!(self, indices, expiry).map(|_| ()),
            Hook::Notification => guest!(self, indices, notification).map(|_| ()),
        }
    }

    /// The same for `settings`.
    ///
    /// # Errors
    /// [`Failed`]
    pub fn check_settings_shape(&mut self, indices: &Indices) -> Result<(), Failed> {
        guest!(self, indices, settings).map(|_| ())
    }

    /// Whether it must be thrown away: after any failure inside the guest, and after so many calls.
    pub const fn worn(&self, calls_max: u32) -> bool {
        self.broken || self.calls >= calls_max
    }

    /// What is left of the fuel; 0 if the engine does not meter.
    pub fn fuel(&self) -> u64 {
        self.store.get_fuel().unwrap_or_default()
    }

    /// Where the last call trapped, if the engine meters.
    pub fn backtrace(&mut self) -> Option<String> {
        self.trace.take()
    }

    /// Throws the instance away and keeps its permit.
    pub fn into_permit(self) -> Permit {
        let Self { store, permit, .. } = self;
        drop(store);
        permit
    }

    /// What the guest wrote during the last call.
    pub fn lines(&mut self) -> &mut Lines {
        &mut self.store.data_mut().lines
    }

    fn conclude<V: IntoVerdict>(
        &mut self,
        answer: wasmtime::Result<Result<V, String>>,
        context: &Context,
    ) -> Result<Verdict, Failed> {
        let verdict = answer.map_err(|error| self.fail(&error))?;
        let verdict = verdict.map_err(|words| Failed::new(Failure::Refused, words))?;
        let verdict = verdict.into_verdict().and_then(|verdict| make_sense(verdict, context));
        verdict.map_err(|nonsense| Failed::new(Failure::Nonsense, nonsense.to_string()))
    }

    /// The guest did not come back, or what it gave back is no value of its type.
    fn fail(&mut self, error: &wasmtime::Error) -> Failed {
        self.broken = true;
        if self.store.get_fuel().is_ok() {
            self.trace = error.downcast_ref::<WasmBacktrace>().map(trace);
        }
        Failed::new(cause(error, &self.store, Failure::Nonsense), root(error))
    }
}

/// Every call has its own deadline, memory refusals and lines.
fn arm(store: &mut Store<State>) {
    let state = store.data_mut();
    state.limits.begin();
    state.lines.begin();
    let ticks = state.watch.begin();
    state.clock.need();
    store.set_epoch_deadline(ticks);
}

/// `other` is for errors that are no traps.
fn cause(error: &wasmtime::Error, store: &Store<State>, other: Failure) -> Failure {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Failure::Timeout,
        _ if store.data().limits.refused() => Failure::Memory,
        Some(_) => Failure::Trap,
        None => other,
    }
}

/// One line for each function, the innermost first. Names are the guest's own words.
fn trace(backtrace: &WasmBacktrace) -> String {
    let line = |frame: &FrameInfo| {
        let offset = frame.module_offset().map(|offset| format!(" at {offset:#x}")).unwrap_or_default();
        match frame.func_name() {
            Some(name) => format!("{}{offset}", fit_for_log(name, None)),
            None => format!("function {}{offset}", frame.func_index()),
        }
    };
    backtrace.frames().iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The innermost words of an error, without the addresses of a backtrace.
pub fn root(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}
