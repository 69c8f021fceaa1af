//! Fuzzes `fuzzing::resource_lists_document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| restante_fuzz::fuzzing::resource_lists_document(octets));
