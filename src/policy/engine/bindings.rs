//! The Rust face of `wit/policy.wit`, generated: types to lower, functions to call.
#![allow(unsafe_code)] // wasmtime's macro needs it, in code of its own; nothing else stands in this file.
#![allow(clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "wit",
    world: "policy",
    ownership: Borrowing { duplicate_if_necessary: true },
});
