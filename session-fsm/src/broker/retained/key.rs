//! The key of a topic: its name with U+0000 in place of `/`.

use alloc::vec::Vec;
use core::ops::Deref;

/// What stands between two levels. No Topic Name contains it [MQTT-4.7.3-2], and nothing sorts
/// before it: so a topic and those below it are neighbours.
pub(super) const SEPARATOR: u8 = 0;

/// What sorts behind the separator and before every character that a level may contain: `level` and
/// this is the first place behind the level and all that is below it.
pub(super) const BEHIND: u8 = 1;

/// A longer key is built in memory of its own.
const SHORT: usize = 128;

/// A key for the time of a call.
pub(super) enum Key {
    Short([u8; SHORT], usize),
    Long(Vec<u8>),
}

impl Key {
    pub(super) fn of(topic: &str) -> Self {
        let mut short = [0; SHORT];
        match short.get_mut(..topic.len()) {
            Some(key) => {
                for (to, from) in key.iter_mut().zip(topic.bytes()) {
                    *to = mapped(from);
                }
                Key::Short(short, topic.len())
            }
            None => Key::Long(topic.bytes().map(mapped).collect()),
        }
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Key::Short(bytes, length) => bytes.get(..*length).unwrap_or_default(),
            Key::Long(bytes) => bytes,
        }
    }
}

fn mapped(byte: u8) -> u8 {
    if byte == b'/' { SEPARATOR } else { byte }
}
