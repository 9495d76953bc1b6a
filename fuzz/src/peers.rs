//! Published codecs, behind one question: what do you make of these bytes?

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use mqtt5_codec::ProtocolVersion;

mod decoders;

/// What a peer makes of the bytes of one whole packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A packet; its bytes as the peer encodes it again.
    Accepted(Vec<u8>),
    /// A packet that the peer cannot encode again, or panics when it tries.
    CannotEncode,
    /// An error.
    Refused,
    /// "Need more bytes."
    Waits,
    /// A panic while decoding.
    Panicked,
}

/// A published codec, in one of the versions that it reads.
pub struct Peer {
    /// The name of its crate.
    pub name: &'static str,
    /// The version.
    pub version: ProtocolVersion,
    decode: fn(&[u8]) -> Decoded,
}

/// What decoding gives: the answer, or the packet as something that can be encoded.
type Decoded = Result<Box<dyn FnOnce() -> Option<Vec<u8>>>, Answer>;

/// All peers, first as readers of MQTT 3.1.1, then of MQTT 5.
pub const ALL: [[Peer; 5]; 2] = [decoders::OF_V3_1_1, decoders::OF_V5_0];

impl Peer {
    /// Asks the peer. Its panics stay inside.
    #[must_use]
    pub fn answer(&self, bytes: &[u8]) -> Answer {
        match caught(|| (self.decode)(bytes)) {
            None => Answer::Panicked,
            Some(Err(answer)) => answer,
            Some(Ok(encode)) => match caught(encode).flatten() {
                Some(again) => Answer::Accepted(again),
                None => Answer::CannotEncode,
            },
        }
    }
}

thread_local! {
    static PEER_IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Runs foreign code whose panics mean nothing to us. The panic hook of libFuzzer would abort.
fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !PEER_IS_RUNNING.get() {
                hook(info);
            }
        }));
    });
    PEER_IS_RUNNING.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    PEER_IS_RUNNING.set(false);
    result.ok()
}
