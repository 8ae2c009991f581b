//! [`gangplank_fuzz::stream`] for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gangplank_fuzz::stream(data));
