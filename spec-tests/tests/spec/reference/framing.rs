//! Fixed headers (section 2.1) and the borders of packets.

use super::tables;
use super::variable_byte_integer::{Reading, read};

/// What follows the last whole packet of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing.
    Border,
    /// A part of a packet, with at least this many bytes missing.
    Inside { needed: usize },
    /// A fixed header that is wrong at this offset of the input.
    Wrong { offset: usize },
}

/// Lengths of the whole packets of an input, and what follows them.
pub(crate) fn frames(input: &[u8]) -> (Vec<usize>, End) {
    let mut lengths = Vec::new();
    let mut start = 0;
    while start < input.len() || lengths.is_empty() {
        let packet = &input[start..];
        let Some(&first_byte) = packet.first() else {
            return (lengths, End::Inside { needed: 2 });
        };
        if !tables::first_byte_is_valid(first_byte) {
            return (lengths, End::Wrong { offset: start });
        }
        match read(&packet[1..]) {
            Reading::Wrong => return (lengths, End::Wrong { offset: start + 1 }),
            Reading::Unfinished => return (lengths, End::Inside { needed: 1 }),
            Reading::Value { value, length } => {
                let size = 1 + length + value as usize;
                if size > packet.len() {
                    let needed = size - packet.len();
                    return (lengths, End::Inside { needed });
                }
                lengths.push(size);
                start += size;
            }
        }
    }
    (lengths, End::Border)
}
