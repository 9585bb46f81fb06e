#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| artif_core::fuzzing::run("client", data));
