//! The text of one level of a filter.

use alloc::boxed::Box;

/// How many bytes are kept without an allocation of their own.
const SHORT: usize = 22;

/// A level's text: in place if it is short.
#[derive(Clone, Debug)]
pub(super) enum LevelText {
    /// The length, and as many bytes of the array.
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl LevelText {
    /// The text of a node for `+`, which is never compared.
    pub(super) const NONE: LevelText = LevelText::Short(0, [0; SHORT]);

    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text);
                LevelText::Short(length, bytes)
            }
            _ => LevelText::Long(text.into()),
        }
    }

    #[inline]
    pub(super) fn is(&self, text: &[u8]) -> bool {
        match self {
            LevelText::Short(length, bytes) => bytes.get(..usize::from(*length)) == Some(text),
            LevelText::Long(bytes) => **bytes == *text,
        }
    }

    /// The bytes that it has allocated.
    pub(super) const fn allocated(&self) -> usize {
        match self {
            LevelText::Short(..) => 0,
            LevelText::Long(bytes) => bytes.len(),
        }
    }

    /// The bytes that a text would allocate.
    pub(super) const fn would_allocate(text: &[u8]) -> usize {
        if text.len() > SHORT { text.len() } else { 0 }
    }
}
