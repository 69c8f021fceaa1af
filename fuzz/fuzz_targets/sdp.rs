//! Fuzzes `fuzzing::session_description`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| restante_fuzz::fuzzing::session_description(octets));
