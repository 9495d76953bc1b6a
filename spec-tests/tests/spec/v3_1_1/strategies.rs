//! Packets of MQTT 3.1.1 by chance.

use mqtt5_codec::{Connect, Packet, Text, strategies};
use proptest::prelude::*;

use super::{V5_0, reference};
use crate::packets::{packet, prefixed};

/// The bytes of a packet of any type.
pub(super) fn any_packet() -> impl Strategy<Value = Vec<u8>> + Clone {
    let lowered = strategies::frame(V5_0).prop_filter_map("3.1.1 has such a packet", |frame| {
        match frame.decode(V5_0).expect("what is generated is valid") {
            // There is no password without a User Name.
            Packet::Connect(connect) => reference::write(&Packet::Connect(Connect {
                user_name: connect.user_name.or(connect.password.map(|_| Text::EMPTY)),
                ..connect
            })),
            packet => reference::write(&packet),
        }
    });
    prop_oneof![9 => lowered, 1 => of_filters()]
}

/// A SUBSCRIBE or UNSUBSCRIBE, often with filters that begin like a Shared Subscription.
fn of_filters() -> impl Strategy<Value = Vec<u8>> + Clone {
    let list = prop::collection::vec((filter(), 0_u8..3), 1..4);
    (any::<bool>(), 1_u16.., list).prop_map(|(subscribes, identifier, list)| {
        let mut body = identifier.to_be_bytes().to_vec();
        for (filter, qos) in list {
            body.extend(prefixed(filter.as_bytes()));
            if subscribes {
                body.push(qos);
            }
        }
        packet(if subscribes { 0x82 } else { 0xA2 }, &body)
    })
}

/// A Topic Filter of MQTT 3.1.1.
pub(super) fn filter() -> impl Strategy<Value = String> + Clone {
    let begin = prop::sample::select(vec![
        "",
        "$share",
        "$share/",
        "$share//",
        "$share/+/",
        "$share/g/",
        "$SHARE/",
    ]);
    (begin, strategies::topic_filter(), any::<bool>()).prop_filter_map(
        "a filter",
        |(begin, filter, alone)| {
            let filter = match alone {
                true => begin.to_owned(),
                false => format!("{begin}{filter}"),
            };
            let is_right = reference::wrong_in_filter(filter.as_bytes()).is_none();
            (is_right && (1..=65_535).contains(&filter.len())).then_some(filter)
        },
    )
}

/// Whether the packet has a filter that 5.0 cannot say.
pub(super) fn has_bad_share(of: &Packet<'_>) -> bool {
    let is_bad = |filter: &str| reference::is_bad_share(filter);
    match of {
        Packet::Subscribe(subscribe) => {
            let mut filters = subscribe.subscriptions.iter().map(|it| it.filter);
            filters.any(|filter| is_bad(filter.as_str()))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let mut filters = unsubscribe.filters.iter();
            filters.any(|filter| is_bad(filter.as_str()))
        }
        _ => false,
    }
}
