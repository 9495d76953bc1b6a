//! A call takes `now`, as its first argument, if it begins a time or compares one: the rule of the contract, asked of
//! every public method of the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Methods that change a machine or a helper and take no `now`, by the reason. A method that is not named here takes
/// `now`.
const WITHOUT: &[(&str, &[&str])] = &[
    (
        "queues a packet: its time begins when `poll` writes it",
        &[
            "both sides::acknowledge",
            "both sides::acknowledge_with",
            "Client::authenticate",
            "Client::ping",
            "Client::re_authenticate",
            "Client::subscribe",
            "Client::subscribe_to",
            "Client::unsubscribe",
            "Client::unsubscribe_from",
            "Lent::authenticate",
            "Lent::finish_re_authentication",
            "Server::authenticate",
            "Server::finish_re_authentication",
            "Session::acknowledge_with",
        ],
    ),
    (
        "returns what is there already, or gives room back",
        &[
            "both sides::check_room",
            "Broker::poll",
            "Broker::snapshot",
            "Broker::snapshot_slice",
            "Broker::take_batch",
            "Groups::shrink",
            "OrderedConsumer::flush",
            "OrderedConsumer::poll",
            "Session::check_room",
            "Session::poll",
            "Session::shrink",
        ],
    ),
    (
        "takes back or forgets: a time may end, but is not compared",
        &[
            "both sides::take_forgotten_body",
            "both sides::withdraw",
            "CircuitBreaker::reset",
            "CircuitBreaker::withdraw",
            "Deduplicator::clear",
            "Deduplicator::forget",
            "Groups::away",
            "Groups::leave",
            "Groups::leave_any",
            "Groups::next_given_back",
            "Groups::settle",
            "OrderedConsumer::forget",
            "OrderedPublisher::clear",
            "PublishBreaker::reset",
            "Requests::cancel",
            "Requests::handle_response",
            "RetainedStore::overtake",
            "RetainedStore::remove",
            "Services::abandon",
            "Services::remove",
            "Session::take_forgotten_body",
            "Session::withdraw",
        ],
    ),
    (
        "adds what has no time yet",
        &[
            "Broker::set_group_policy",
            "Groups::connected",
            "Groups::delivered",
            "Groups::join",
            "Groups::set_policy",
            "OrderedPublisher::accepted",
            "OrderedPublisher::adopt",
            "OrderedPublisher::push",
            "OrderedPublisher::push_value",
            "OrderedPublisher::resume",
            "Services::register",
        ],
    ),
    (
        "gives back what was stored, with its times",
        &[
            "Restoring::record",
            "RetainedStore::restore",
            "RetainedStore::restore_cursor",
        ],
    ),
    (
        "the caller gives the point of time itself",
        &[
            "ReconnectPolicy::choose_attempt",
            "ReconnectPolicy::postpone",
        ],
    ),
];

/// Methods that change nothing and take `now`, as they compare it.
const COMPARES: &[&str] = &[
    "Call::processing_time",
    "CircuitBreaker::state",
    "Deduplicator::is_known",
    "PublishBreaker::state",
    "Restoring::finish",
    "RetainedMessage::has_expired",
    "RetainedStore::get",
    "RetainedStore::next",
];

struct Method {
    name: String,
    changes: bool,
    takes_now: bool,
    /// `now` comes behind another argument.
    late: bool,
}

#[test]
fn a_method_takes_now_if_it_begins_or_compares_a_time() {
    let mut types: BTreeMap<String, Vec<Method>> = BTreeMap::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src")).unwrap() {
        for (of, method) in methods(&fs::read_to_string(file).unwrap()) {
            types.entry(of).or_default().push(method);
        }
    }
    // Those in which time passes.
    types.retain(|_, methods| methods.iter().any(|method| method.takes_now));
    let names = ["both sides", "Client", "Lent", "Server", "Session"];
    assert!(names.iter().all(|name| types.contains_key(*name)));

    let mut without: BTreeSet<&str> = WITHOUT.iter().flat_map(|row| row.1).copied().collect();
    let mut compares: BTreeSet<&str> = COMPARES.iter().copied().collect();
    let mut errors = Vec::new();
    for (of, methods) in &types {
        for method in methods {
            let name = format!("{of}::{}", method.name);
            if method.late {
                errors.push(format!("{name}: `now` is not the first argument"));
            }
            match (method.changes, method.takes_now) {
                (true, false) if !without.remove(&*name) => {
                    errors.push(format!("{name} takes no `now`; if that is right, say why"));
                }
                (false, true) if !compares.remove(&*name) => {
                    errors.push(format!("{name} takes `now`; if that is right, say so"));
                }
                _ => {}
            }
        }
    }
    let stale = without.iter().chain(&compares);
    errors.extend(stale.map(|name| format!("{name} is named here, but is not so")));
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// The public methods in a source file, each with the name of its type.
fn methods(source: &str) -> Vec<(String, Method)> {
    let mut methods = Vec::new();
    let mut of = String::new();
    let mut lines = source.lines().map(str::trim_end).peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("impl") {
            of = implemented(trimmed);
        }
        let Some(rest) = trimmed
            .strip_prefix("pub fn ")
            .or_else(|| trimmed.strip_prefix("pub const fn "))
        else {
            continue;
        };
        let mut signature = rest.to_owned();
        while !signature.ends_with(['{', ';']) {
            let Some(line) = lines.next() else { break };
            signature.push(' ');
            signature.push_str(line.trim());
        }
        let (name, _) = signature.split_once(['(', '<']).unwrap();
        let arguments = &signature[signature.find('(').unwrap() + 1..];
        let arguments = arguments.trim_start();
        let (first, others) = arguments.split_once(", ").unwrap_or((arguments, ""));
        let takes_now = arguments.contains("now: Instant");
        let has_self = first.contains("self");
        let is_shared = first.starts_with('&') && !first.contains("mut");
        methods.push((
            of.clone(),
            Method {
                name: name.to_owned(),
                changes: has_self && !is_shared && first != "self)",
                takes_now: has_self && takes_now,
                late: takes_now
                    && !if has_self { others } else { arguments }.starts_with("now: Instant"),
            },
        ));
    }
    methods
}

/// The name of the type in the first line of an `impl`.
fn implemented(line: &str) -> String {
    let line = line.split_once(" for ").map_or(line, |(_, of)| of);
    let name = without_parameters(line.trim_start_matches("impl")).trim_start();
    if name.starts_with("$machine") {
        return "both sides".to_owned();
    }
    let end = name.find(|c: char| !c.is_alphanumeric());
    name[..end.unwrap_or(name.len())].to_owned()
}

/// What is behind the parameters in angle brackets, if it begins with them.
fn without_parameters(line: &str) -> &str {
    let mut depth = 0;
    for (place, character) in line.char_indices() {
        depth += match character {
            '<' => 1,
            '>' => -1,
            _ => 0,
        };
        if depth == 0 {
            return line[place..].trim_start_matches('>');
        }
    }
    line
}
