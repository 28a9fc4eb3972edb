//! The frame decoder, under bytes of all kinds: `cargo +nightly fuzz run frames`.
//!
//! The first byte says how the stream is cut into reads; the others are the stream.

#![no_main]

#[path = "../../tests/frames/agreement.rs"]
mod agreement;
#[path = "../../examples/frames/protocol.rs"]
mod protocol;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((seed, stream)) = data.split_first() {
        agreement::check(stream, u64::from(*seed));
    }
});
