//! Variable Byte Integers: all inputs of up to three bytes, in a long run of four; all values.

use mqtt5_codec::framing::FixedHeader;
use mqtt5_codec::{
    Packet, PacketIdentifier, Properties, Property, ProtocolVersion, Subscribe, Subscription,
    SubscriptionIdentifier, SubscriptionOptions, Subscriptions, TopicFilter,
};

use super::domain;
use crate::check::{Check, Outcome};
use crate::packets::{packet, prefixed, property_set};
use crate::reference::variable_byte_integer::{Reading, read, write};
use crate::verdict::{Verdict, malformed, of_packet, protocol_error};

pub(super) fn checks() -> Vec<Check> {
    vec![
        domain(
            "variable_byte_integer::all_three_byte_inputs",
            all_three_byte_inputs,
        ),
        domain(
            "variable_byte_integer::all_four_byte_inputs",
            all_four_byte_inputs,
        )
        .long(),
        domain("variable_byte_integer::fifth_bytes", fifth_bytes),
        domain(
            "variable_byte_integer::subscription_identifiers",
            subscription_identifiers,
        ),
        domain(
            "variable_byte_integer::all_values_of_three_bytes_are_written_shortest",
            || values_are_written_shortest(1..=2_097_152 + 1),
        ),
        domain(
            "variable_byte_integer::all_values_are_written_shortest",
            || values_are_written_shortest(1..=268_435_455),
        )
        .long(),
    ]
}

/// Compares the Remaining Length that the codec reads with the reference.
#[inline(always)]
fn check_remaining_length(input: &[u8]) -> Result<(), String> {
    let right = match (FixedHeader::peek(input), read(&input[1..])) {
        (Ok(None), Reading::Unfinished) => true,
        (Ok(Some(header)), Reading::Value { value, length }) => {
            header.remaining_length() as u64 == value && header.length() == 1 + length
        }
        (Err(error), Reading::Wrong) => {
            error.offset() == 1 && error.reason_code().to_byte() == 0x81
        }
        _ => false,
    };
    if right {
        Ok(())
    } else {
        let codec = FixedHeader::peek(input);
        Err(format!(
            "{input:02X?}: {codec:?} is not {:?}",
            read(&input[1..])
        ))
    }
}

/// And all shorter ones, which are what they begin with.
fn all_three_byte_inputs() -> Outcome {
    let mut states = 0;
    check_remaining_length(&[0x30])?;
    for bits in 0..1_u32 << 24 {
        let [_, first, second, third] = bits.to_be_bytes();
        let input = [0x30, first, second, third];
        check_remaining_length(&input)?;
        states += 1;
        if third == 0 {
            check_remaining_length(&input[..3])?;
            states += 1;
        }
        if second == 0 && third == 0 {
            check_remaining_length(&input[..2])?;
            states += 1;
        }
    }
    Ok(states + 1)
}

fn all_four_byte_inputs() -> Outcome {
    for bits in 0..=u32::MAX {
        let [first, second, third, fourth] = bits.to_be_bytes();
        check_remaining_length(&[0x30, first, second, third, fourth])?;
    }
    Ok(1 << 32)
}

/// Whatever comes fifth: four bytes that all say "go on" are too many, and four that do not are
/// enough.
fn fifth_bytes() -> Outcome {
    let mut states = 0;
    for fourth in 0..=255 {
        for fifth in 0..=255 {
            for others in [0x80, 0x81, 0xFF] {
                check_remaining_length(&[0x30, others, others, others, fourth, fifth])?;
                states += 1;
            }
        }
    }
    Ok(states)
}

/// A SUBSCRIBE with these bytes as its Subscription Identifier, and where they begin.
fn subscribe_with(identifier: &[u8]) -> (Vec<u8>, usize) {
    let set = property_set(&[&[0x0B], identifier].concat());
    let body = [&[0, 10][..], &set, &prefixed(b"a"), &[1]].concat();
    (packet(0x82, &body), 6)
}

/// Every Subscription Identifier of up to three bytes, in its shortest form and in longer ones, and
/// cut off by the end of the property set.
fn subscription_identifiers() -> Outcome {
    let mut states = 0;
    let mut check = |encoding: &[u8]| {
        let (bytes, at) = subscribe_with(encoding);
        let standard = match read(encoding) {
            Reading::Value { value: 0, .. } => protocol_error(at),
            Reading::Value { .. } => Verdict::Accept,
            Reading::Unfinished | Reading::Wrong => malformed(at),
        };
        states += 1;
        match of_packet(&bytes, None) {
            found if found == standard => Ok(()),
            found => Err(format!(
                "{encoding:02X?}: {found:?} instead of {standard:?}"
            )),
        }
    };
    for first in 0..=127 {
        check(&[first])?;
        check(&[0x80 | first])?;
        for second in 0..=127 {
            check(&[0x80 | first, second])?;
            check(&[0x80 | first, 0x80 | second])?;
            for third in 0..=127 {
                check(&[0x80 | first, 0x80 | second, third])?;
            }
        }
    }
    Ok(states)
}

/// The encoder's form of each value is the shortest, and it is read back.
fn values_are_written_shortest(values: std::ops::RangeInclusive<u32>) -> Outcome {
    let mut states = 0;
    let filter = [Subscription {
        filter: TopicFilter::new("a").expect("a filter"),
        options: SubscriptionOptions::default(),
    }];
    let mut bytes = Vec::with_capacity(32);
    for value in values {
        let identifier = SubscriptionIdentifier::new(value).expect("a value in range");
        let list = [Property::SubscriptionIdentifier(identifier)];
        let subscribe = Subscribe {
            packet_identifier: PacketIdentifier::MIN,
            properties: Properties::new(&list).expect("a property of SUBSCRIBE"),
            subscriptions: Subscriptions::new(&filter).expect("one subscription"),
        };
        bytes.clear();
        subscribe
            .encode(ProtocolVersion::V5_0, &mut bytes)
            .expect("a valid packet");
        // First byte, Remaining Length, identifier, Property Length, property identifier.
        let encoding = &bytes[6..bytes.len() - 4];
        let is_shortest = match read(encoding) {
            Reading::Value {
                value: found,
                length,
            } => found == u64::from(value) && length == encoding.len(),
            _ => false,
        };
        let is_read_back = matches!(
            Packet::decode(ProtocolVersion::V5_0, &bytes),
            Ok(Packet::Subscribe(read)) if read.properties.subscription_identifier() == Some(identifier)
        );
        if !is_shortest || !is_read_back || (value % 4_099 == 0 && encoding != write(value.into()))
        {
            return Err(format!("{value} is written as {encoding:02X?}"));
        }
        states += 1;
    }
    Ok(states)
}
