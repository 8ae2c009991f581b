//! [`gangplank_fuzz::resume`] for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gangplank_fuzz::resume(data));
