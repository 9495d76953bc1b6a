//! Matching of Topic Names by Topic Filters (section 4.7).

/// Whether a well-formed filter (without `$share/` and ShareName) matches a Topic Name.
pub(super) fn matches(filter: &[u8], name: &[u8]) -> bool {
    // [MQTT-4.7.2-1]
    if matches!(filter.first(), Some(b'+' | b'#'))
        && name.first() == Some(&b'$')
        && !fault!("MQTT-4.7.2-1 codec")
    {
        return false;
    }
    let mut filter_levels = filter.split(|&byte| byte == b'/');
    let mut name_levels = name.split(|&byte| byte == b'/');
    loop {
        match (filter_levels.next(), name_levels.next()) {
            // `#` also matches the parent level, which is why the name may be over already.
            (Some(b"#"), _) | (None, None) => return true,
            (Some(b"+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}
