#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| runwatch_fuzz::decode("tfevents", data));
