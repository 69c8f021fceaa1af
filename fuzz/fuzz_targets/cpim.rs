//! Fuzzes `fuzzing::cpim_headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| restante_fuzz::fuzzing::cpim_headers(octets));
