#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| runwatch_fuzz::decode("csv", data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    runwatch_fuzz::mutate::log(data, size, max_size, seed)
});
