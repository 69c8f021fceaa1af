//! The one place where native code is taken from outside of this process.
#![allow(unsafe_code)] // Deserialising trusts its input; nothing else stands in this file.

use super::code::Attested;
use super::worker::Compiled;
use wasmtime::component::Component;

/// Octets that may be run: whoever makes one vouches for them.
pub(super) enum Trusted<'c> {
    /// Kept on the shelf, its mark found right.
    Kept(&'c Attested),
    /// Handed over by a process of ours a moment ago.
    Compiled(&'c Compiled),
}

/// The component whose compiled form this is.
///
/// # Errors
/// If it was compiled by another version or configuration of the engine, or for another processor.
pub(super) fn load(engine: &wasmtime::Engine, code: &Trusted<'_>) -> wasmtime::Result<Component> {
    let octets = match code {
        Trusted::Kept(code) => code.octets(),
        Trusted::Compiled(code) => code.octets(),
    };
    // SAFETY: `deserialize` demands octets that wasmtime's `serialize` or `precompile_component` has made and that nobody
    // has changed. There are two ways to have such octets, both private to their modules. An `Attested` is only made by
    // `CodeCache::attest`, after the HMAC over these very octets, by the secret key of this data directory, was found
    // right; and the only thing that makes such an HMAC is `CodeCache::keep`, over what `serialize` has just returned. A
    // `Compiled` is only made by `Worker::compile`, of what our own program, run with our own arguments, has written into
    // a pipe that nobody else has, having exited with success. What the octets say of their engine is checked by
    // `deserialize` itself. They are in this process's own memory, borrowed for the call, and copied by it, so that
    // nobody can change them after the check.
    unsafe { Component::deserialize(engine, octets) }
}
