//! [`gangplank_fuzz::server_url`] for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| gangplank_fuzz::server_url(data));
