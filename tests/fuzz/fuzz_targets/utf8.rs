//! [`gangplank_fuzz::utf8`] for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gangplank_fuzz::utf8(data));
