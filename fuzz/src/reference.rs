//! Sections 1.5.4, 4.7 and 4.8.2, read naively: slow, obvious, and independent of the codec.

use mqtt5_codec::ProtocolVersion;

/// Whether the bytes can stand in a UTF-8 Encoded String (section 1.5.4).
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    bytes.len() <= 65_535 && std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0)
}

/// Whether the bytes are a Topic Name (section 4.7).
#[must_use]
pub fn is_topic_name(bytes: &[u8]) -> bool {
    is_text(bytes) && !bytes.is_empty() && !bytes.contains(&b'+') && !bytes.contains(&b'#')
}

/// Whether the bytes are a Topic Filter: in MQTT 5 plain or shared (sections 4.7 and 4.8.2), in MQTT 3.1.1
/// always plain (its section 4.7).
#[must_use]
pub fn is_topic_filter(version: ProtocolVersion, bytes: &[u8]) -> bool {
    let Ok(filter) = std::str::from_utf8(bytes) else {
        return false;
    };
    if !is_text(bytes) {
        return false;
    }
    match filter.split('/').collect::<Vec<_>>().as_slice() {
        levels if version == ProtocolVersion::V3_1_1 => are_filter_levels(levels),
        // `$share` alone has no `/` behind it and so is no Shared Subscription.
        ["$share", share_name, filter @ ..] => {
            !share_name.is_empty() && !share_name.contains(['+', '#']) && are_filter_levels(filter)
        }
        levels => are_filter_levels(levels),
    }
}

fn are_filter_levels(levels: &[&str]) -> bool {
    let last = levels.len().saturating_sub(1);
    let well_formed = |(index, level): (usize, &&str)| match *level {
        "+" => true,
        "#" => index == last,
        level => !level.contains(['+', '#']),
    };
    // At least one character: one level that is not empty, or a separator.
    levels.concat().len() + last > 0 && levels.iter().enumerate().all(well_formed)
}

/// Whether a valid Topic Filter matches a valid Topic Name (section 4.7).
#[must_use]
pub fn matches(filter: &str, name: &str) -> bool {
    let mut filter: Vec<_> = filter.split('/').collect();
    let name: Vec<_> = name.split('/').collect();
    if filter.len() > 1 && filter[0] == "$share" {
        filter.drain(..2);
    }
    // [MQTT-4.7.2-1]
    if name[0].starts_with('$') && (filter[0] == "+" || filter[0] == "#") {
        return false;
    }
    levels_match(&filter, &name)
}

fn levels_match(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        ([], []) | (["#"], _) => true,
        (["+", filter @ ..], [_, name @ ..]) => levels_match(filter, name),
        ([wanted, filter @ ..], [level, name @ ..]) => {
            wanted == level && levels_match(filter, name)
        }
        _ => false,
    }
}

/// Whether an accepted packet uses a longer form than it needs to. Only these exist: a Reason Code
/// 0x00 or a Property Length 0 that could be left out (sections 3.4.2.1, 3.4.2.2.1 and the same in
/// 3.5 to 3.7, 3.14.2.1, 3.14.2.2.1, 3.15.2.1). MQTT 3.1.1 has neither.
#[must_use]
pub fn is_long_form(packet: &[u8]) -> bool {
    let Some((&first, rest)) = packet.split_first() else {
        return false;
    };
    let omissible = match (first >> 4, rest.split_first()) {
        (4..=7, Some((&length, body))) if usize::from(length) == body.len() => body.get(2..),
        (14..=15, Some((&length, body))) if usize::from(length) == body.len() => Some(body),
        _ => None,
    };
    matches!(omissible, Some([0] | [_, 0]))
}
