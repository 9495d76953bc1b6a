//! A library for a machine without operating system that decodes and encodes MQTT packets.
//!
//! It has a panic handler of its own. The standard library brings another, and a program can have
//! only one: if any crate below this one used `std`, this would not compile. The allocator has no
//! memory to give; the codec asks for none. The state machines would.

#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::slice;

use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_codec::{Packet, ProtocolVersion};
use mqtt5_session_fsm::{Instant, Session, SessionConfig};

/// The crate `bytes` wants an allocator to be there. Splitting slices, decoding and encoding never
/// call it.
struct NoMemory;

// SAFETY: failing is always allowed.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Decodes every packet of the input and writes each anew into the output. Answers how many bytes
/// were written, or the negated Reason Code of what is wrong.
///
/// # Safety
///
/// The pointers must be valid for as many bytes as the lengths say, and not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt5_write_anew(
    input: *const u8,
    input_length: usize,
    output: *mut u8,
    output_length: usize,
) -> isize {
    // SAFETY: the caller sees to it.
    let (input, output) = unsafe {
        (
            slice::from_raw_parts(input, input_length),
            slice::from_raw_parts_mut(output, output_length),
        )
    };
    write_anew(input, output)
}

/// Runs a restored Session until it has nothing to say; answers how many outputs there were.
///
/// # Safety
///
/// The pointer must be valid for as many bytes as the length says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt5_restore(stored: *const u8, length: usize) -> isize {
    // SAFETY: the caller sees to it.
    let stored = unsafe { slice::from_raw_parts(stored, length) };
    match Session::restore(Instant::ORIGIN, stored, SessionConfig::default()) {
        Ok(mut session) => core::iter::from_fn(|| session.poll()).count() as isize,
        Err(_) => -1,
    }
}

fn write_anew(mut input: &[u8], mut output: &mut [u8]) -> isize {
    const PACKET_TOO_LARGE: isize = -0x95;
    let room = output.len();
    loop {
        let packet: Packet<'_> = match split(input, LARGEST_PACKET) {
            Ok(Split::Incomplete { .. }) => return (room - output.len()) as isize,
            Ok(Split::Packet { packet, rest }) => {
                input = rest;
                match packet.decode(ProtocolVersion::V5_0) {
                    Ok(packet) => packet,
                    Err(error) => return -isize::from(error.reason_code().to_byte()),
                }
            }
            Err(error) => return -isize::from(error.reason_code().to_byte()),
        };
        if packet.encode(ProtocolVersion::V5_0, &mut output).is_err() {
            return PACKET_TOO_LARGE;
        }
    }
}
