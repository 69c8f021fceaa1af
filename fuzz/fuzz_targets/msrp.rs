//! Fuzzes `fuzzing::msrp_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| restante_fuzz::fuzzing::msrp_frames(octets));
