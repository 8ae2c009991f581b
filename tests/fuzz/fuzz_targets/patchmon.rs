//! [`gangplank_fuzz::patchmon`] for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gangplank_fuzz::patchmon(data));
