//! Topic Names and Topic Filters (sections 4.7 and 4.8.2), level by level.

/// Whether this is a Topic Name.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 65_535 && !text.contains(['+', '#', '\0'])
}

/// Whether this is a Topic Filter, plain or of a Shared Subscription.
pub fn is_filter(text: &str) -> bool {
    if text.len() > 65_535 || text.contains('\0') {
        return false;
    }
    match text.strip_prefix("$share/") {
        None => is_plain_filter(text),
        Some(share) => match share.split_once('/') {
            None => false,
            Some((share_name, filter)) => {
                !share_name.is_empty()
                    && !share_name.contains(['+', '#'])
                    && is_plain_filter(filter)
            }
        },
    }
}

fn is_plain_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    !text.is_empty() && levels_are_right(&levels)
}

fn levels_are_right(levels: &[&str]) -> bool {
    match levels {
        [] | ["#"] => true,
        [level, rest @ ..] => {
            (*level == "+" || !level.contains(['+', '#'])) && levels_are_right(rest)
        }
    }
}

/// Whether a filter matches a name, both being valid.
pub fn matches(filter: &str, name: &str) -> bool {
    let filter = match filter.strip_prefix("$share/") {
        None => filter,
        Some(share) => share.split_once('/').map_or("", |(_, filter)| filter),
    };
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let name: Vec<&str> = name.split('/').collect();
    levels_match(&filter, &name)
}

fn levels_match(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) | ([], []) => true,
        ([wanted, filter @ ..], [level, name @ ..]) => {
            (*wanted == "+" || wanted == level) && levels_match(filter, name)
        }
        _ => false,
    }
}
