//! A judge of inputs of up to three bytes: all that fits is a fixed header and one byte more.

use mqtt5_codec::Role;

use super::tables;
use super::variable_byte_integer::{Reading, read};
use crate::verdict::{Verdict, malformed, protocol_error};

/// The judge, with the tables it looks things up in.
pub(crate) struct Judge {
    sender: Option<Role>,
    packets: Vec<(&'static str, tables::Senders, Vec<u8>)>,
    disconnect_codes: [tables::Senders; 256],
    auth_codes: [tables::Senders; 256],
}

impl Judge {
    pub(crate) fn new(sender: Option<Role>) -> Self {
        Judge {
            sender,
            packets: tables::packets(),
            disconnect_codes: tables::reason_codes("DISCONNECT"),
            auth_codes: tables::reason_codes("AUTH"),
        }
    }

    /// The verdict on at most three bytes.
    pub(crate) fn judge(&self, input: &[u8]) -> Verdict {
        assert!(input.len() <= 3, "the judge knows short inputs only");
        self.judge_from(input, 0)
    }

    fn judge_from(&self, input: &[u8], start: usize) -> Verdict {
        let Some(&first_byte) = input.get(start) else {
            return Verdict::Incomplete { needed: 2 };
        };
        // Type 0 and wrong flags.
        if !tables::first_byte_is_valid(first_byte) {
            return malformed(start);
        }
        let (remaining_length, body) = match read(&input[start + 1..]) {
            Reading::Unfinished => return Verdict::Incomplete { needed: 1 },
            Reading::Wrong => return malformed(start + 1),
            Reading::Value { value, length } => (value as usize, start + 1 + length),
        };
        let there = input.len() - body;
        if there < remaining_length {
            return Verdict::Incomplete {
                needed: remaining_length - there,
            };
        }
        let (name, senders, _) = &self.packets[usize::from(first_byte >> 4) - 1];
        if !senders.include(self.sender) {
            return protocol_error(start);
        }
        let verdict = match remaining_length {
            0 => self.without_body(name, body),
            1 => self.with_one_byte(name, input[body], body),
            other => unreachable!("a body of {other} bytes in an input of three"),
        };
        let end = body + remaining_length;
        if verdict == Verdict::Accept && end < input.len() {
            self.judge_from(input, end)
        } else {
            verdict
        }
    }

    fn without_body(&self, name: &str, end: usize) -> Verdict {
        // Reason Code 0x00 is meant where it may be left out.
        let success = |codes: &[tables::Senders; 256]| {
            if codes[0].include(self.sender) {
                Verdict::Accept
            } else {
                protocol_error(end)
            }
        };
        match name {
            "PINGREQ" | "PINGRESP" => Verdict::Accept,
            "DISCONNECT" => success(&self.disconnect_codes),
            "AUTH" => success(&self.auth_codes),
            // The first field is missing.
            _ => malformed(end),
        }
    }

    fn with_one_byte(&self, name: &str, byte: u8, at: usize) -> Verdict {
        let reason_code = |codes: &[tables::Senders; 256]| {
            if codes[usize::from(byte)].include(self.sender) {
                Verdict::Accept
            } else {
                protocol_error(at)
            }
        };
        match name {
            "DISCONNECT" => reason_code(&self.disconnect_codes),
            "AUTH" => reason_code(&self.auth_codes),
            // A byte too much.
            "PINGREQ" | "PINGRESP" => malformed(at),
            // The flags are there, the Reason Code is not.
            "CONNACK" if byte <= 1 => malformed(at + 1),
            "CONNACK" => malformed(at),
            // All others begin with a field of at least two bytes.
            _ => malformed(at),
        }
    }
}
