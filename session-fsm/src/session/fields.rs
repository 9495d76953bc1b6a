//! What a restart does to each field of a Session.
//!
//! The rule: whatever keeps a Packet Identifier from being used, or a message from being delivered
//! twice or never, is stored. A field is
//!
//! * **stored**: it is in the export, and each change of it is a [`Change`](super::Change);
//! * **derived**: it follows from stored fields, or is a place in memory, which another process may
//!   choose anew;
//! * of the **connection**: it means nothing once the Network Connection is gone, and no Session is
//!   restored with one;
//! * of the **process**: the caller has it, or it is a courtesy that no statement asks for.
//!
//! | field | kind | why |
//! | --- | --- | --- |
//! | `Session.role` | stored | |
//! | `Session.life` | stored | `Connected`, `Disconnected`, `Ended`; a connection that is not known to have ended was lost in the crash, and the CONNECT of a process that is dead is not answered |
//! | `Session.refused` | process | what was refused is in the hands of the caller, who tries again after a restart |
//! | `Session.config` | process | the caller's, given to `restore` |
//! | `Session.client_identifier` | stored | `Connected` |
//! | `Session.sender` | stored | see `Sender` |
//! | `Session.receiver` | stored | see `Receiver` |
//! | `Session.waiting` | stored | see `Waiting` |
//! | `Session.last_token` | stored | `Accepted`; those of QoS 0 and of requests may be given again, as the docs of `Token` say |
//! | `Session.deadlines` | stored | `Accepted`, `Overdue`; see `Deadlines` |
//! | `Session.watched` | derived | from `config` and `deadlines` |
//! | `Session.keyed` | process | the owner says how it stores the Session |
//! | `Session.will` | stored | `WillStored`, `WillRemoved`; see `PendingWill` |
//! | `Session.notices` | process | an event comes before its change: what was not reported comes again, out of the state before |
//! | `Session.untold` | process | see `Untold` |
//! | `Untold.first_body` | process | the owner counts anew what is held, by `Session::bodies` |
//! | `Untold.rest` | process | see `Rest` |
//! | `Rest.other_bodies` | process | as `Untold.first_body` |
//! | `Rest.changes` | process | what was not announced has not happened: no packet depends on it |
//! | `Rest.bytes` | process | of `Rest.changes` |
//! | `Absence.ends_at` | stored | `Disconnected` |
//! | `Absence.expiry_interval` | stored | `Connected`, `Disconnected`; a limit for `ends_at` by another clock |
//! | `PendingWill.will` | stored | `WillStored` |
//! | `PendingWill.delay` | stored | `WillStored` |
//! | `PendingWill.due_at` | stored | `Disconnected` |
//! | `PendingWill.session_ends_at` | derived | from `Absence.ends_at`, at a restart |
//! | `WillMessage.message` | stored | `WillStored` |
//! | `WillMessage.qos` | stored | `WillStored` |
//! | `Refused.qos0` | process | see `Session.refused` |
//! | `Refused.others` | process | see `Session.refused` |
//! | `Deadlines.entries` | stored | `Accepted`, `Overdue` |
//! | `Deadlines.order` | derived | from `entries` |
//! | `deadlines::Entry.deadline` | stored | `Accepted` |
//! | `deadlines::Entry.packet_identifier` | derived | that of the message |
//! | `Deadline.at` | stored | `Accepted` |
//! | `Deadline.within` | stored | `Accepted`; a limit for `at` by another clock |
//! | `Sender.slots` | stored | see `Slots` |
//! | `Sender.publishing` | stored | its order is that of `Sent`, and of the export |
//! | `Sender.releasing` | stored | its order is that of `Released`, and of the export \[MQTT-4.6.0-4\] |
//! | `Sender.requests` | connection | they end with it as `Indeterminate` |
//! | `Sender.request_due` | connection | one of `requests` |
//! | `Sender.request_next` | connection | one of `requests` |
//! | `Sender.last_request_due` | connection | of `requests` |
//! | `Sender.publish_next` | connection | the first one, on the next |
//! | `Sender.release_next` | connection | the first one, on the next |
//! | `Sender.outstanding` | connection | counted anew (section 4.9) |
//! | `Sender.bytes` | derived | from the messages |
//! | `Sender.asked` | connection | see `Asked` |
//! | `Asked.count` | connection | PUBRELs are sent again on the next |
//! | `Asked.unanswered` | connection | the same |
//! | `Slots.slots` | stored | see `Slot` |
//! | `Slots.vacant` | derived | a place in memory |
//! | `Slots.identifiers` | stored | in use: `Sent`, `Finished`; lost: `Lost`; the others are free |
//! | `Slots.free` | process | its order keeps answers that a careless peer repeats from the next message; a correct peer repeats none on another connection |
//! | `Slots.lost` | derived | from `identifiers` |
//! | `Slots.usable` | stored | `Adopted` |
//! | `PendingRequest.request` | connection | |
//! | `PendingRequest.token` | connection | |
//! | `PendingRequest.due` | connection | |
//! | `Slot.links` | stored | see `Sender.publishing` and `Sender.releasing` |
//! | `Slot.identifier` | stored | `Sent` |
//! | `Slot.used_for` | stored | `Accepted`, `Sent`, `Released`; a request is of the connection |
//! | `Slot.state` | stored | `Sent`, `Released`; a PUBLISH that is in flight may have been written, so it goes on with DUP 1, and its identifier is lost if it is given up |
//! | `Slot.sent` | connection | |
//! | `Links.previous` | derived | a place in memory |
//! | `Links.next` | derived | a place in memory |
//! | `List.first` | derived | a place in memory |
//! | `List.last` | derived | a place in memory |
//! | `List.length` | derived | a count |
//! | `Receiver.identifiers` | stored | accepted with QoS 2: `Received`, `Completed`; what is undecided comes again; requests are of the connection |
//! | `Receiver.open` | connection | counted anew (section 4.9) |
//! | `Receiver.first_use` | process | see `Deferred.first_use` |
//! | `Receiver.deferred` | stored | see `Deferred` |
//! | `Identifiers.in_use` | derived | a count |
//! | `Identifiers.kept` | stored | see `Receiver.identifiers` |
//! | `Deferred.entries` | stored | see `deferred::Entry` |
//! | `Deferred.free` | derived | places in memory |
//! | `Deferred.due1` | connection | messages with QoS 1 come again |
//! | `Deferred.due2` | connection | the order in which they came, or were decided, on it |
//! | `Deferred.earlier` | derived | from `entries` |
//! | `Deferred.explained` | derived | the bytes of the decisions in `entries` |
//! | `Deferred.first_use` | process | old receipts stay void; those of another process do not exist |
//! | `deferred::Entry.handed_out` | process | an undecided message comes again, and is handed out again |
//! | `deferred::Entry.decision` | stored | accepted with QoS 2: `Received`; a refusal that has not left is decided again, when its message comes again |
//! | `deferred::Entry.is_stored` | stored | `Received`, before the decision |
//! | `deferred::Entry.use_of_place` | process | of receipts |
//! | `Decision.reason_code` | stored | an acceptance is; see `deferred::Entry.decision` |
//! | `Decision.packet` | connection | its properties are for the peer's limits of this one |
//! | `Waiting.queues` | stored | see `Queues` |
//! | `Queues.qos0` | process | QoS 0 promises nothing |
//! | `Queues.others` | stored | `Accepted`, `Sent`, `Dropped` |
//! | `Queues.messages` | derived | a count |
//! | `Queues.bytes` | derived | a count |
//! | `Queues.qos0_messages` | derived | a count |
//! | `Queues.qos0_bytes` | derived | a count |
//! | `Queues.expiring` | derived | from the messages |
//! | `QueuedMessage.message` | stored | `Accepted`; gone with `Released` |
//! | `QueuedMessage.token` | stored | `Accepted` |
//! | `QueuedMessage.expires_at` | stored | `Accepted` |
//! | `QueuedMessage.body` | stored | `Accepted` |
//! | `QueuedMessage.other_identifiers` | stored | `Accepted` |
//! | `QueuedMessage.first_identifier` | stored | `Accepted` |
//! | `QueuedMessage.topic_alias` | stored | `Accepted` |
//! | `QueuedMessage.qos` | stored | `Accepted` |
//! | `QueuedMessage.retain` | stored | `Accepted` |

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;
    use std::string::{String, ToString};
    use std::vec::Vec;
    use std::{format, vec};

    /// Structs that a Session is made of, with the source that each is in.
    const STRUCTS: [(&str, &str, &str); 25] = [
        ("Session", "Session", include_str!("../session.rs")),
        ("Untold", "Untold", include_str!("untold.rs")),
        ("Rest", "Rest", include_str!("untold.rs")),
        ("Absence", "Absence", include_str!("life.rs")),
        ("PendingWill", "PendingWill", include_str!("life.rs")),
        ("WillMessage", "WillMessage", include_str!("../event.rs")),
        ("Refused", "Refused", include_str!("room.rs")),
        ("Deadlines", "Deadlines", include_str!("deadlines.rs")),
        ("deadlines::Entry", "Entry", include_str!("deadlines.rs")),
        ("Deadline", "Deadline", include_str!("deadlines.rs")),
        ("Sender", "Sender", include_str!("../exchange/sender.rs")),
        (
            "Slots",
            "Slots",
            include_str!("../exchange/sender/slots.rs"),
        ),
        ("Slot", "Slot", include_str!("../exchange/sender/slots.rs")),
        ("Links", "Links", include_str!("../exchange/linked_list.rs")),
        ("List", "List", include_str!("../exchange/linked_list.rs")),
        (
            "Asked",
            "Asked",
            include_str!("../exchange/sender/adopted.rs"),
        ),
        (
            "Receiver",
            "Receiver",
            include_str!("../exchange/receiver.rs"),
        ),
        (
            "Identifiers",
            "Identifiers",
            include_str!("../exchange/receiver/identifiers.rs"),
        ),
        (
            "Deferred",
            "Deferred",
            include_str!("../exchange/receiver/deferred.rs"),
        ),
        (
            "deferred::Entry",
            "Entry",
            include_str!("../exchange/receiver/deferred.rs"),
        ),
        (
            "Decision",
            "Decision",
            include_str!("../exchange/receiver/deferred.rs"),
        ),
        ("Waiting", "Waiting", include_str!("waiting.rs")),
        ("Queues", "Queues", include_str!("waiting.rs")),
        (
            "QueuedMessage",
            "QueuedMessage",
            include_str!("publication.rs"),
        ),
        (
            "PendingRequest",
            "PendingRequest",
            include_str!("../exchange/sender/slots.rs"),
        ),
    ];

    /// Enums with a struct in each variant, or nothing that a Session is made of beside tokens.
    const ENUMS: [(&str, &str, &str); 4] = [
        (
            "Life",
            include_str!("life.rs"),
            "None, Connected(u32), Away(Absence), Resuming(Absence)",
        ),
        (
            "Due",
            include_str!("../exchange/receiver/deferred.rs"),
            "Place(u32), Again(PacketIdentifier)",
        ),
        (
            "Use",
            include_str!("../exchange/sender/slots.rs"),
            "Vacant, Publish(QueuedMessage), Release(Token), Request(PendingRequest)",
        ),
        (
            "Place",
            include_str!("waiting.rs"),
            "Taken(QueuedMessage), Empty(Token)",
        ),
    ];

    /// Types without fields of their own that matter: numbers, collections, values of the standard,
    /// what is not stored.
    const LEAVES: [&str; 38] = [
        "Arc",
        "BTreeMap",
        "BTreeSet",
        "Box",
        "Change",
        "Instant",
        "Due",
        "Duration",
        "Kept",
        "Life",
        "Message",
        "NonZeroU16",
        "NonZeroU64",
        "Notice",
        "Option",
        "PacketIdentifier",
        "Qos",
        "Queue",
        "Rare",
        "RareQueue",
        "ReasonCode",
        "Request",
        "Role",
        "SessionConfig",
        "OtherIdentifiers",
        "SubscriptionIdentifier",
        "Token",
        "Use",
        "Vec",
        "VecDeque",
        "bool",
        "str",
        "u16",
        "u32",
        "u64",
        "u8",
        "usize",
        "SenderState",
    ];

    /// The fields of a struct, each with its type.
    fn fields(source: &str, name: &str) -> Vec<(String, String)> {
        let head = format!("struct {name} {{\n");
        let begin = source.find(&head).expect("the struct is there") + head.len();
        let body = &source[begin..];
        let body = &body[..body.find("\n}").expect("it ends")];
        let lines = body
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//") && !line.starts_with('#'));
        lines
            .map(|line| {
                let (field, kind) = line.split_once(": ").expect("a field and its type");
                let field = field.rsplit(' ').next().unwrap_or(field);
                (field.to_string(), kind.to_string())
            })
            .collect()
    }

    #[test]
    fn every_field_has_a_row() {
        let expected: BTreeSet<String> = STRUCTS
            .into_iter()
            .flat_map(|(label, name, source)| {
                let fields = fields(source, name);
                fields
                    .into_iter()
                    .map(move |(field, _)| format!("{label}.{field}"))
            })
            .collect();
        let table = include_str!("fields.rs");
        let rows = table
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"));
        let mut named = BTreeSet::new();
        for row in rows {
            let (field, rest) = row.split_once("` | ").expect("a field");
            let (kind, _) = rest.split_once(" | ").expect("a kind");
            assert!(
                ["stored", "derived", "connection", "process"].contains(&kind),
                "{row}"
            );
            assert!(named.insert(field.to_string()), "{field} has two rows");
        }
        let missing: Vec<_> = expected.difference(&named).collect();
        let unknown: Vec<_> = named.difference(&expected).collect();
        assert_eq!(
            (missing, unknown),
            (vec![], vec![]),
            "without a row, without a field"
        );
    }

    #[test]
    fn the_enums_are_those_that_were_looked_into() {
        for (name, source, variants) in ENUMS {
            let head = format!("enum {name} {{\n");
            let begin = source.find(&head).expect("the enum is there") + head.len();
            let body = &source[begin..];
            let body = &body[..body.find("\n}").expect("it ends")];
            let found: Vec<_> = body
                .lines()
                .map(|line| line.trim().trim_end_matches(','))
                .filter(|line| !line.starts_with("//"))
                .collect();
            assert_eq!(found.join(", "), variants);
        }
    }

    /// A field of another struct makes that one part of the Session, too.
    #[test]
    fn every_type_is_looked_into() {
        for (label, name, source) in STRUCTS {
            for (field, kind) in fields(source, name) {
                let words = kind.split(|it: char| !it.is_alphanumeric() && it != ':' && it != '_');
                for word in words.filter(|word| !word.is_empty()) {
                    let word = word.rsplit("::").next().unwrap_or(word);
                    let known =
                        LEAVES.contains(&word) || STRUCTS.iter().any(|&(_, name, _)| name == word);
                    assert!(known, "{label}.{field} has the type {word}: is it stored?");
                }
            }
        }
    }
}
