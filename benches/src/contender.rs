//! What every codec has to do, and how it is run so that all are treated alike.
//!
//! * **Decode**: copies of one packet lie end to end in memory. A codec that
//!   borrows, or copies, gets one packet after the other as a slice; a codec
//!   that takes packets off the front of a [`BytesMut`] gets all copies in one
//!   buffer. Filling that buffer again is not timed, and neither is anything
//!   else that happens once per connection. Dropping the decoded packet is
//!   timed: what a codec allocates it has to free.
//! * **Encode**: the packet as the codec's own type, decoded beforehand, is
//!   written to a buffer that is used again for the next one: appended to an
//!   emptied `Vec`, or written to the start of a slice, as the codec offers it.
//! * **Stream**: [`mixed::chunks`] are appended to a buffer one after the other, as
//!   reads from a socket would, and all packets that are complete are decoded before
//!   the next chunk is appended.

use std::fmt::Debug;
use std::hint::black_box;

use bytes::BytesMut;

use crate::mixed;

/// A codec that takes part.
pub struct Contender {
    /// The name of its crate.
    pub name: &'static str,
    /// What it does not check although the standard asks for it, in one sentence.
    pub unchecked: &'static str,
    /// Whether it decodes the given packet without an error.
    pub accepts: Option<fn(&[u8]) -> bool>,
    /// Decodes the given packet, if the contender takes part in that.
    pub decode: Option<fn(&'static [u8]) -> BoxedRun>,
    /// Decodes the given packet once, then encodes it.
    pub encode: Option<fn(&'static [u8]) -> BoxedRun>,
    /// Decodes the given stream, if the contender takes part in that.
    pub stream: Option<fn(&'static [u8]) -> BoxedRun>,
    /// Decodes the given packet and encodes it again, to check that the
    /// contender does what it is timed for.
    pub round_trip: Option<fn(&'static [u8]) -> RoundTrip>,
}

/// Something that is timed many times.
pub trait Run {
    /// Makes everything ready for the next [`run`](Self::run). Not timed.
    fn reset(&mut self) {}

    /// The part that is timed. Returns how many packets it handled.
    fn run(&mut self) -> usize;
}

/// A [`Run`] of any contender.
pub type BoxedRun = Box<dyn Run>;

/// What came out of decoding a packet and encoding it again.
#[derive(Debug, Default)]
pub struct RoundTrip {
    /// The packet, encoded again.
    pub encoded: Vec<u8>,
    /// What the codec read, if the packet is a PUBLISH.
    pub publish: Option<Publish>,
}

/// What a codec read from a PUBLISH.
#[derive(Debug, PartialEq, Eq)]
pub struct Publish {
    /// The Topic Name.
    pub topic: String,
    /// The Packet Identifier.
    pub packet_id: Option<u16>,
    /// The length of the payload.
    pub payload_len: usize,
}

impl Publish {
    /// Puts together what was read; a packet identifier of 0 stands for none.
    pub fn new(topic: &str, packet_id: u16, payload: &[u8]) -> Self {
        Self {
            topic: topic.to_owned(),
            packet_id: (packet_id != 0).then_some(packet_id),
            payload_len: payload.len(),
        }
    }
}

/// How many packets a run handles at least: many, so that reading the clock does
/// not count, but fewer of large ones, so that a run that copies them is short
/// enough not to be interrupted.
fn packets_per_run(packet_len: usize) -> usize {
    ((1 << 20) / packet_len).clamp(32, 256)
}

/// How many bytes the copies of a packet fill at most, so that small packets
/// stay in the first-level cache.
const BYTES_PER_RUN: usize = 24 << 10;

/// How many packets are decoded from a receive buffer before the clock runs,
/// because filling the buffer drives the decoder out of the caches. There are at
/// least as many copies of a packet.
const FIRST_PACKETS: usize = 8;

/// How many bytes a receive buffer has room for beyond what is in it. Some
/// decoders ask for room for the next packet, which must not make them move the
/// others.
const SPARE_CAPACITY: usize = 1 << 10;

/// All of a packet but a large payload fits into this.
const FRONT_OF_PACKET: usize = 512;

/// Copies of one packet, end to end.
struct Copies {
    bytes: Vec<u8>,
    count: usize,
}

impl Copies {
    fn of(packet: &[u8]) -> Self {
        let count = (BYTES_PER_RUN / packet.len()).clamp(FIRST_PACKETS, 256);
        Self {
            bytes: packet.repeat(count),
            count,
        }
    }
}

/// Decodes packets from slices with `decode`, which is given exactly one packet
/// at a time and is to pass the result to [`decoded`].
pub fn decode_slices(packet: &'static [u8], decode: impl FnMut(&[u8]) + 'static) -> BoxedRun {
    let copies = Copies::of(packet);
    Box::new(DecodeSlices {
        passes: packets_per_run(packet.len()).div_ceil(copies.count),
        packet_len: packet.len(),
        copies,
        decode,
    })
}

struct DecodeSlices<F> {
    copies: Copies,
    packet_len: usize,
    passes: usize,
    decode: F,
}

impl<F: FnMut(&[u8])> Run for DecodeSlices<F> {
    fn run(&mut self) -> usize {
        for _ in 0..self.passes {
            for packet in self.copies.bytes.chunks_exact(self.packet_len) {
                (self.decode)(black_box(packet));
            }
        }
        self.passes * self.copies.count
    }
}

/// Decodes packets from the front of a buffer with `decode`, which is to take
/// one packet off and pass the result to [`decoded`].
pub fn decode_buffer(
    packet: &'static [u8],
    decode: impl FnMut(&mut BytesMut) + 'static,
) -> BoxedRun {
    let copies = Copies::of(packet);
    let filled = copies.bytes.len() + FIRST_PACKETS * packet.len();
    let mut buffer = BytesMut::with_capacity(filled + SPARE_CAPACITY);
    // The first split of a buffer allocates a reference count, once per
    // connection.
    drop(buffer.split_to(0));
    Box::new(DecodeBuffer {
        copies,
        packet_len: packet.len(),
        buffer,
        decode,
    })
}

struct DecodeBuffer<F> {
    copies: Copies,
    packet_len: usize,
    buffer: BytesMut,
    decode: F,
}

impl<F: FnMut(&mut BytesMut)> Run for DecodeBuffer<F> {
    fn reset(&mut self) {
        let bytes = &self.copies.bytes;
        self.buffer.clear();
        self.buffer
            .extend_from_slice(&bytes[..FIRST_PACKETS * self.packet_len]);
        self.buffer.extend_from_slice(bytes);
        // What was just received is in the cache, however large it is.
        for packet in self.buffer.chunks_exact(self.packet_len) {
            let front = packet.len().min(FRONT_OF_PACKET);
            used(&packet[..front].iter().fold(0, |sum: u8, byte| sum ^ byte));
        }
        for _ in 0..FIRST_PACKETS {
            (self.decode)(&mut self.buffer);
        }
    }

    fn run(&mut self) -> usize {
        for _ in 0..self.copies.count {
            (self.decode)(black_box(&mut self.buffer));
        }
        self.copies.count
    }
}

/// Calls `handle` for every packet of the given length: to encode it into an
/// emptied buffer, or to decode it from where it is. It is to pass the result to
/// [`used`] or [`decoded`].
pub fn repeat(packet_len: usize, handle: impl FnMut() + 'static) -> BoxedRun {
    let count = packets_per_run(packet_len);
    Box::new(Repeat { count, handle })
}

struct Repeat<F> {
    count: usize,
    handle: F,
}

impl<F: FnMut()> Run for Repeat<F> {
    fn run(&mut self) -> usize {
        for _ in 0..self.count {
            (self.handle)();
        }
        self.count
    }
}

/// Encodes packets that the encoder takes by value: clones of `packet`, made
/// without being timed.
pub fn encode_owned<P: Clone + 'static>(
    packet_len: usize,
    packet: P,
    encode: impl FnMut(P) + 'static,
) -> BoxedRun {
    let count = packets_per_run(packet_len);
    Box::new(EncodeOwned {
        packet,
        clones: Vec::with_capacity(count),
        count,
        encode,
    })
}

struct EncodeOwned<P, F> {
    packet: P,
    clones: Vec<P>,
    count: usize,
    encode: F,
}

impl<P: Clone, F: FnMut(P)> Run for EncodeOwned<P, F> {
    fn reset(&mut self) {
        self.clones.resize(self.count, self.packet.clone());
    }

    fn run(&mut self) -> usize {
        self.clones.drain(..).for_each(&mut self.encode);
        self.count
    }
}

/// How many chunks of the stream arrive in one run.
const CHUNKS_PER_RUN: usize = 64;

/// Reads a stream over and over with `read`, which is given a chunk and
/// is to return how many packets it completed.
pub fn read_stream(bytes: &'static [u8], read: impl FnMut(&[u8]) -> usize + 'static) -> BoxedRun {
    let chunks = mixed::chunks(bytes).cycle();
    Box::new(ReadStream { chunks, read })
}

struct ReadStream<C, F> {
    chunks: C,
    read: F,
}

impl<C: Iterator<Item = &'static [u8]>, F: FnMut(&[u8]) -> usize> Run for ReadStream<C, F> {
    fn run(&mut self) -> usize {
        let chunks = self.chunks.by_ref().take(CHUNKS_PER_RUN);
        chunks.map(&mut self.read).sum()
    }
}

/// Makes the compiler believe that all of `value` is read.
#[inline(always)]
pub fn used<T: ?Sized>(value: &T) {
    black_box(value);
}

/// Makes the compiler believe that all of a decoded packet is read. It is not
/// moved out of the result for that: some packets are large.
///
/// # Panics
///
/// Panics if it was not decoded.
#[inline(always)]
pub fn decoded<P, E: Debug>(result: &Result<P, E>) {
    match result {
        Ok(packet) => used(packet),
        Err(error) => not_decoded(error),
    }
}

#[cold]
fn not_decoded(error: &dyn Debug) -> ! {
    panic!("packet does not decode: {error:?}")
}
