//! Fuzzes `fuzzing::name_addr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| restante_fuzz::fuzzing::name_addr(octets));
