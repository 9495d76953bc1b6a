//! Messages of a WebSocket that were compressed (permessage-deflate, RFC 7692).

use flate2::{Decompress, FlushDecompress, Status};

/// More than this is not unpacked for one side of a connection, in bytes.
const MOST: usize = 1 << 26;

/// Unpacks the messages of one side.
pub(crate) struct Inflater {
    decompress: Decompress,
    /// Whether each message stands for itself.
    forgets: bool,
    /// Whether a message is missing that the following ones refer to.
    is_lost: bool,
    /// How many more bytes may be unpacked.
    left: usize,
}

impl Inflater {
    pub(crate) fn new(forgets: bool) -> Self {
        Inflater {
            decompress: Decompress::new(false),
            forgets,
            is_lost: false,
            left: MOST,
        }
    }

    /// A message is missing, or several.
    pub(crate) fn lose(&mut self) {
        self.is_lost |= !self.forgets;
    }

    /// Unpacks a message, which is nothing if a part of it is missing. Returns nothing if it cannot
    /// be unpacked.
    pub(crate) fn message(&mut self, message: Option<&[u8]>) -> Option<Vec<u8>> {
        let unpacked = message
            .filter(|_| !self.is_lost)
            .and_then(|message| self.unpack(message));
        match &unpacked {
            Some(bytes) => self.left -= bytes.len(),
            None => self.lose(),
        }
        if self.forgets {
            self.decompress.reset(false);
        }
        unpacked
    }

    fn unpack(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        // The sender takes the end of each message away (section 7.2.1).
        let input = [message, &[0x00, 0x00, 0xFF, 0xFF]].concat();
        let mut output = Vec::new();
        let mut used = 0;
        loop {
            output.reserve(4096);
            let (read, written) = (self.decompress.total_in(), output.len());
            let status = self
                .decompress
                .decompress_vec(&input[used..], &mut output, FlushDecompress::Sync)
                .ok()?;
            used += (self.decompress.total_in() - read) as usize;
            if output.len() > self.left {
                return None;
            }
            let has_stopped = output.len() < output.capacity() && used == input.len();
            let stands_still = output.len() == written && self.decompress.total_in() == read;
            if status == Status::StreamEnd {
                self.decompress.reset(false);
                return Some(output);
            }
            if has_stopped || stands_still {
                return (used == input.len()).then_some(output);
            }
        }
    }
}
