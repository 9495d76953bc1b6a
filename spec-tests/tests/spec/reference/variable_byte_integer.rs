//! Variable Byte Integers (section 1.5.5) by plain arithmetic.

/// What some bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A value and the number of bytes that it takes.
    Value { value: u64, length: usize },
    /// The bytes end inside the value.
    Unfinished,
    /// No value: more than four bytes, or more than the value needs.
    Wrong,
}

/// The smallest value of each number of bytes (Table 1-1).
const SMALLEST: [u64; 4] = [0, 128, 16_384, 2_097_152];

pub(crate) fn read(bytes: &[u8]) -> Reading {
    let mut value = 0;
    let mut weight = 1;
    for (index, smallest) in SMALLEST.into_iter().enumerate() {
        let Some(&byte) = bytes.get(index) else {
            return Reading::Unfinished;
        };
        value += u64::from(byte % 128) * weight;
        weight *= 128;
        if byte / 128 == 0 {
            return if value < smallest {
                Reading::Wrong
            } else {
                Reading::Value {
                    value,
                    length: index + 1,
                }
            };
        }
    }
    Reading::Wrong
}

/// The one encoding that a value has.
pub(crate) fn write(value: u64) -> Vec<u8> {
    assert!(value <= 268_435_455, "{value} has no encoding");
    let length = SMALLEST
        .iter()
        .filter(|&&smallest| value >= smallest)
        .count()
        .max(1);
    (0..length)
        .map(|index| {
            let digit = value / 128_u64.pow(index as u32) % 128;
            let goes_on = index + 1 < length;
            digit as u8 + if goes_on { 128 } else { 0 }
        })
        .collect()
}
