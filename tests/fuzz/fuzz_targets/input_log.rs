//! [`gangplank_fuzz::input_log`] for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gangplank_fuzz::input_log(data));
