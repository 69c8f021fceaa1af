//! Fuzzes `fuzzing::imdn`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| restante_fuzz::fuzzing::imdn(octets));
