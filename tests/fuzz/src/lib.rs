//! Whatever bytes come, the pure parts of the byte path do what they promise.
//!
//! A target is a function that takes bytes and panics when something does not hold. Codecs get the
//! bytes themselves; state machines are driven by the steps that the bytes spell, beside a model of
//! what they should be. `fuzz_targets` has each of them as a program of libFuzzer's, which looks for
//! new paths through the code (`cargo xtask soak fuzz`), `seeds` what it begins with.

mod choices;
mod frame;
mod input_log;
mod link;
mod page;
mod patchmon;
mod playback;
mod resume;
mod ring;
mod server_url;
mod stream;
mod utf8;
mod window;
mod word;
mod xccdf;

pub use frame::frame;
pub use input_log::input_log;
pub use link::link;
pub use page::page;
pub use patchmon::patchmon;
pub use playback::playback;
pub use resume::resume;
pub use ring::ring;
pub use server_url::server_url;
pub use stream::stream;
pub use utf8::utf8;
pub use window::window;
pub use xccdf::xccdf;

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 13] = [
    ("frame", frame),
    ("input_log", input_log),
    ("link", link),
    ("page", page),
    ("patchmon", patchmon),
    ("playback", playback),
    ("resume", resume),
    ("ring", ring),
    ("server_url", server_url),
    ("stream", stream),
    ("utf8", utf8),
    ("window", window),
    ("xccdf", xccdf),
];
