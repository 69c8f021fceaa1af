//! Compiling in a process of its own: a component made to exhaust the compiler exhausts that process, not the service.

use super::examine::chain;
use super::native::{self, Trusted};
use super::{Engine, engine_config};
use crate::config;
use crate::policy::{Counters, PolicyError};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setpriority_process, setrlimit};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use wasmtime::InstanceAllocationStrategy;
use wasmtime::component::Component;

/// What the process may use.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Octets. The allocator reserves a good part of it without ever using it.
    address_space: u64,
    /// Seconds of a processor.
    processor: u64,
}

/// What it may use in the service.
const ADDRESS_SPACE_MIB: u64 = 4 << 10;

/// Most of its complaint that is read, octets.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;
/// What is added to its niceness.
const NICENESS: i32 = 10;

/// A program that runs [`compile_worker`] with the same limits.
#[derive(Clone, Debug)]
pub struct Worker {
    program: PathBuf,
    arguments: Vec<OsString>,
    code_bytes_max: u64,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The component is to blame, in the compiler's words.
    #[error("{why}")]
    Component { why: String },
    #[error("it comes to more than {0} octets of code (policy.code-bytes-max): make it smaller")]
    TooMuchCode(u64),
    /// It would have taken more than it may, or the compiler broke on it.
    #[error(
        "compiling it fails, or takes more than {ADDRESS_SPACE_MIB} MiB or policy.compile-secs-max of a processor ({0})"
    )]
    Exhausted(ExitStatus),
    /// Somebody else ended it: the kernel when memory was short, or whoever stops the service.
    #[error("the process that compiles was ended ({0}): try again, and look at the memory of the machine")]
    Ended(ExitStatus),
    /// The process itself failed.
    #[error("the process that compiles cannot be used: {0}")]
    Process(#[from] io::Error),
}

/// Signals that a process gets for what it did itself: it used up its time, its allocator or its stack ended it, or the
/// compiler did something that no processor does.
const OWN_FAULTS: [Signal; 6] = [Signal::XCPU, Signal::ABORT, Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE];

/// Exit code of the process if the component is to blame.
const UNACCEPTABLE: u8 = 65;

/// Exit codes of a process that did not come to compile: [`FAILED`], and those of a shell that cannot run a program.
const NOT_OURS: [i32; 3] = [FAILED as i32, 126, 127];

/// Exit code of the process if it is to blame itself.
const FAILED: u8 = 71;

/// Code that our own process of compilation has handed us.
pub(super) struct Compiled(Vec<u8>);

impl Compiled {
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl Worker {
    /// This very program, even if its file was replaced meanwhile: `restante policy compile-worker`, with these limits.
    pub fn this_program(limits: &config::Policy) -> Self {
        let (memory, stack) = (limits.memory_bytes_max.to_string(), limits.stack_bytes_max.to_string());
        let seconds = limits.compile_secs_max.to_string();
        let given = ["--memory-bytes-max", &memory, "--stack-bytes-max", &stack, "--compile-secs-max", &seconds];
        let arguments = ["policy", "compile-worker"].into_iter().chain(given);
        Self::new(this_program(), arguments.map(OsString::from), limits.code_bytes_max)
    }

    /// Private: what this program writes is run.
    fn new(program: PathBuf, arguments: impl IntoIterator<Item = OsString>, code_bytes_max: u64) -> Self {
        Self { program, arguments: arguments.into_iter().collect(), code_bytes_max }
    }

    /// Has the component compiled.
    ///
    /// # Errors
    /// [`WorkerError`]
    pub(super) fn compile(&self, component: &[u8]) -> Result<Compiled, WorkerError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (input, output, complaint) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (code, complaint) = thread::scope(|scope| {
            // All three at once: none of them can be full while another waits. A process that is gone takes nothing more.
            scope.spawn(move || input.map(|mut input| input.write_all(component)));
            let complaint = scope.spawn(move || read(complaint, COMPLAINT_BYTES_MAX));
            let code = read(output, self.code_bytes_max.saturating_add(1));
            (code, complaint.join().unwrap_or_default())
        });
        let status = child.wait()?;
        match status.code() {
            _ if code.len() as u64 > self.code_bytes_max => Err(WorkerError::TooMuchCode(self.code_bytes_max)),
            Some(0) => Ok(Compiled(code)),
            Some(code) if code == i32::from(UNACCEPTABLE) => {
                Err(WorkerError::Component { why: String::from_utf8_lossy(&complaint).trim().to_owned() })
            }
            Some(code) if NOT_OURS.contains(&code) => Err(WorkerError::Process(io::Error::other(status.to_string()))),
            None if !OWN_FAULTS.iter().any(|own| status.signal() == Some(own.as_raw())) => {
                Err(WorkerError::Ended(status))
            }
            _ => Err(WorkerError::Exhausted(status)),
        }
    }
}

fn this_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    // An empty path cannot be run, and that is said when it is tried.
    std::env::current_exe().unwrap_or_default()
}

/// Everything there is to read; what is beyond the limit is left, and its writer fails.
fn read(from: Option<impl Read>, bytes_max: u64) -> Vec<u8> {
    let mut octets = Vec::new();
    if let Some(from) = from {
        // Half of it is no code: the exit status says so, or the engine does when it looks at it.
        let _ = from.take(bytes_max).read_to_end(&mut octets);
    }
    octets
}

/// The whole of `restante policy compile-worker`: limits this process, reads a component from standard input, writes its
/// code to standard output. Everything else of `limits` than memory, stack and `compile_secs_max` is without effect.
pub fn compile_worker(limits: &config::Policy) -> ExitCode {
    let bounds = Bounds { address_space: ADDRESS_SPACE_MIB << 20, processor: limits.compile_secs_max };
    match serve(bounds, limits, io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if this fails, too.
            let _ = writeln!(io::stderr(), "{error}");
            let component = matches!(error, WorkerError::Component { .. });
            ExitCode::from(if component { UNACCEPTABLE } else { FAILED })
        }
    }
}

/// # Errors
/// [`WorkerError`]
fn serve(
    bounds: Bounds,
    limits: &config::Policy,
    mut input: impl Read,
    mut output: impl Write,
) -> Result<(), WorkerError> {
    limit_this_process(bounds)?;
    let mut component = Vec::new();
    input.read_to_end(&mut component)?;
    let code = compile_here(limits, &component).map_err(|why| WorkerError::Component { why })?;
    output.write_all(&code)?;
    output.flush()?;
    Ok(())
}

fn compile_here(limits: &config::Policy, component: &[u8]) -> Result<Vec<u8>, String> {
    // The compiler's settings are those of the service; nothing runs here, so that room for instances is not needed.
    let mut config = engine_config(limits);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand).parallel_compilation(false);
    let engine = wasmtime::Engine::new(&config).map_err(|error| chain(&error))?;
    engine.precompile_component(component).map_err(|error| chain(&error))
}

fn limit_this_process(bounds: Bounds) -> io::Result<()> {
    // Whoever runs the service even more politely has it compile so, too.
    let _ = setpriority_process(None, NICENESS);
    let processor = bounds.processor;
    // At the soft limit comes the signal that says why; at the hard one the kernel ends whoever does not care.
    let limits = [
        (Resource::As, bounds.address_space, bounds.address_space),
        (Resource::Cpu, processor, processor.saturating_add(1)),
        (Resource::Core, 0, 0),
    ];
    for (resource, soft, hard) in limits {
        // A limit that is smaller already is kept: a process may not raise it.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        setrlimit(resource, Rlimit { current: Some(soft.min(most)), maximum: Some(hard.min(most)) })?;
    }
    // Where the memory of the machine ends before our limit does, this process is the one to go.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

impl Engine {
    /// An engine that compiles in processes of its own, and never itself.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_worker(
        limits: &config::Policy,
        counters: Arc<dyn Counters>,
        worker: Worker,
    ) -> Result<Self, PolicyError> {
        Self::of(&engine_config(limits), limits, counters, Some(worker))
    }

    /// Compiles, quietly: in a process of its own if the engine has a worker, otherwise here.
    ///
    /// # Errors
    /// [`WorkerError`]; what [`WorkerError::is_of_component`] says decides whether another try is worth it.
    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Component, WorkerError> {
        let component = |why| WorkerError::Component { why };
        self.quietly(|| match &self.0.worker {
            Some(worker) => {
                let code = worker.compile(bytes)?;
                native::load(&self.0.engine, &Trusted::Compiled(&code)).map_err(|error| component(chain(&error)))
            }
            // Nothing of what a panic leaves half done is used again.
            None => catch_unwind(AssertUnwindSafe(|| Component::from_binary(&self.0.engine, bytes)))
                .map_err(|_| component("the compiler broke on it".to_owned()))?
                .map_err(|error| component(chain(&error))),
        })
    }
}

impl WorkerError {
    /// Whether the component is to blame, so that it would fail again.
    #[must_use]
    pub const fn is_of_component(&self) -> bool {
        match self {
            Self::Component { .. } | Self::TooMuchCode(_) | Self::Exhausted(_) => true,
            Self::Ended(_) | Self::Process(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
