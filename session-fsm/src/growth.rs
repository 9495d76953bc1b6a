//! How collections of messages grow.

/// How many places to add to as many that are all in use: an eighth, which is less than collections add by
/// themselves. The memory for each message is promised, and one that is alone gets one place.
pub(crate) const fn step(used: usize) -> usize {
    match used / 8 {
        0 => 1,
        eighth => eighth,
    }
}
