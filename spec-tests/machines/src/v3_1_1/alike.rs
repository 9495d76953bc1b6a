//! Checks of MQTT 5.0 that hold in MQTT 3.1.1 as they are: what they expect is the same in both standards. They run again,
//! under names that begin with `in_3_1_1::`.

use crate::check::Check;
use crate::version::in_3_1_1;
use crate::{broker, client, server, session};

/// Of Client and Server.
const OF_BOTH: [&str; 39] = [
    "errors::packet_identifier_0",
    "errors::what_came_before_the_error_counts",
    "ordering::messages_are_sent_in_their_order",
    "ordering::resent_messages_keep_their_order",
    "ordering::resent_messages_keep_their_order_when_identifiers_wrap",
    "ordering::resent_messages_come_before_new_ones",
    "ordering::resent_messages_and_pubrels_keep_their_orders",
    "ordering::pubrels_in_the_order_of_pubrecs",
    "ordering::pubrels_are_resent_in_the_order_of_pubrecs",
    "outcomes::what_was_never_written_is_not_acknowledged",
    "qos_receiver::the_answer_depends_on_the_qos",
    "qos_receiver::qos1_identifier_is_free_after_puback",
    "qos_receiver::qos2_to_its_end",
    "qos_receiver::qos2_is_delivered_once",
    "qos_receiver::both_directions_have_identifiers_of_their_own",
    "qos_receiver::a_repetition_before_the_decision",
    "qos_receiver::receipts_of_qos1_end_with_the_connection",
    "qos_receiver::receipts_of_qos2_outlive_the_connection",
    "qos_receiver::nothing_is_acknowledged_on_a_closed_connection",
    "qos_receiver::all_identifiers",
    "qos_sender::qos0_is_sent_once_and_forgotten",
    "qos_sender::qos1_to_its_end",
    "qos_sender::qos2_to_its_end",
    "qos_sender::exchanges_repeat_their_identifier",
    "qos_sender::exchanges_end_in_any_order",
    "qos_sender::pubrec_again_gives_pubrel_again",
    "qos_sender::nothing_is_sent_again_while_time_passes",
    "qos_sender::all_identifiers_in_use_are_different",
    "qos_sender::each_identifier_is_free_after_its_end",
    "resume::every_state_is_resumed",
    "resume::dup_marks_every_further_attempt",
    "resume::released_messages_are_not_published_again",
    "resume::qos0_is_not_sent_again",
    "resume::a_full_window_is_resumed",
    "resume::every_new_connection_sends_again",
    "resume::the_receiver_does_nothing_by_itself",
    "resume::an_unfinished_packet_does_not_reach_the_next_connection",
    "waiting::what_waits_for_a_connection_is_sent_in_order",
    "waiting::persisted_before_it_is_written",
];

/// Of a Client.
const OF_CLIENT: [&str; 23] = [
    "handshake::a_lost_connection_attempt_keeps_the_session",
    "handshake::bytes_of_the_old_connection_are_gone",
    "handshake::connect_is_the_first_packet_of_each_connection",
    "handshake::nothing_but_connect_leaves_before_the_connack",
    "handshake::state_belongs_to_the_client_identifier",
    "keep_alive::a_late_timer_is_covered_by_the_margin",
    "keep_alive::every_keep_alive",
    "keep_alive::every_sent_packet_counts",
    "keep_alive::keep_alive_0_is_off",
    "keep_alive::no_gap_over_a_long_time",
    "keep_alive::no_ping_while_others_are_sent",
    "keep_alive::only_sent_packets_count",
    "keep_alive::ping_at_the_last_moment_and_never_later",
    "keep_alive::pingresp_timeout_to_the_millisecond",
    "keep_alive::what_was_not_written_does_not_count",
    "ordering::pubacks_in_the_order_of_messages",
    "ordering::pubrecs_in_the_order_of_messages",
    "qos_receiver::unwanted_messages_are_acknowledged",
    "qos_sender::identifiers_are_of_one_pool",
    "qos_sender::requests_keep_their_identifier_until_the_answer",
    "requests::no_identifier_is_left",
    "requests::requests_are_not_repeated",
    "resume::a_timeout_keeps_the_session",
];

/// Of a Server.
const OF_SERVER: [&str; 26] = [
    "clean_start::a_session_that_never_was_is_not_present",
    "clean_start::a_resumed_session_goes_on_receiving",
    "clean_start::a_session_of_another_client_is_not_taken",
    "clean_start::an_empty_session_is_a_session",
    "client_identifier::what_must_be_allowed_is_accepted",
    "client_identifier::what_may_be_allowed_is_accepted",
    "handshake::a_connect_is_handed_out_and_waits",
    "handshake::a_good_connect_is_answered_with_success",
    "handshake::a_connect_in_pieces_is_the_same",
    "handshake::packets_behind_the_connect_wait_for_the_decision",
    "handshake::nothing_behind_a_refused_connect_is_processed",
    "handshake::an_accept_out_of_turn_leaves_the_session_alone",
    "handshake::no_disconnect_before_the_connack",
    "keep_alive::one_and_a_half_times_to_the_millisecond",
    "keep_alive::off_is_off",
    "keep_alive::what_the_server_sends_does_not_count",
    "keep_alive::the_deadline_follows_the_last_packet",
    "keep_alive::a_pingreq_has_its_pingresp",
    "keep_alive::the_session_lives_on",
    "keep_alive::a_resumed_session_is_watched_too",
    "keep_alive::the_connack_still_comes_first",
    "persistence::a_message_is_stored_before_its_publish",
    "persistence::a_release_is_stored_before_the_pubrel",
    "persistence::a_reception_is_stored_before_the_pubrec",
    "persistence::a_completion_is_stored_before_the_pubcomp",
    "take_over::deliveries_go_on_in_the_new_connection",
];

/// Of a Server between its Clients.
const OF_BROKER: [&str; 16] = [
    "crashes::a_snapshot_in_the_middle_of_a_message",
    "crashes::a_will_after_a_restart",
    "deliveries::messages_arrive_at_the_lower_qos",
    "fan_out::a_message_for_many_goes_out_in_slices",
    "fan_out::a_restart_in_the_middle",
    "fan_out::the_publisher_is_gone",
    "hostile::a_packet_that_stops",
    "matching::deep_topics_need_no_deep_stack",
    "matching::nothing_is_normalized",
    "records::exactly_once_over_an_end_at_each_step",
    "retained::cleared_topics_leave_nothing",
    "retained::replaced_and_removed",
    "subscriptions::dup_is_of_the_copy",
    "subscriptions::unsubscribe_completes_what_was_sent",
    "wills::it_was_authorized_with_the_connect",
    "wills_stored::what_is_over_is_not_stored",
];

pub(super) fn checks() -> Vec<Check> {
    let both = session::checks().into_iter();
    let mut checks: Vec<Check> = both
        .filter(|check| is_in(&OF_BOTH, check, &["client::", "server::"]))
        .collect();
    for (all, names, side) in [
        (session::checks(), &OF_CLIENT[..], "client::"),
        (client::checks(), &OF_CLIENT[..], "client::"),
        (server::checks(), &OF_SERVER[..], "server::"),
        (broker::checks(), &OF_BROKER[..], "broker::"),
    ] {
        let all = all.into_iter();
        checks.extend(all.filter(|check| is_in(names, check, &[side])));
    }
    checks.into_iter().map(in_3_1_1).collect()
}

fn is_in(names: &[&str], check: &Check, sides: &[&str]) -> bool {
    let mut subjects = sides
        .iter()
        .filter_map(|side| check.name.strip_prefix(side));
    subjects.any(|subject| names.contains(&subject))
}
