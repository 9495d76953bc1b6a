//! What the encoder refuses, and that it writes nothing then.

mod refusals;
mod room;

use crate::check::{Check, Kind, Outcome};

pub(crate) fn checks() -> Vec<Check> {
    let example = |name, run: fn() -> Outcome| Check::new(Kind::Example, name, run);
    let domain = |name, run: fn() -> Outcome| Check::new(Kind::Domain, name, run);
    vec![
        example(
            "encoder::values_out_of_range_cannot_be_made",
            refusals::values_out_of_range,
        ),
        example("encoder::empty_lists_cannot_be_made", refusals::empty_lists),
        example(
            "encoder::rules_across_fields_are_kept",
            refusals::rules_across_fields,
        ),
        example(
            "encoder::too_long_packets_are_refused",
            refusals::too_long_packets,
        ),
        example(
            "encoder::longest_packet_is_written",
            refusals::longest_packet,
        ),
        domain(
            "encoder::every_property_in_every_packet",
            refusals::every_property,
        ),
        domain(
            "encoder::every_reason_code_in_every_packet",
            refusals::every_reason_code,
        ),
        domain(
            "encoder::remaining_length_is_shortest",
            room::remaining_lengths,
        ),
        domain(
            "encoder::property_length_is_shortest",
            room::property_lengths,
        ),
        example(
            "encoder::property_length_0_is_written",
            room::property_length_0,
        ),
        example(
            "encoder::too_little_room_writes_nothing",
            room::too_little_room,
        ),
    ]
}
