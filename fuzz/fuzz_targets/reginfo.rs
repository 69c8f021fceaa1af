//! Fuzzes `fuzzing::reginfo_document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| restante_fuzz::fuzzing::reginfo_document(octets));
