//! Fuzzes `fuzzing::sip_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| restante_fuzz::fuzzing::sip_message(octets));
