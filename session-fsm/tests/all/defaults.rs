//! Each field of a configuration says its default, and says the truth: the sentence is compared with the value.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;

use mqtt5_session_fsm::broker::groups::GroupsConfig;
use mqtt5_session_fsm::broker::retained::RetainedLimits;
use mqtt5_session_fsm::circuit_breaker::CircuitBreakerSettings;
use mqtt5_session_fsm::ordered_publisher::OrderedPublisherSettings;
use mqtt5_session_fsm::ordering::{Numbering, OrderedConsumerSettings, SequencerSettings};
use mqtt5_session_fsm::processing::ProcessorSettings;
use mqtt5_session_fsm::publish_breaker::PublishBreakerSettings;
use mqtt5_session_fsm::reconnect::ReconnectSettings;
use mqtt5_session_fsm::{
    ClientConfig, Limits, PacketTimeouts, ServerConfig, SessionConfig, StoredLimits, WaitingLimits,
};

#[test]
fn the_documentation_of_each_field_says_its_default() {
    let structs: [(&str, &str, String); 17] = [
        shown("client.rs", ClientConfig::default()),
        shown("server.rs", ServerConfig::default()),
        shown("session.rs", SessionConfig::default()),
        shown("session/room.rs", StoredLimits::default()),
        shown("session/waiting.rs", WaitingLimits::default()),
        shown("connection/liveness.rs", PacketTimeouts::default()),
        shown("limits.rs", Limits::default()),
        shown("broker/retained/limits.rs", RetainedLimits::default()),
        shown("broker/groups/config.rs", GroupsConfig::default()),
        shown(
            "helpers/circuit_breaker.rs",
            CircuitBreakerSettings::default(),
        ),
        shown(
            "helpers/publish_breaker.rs",
            PublishBreakerSettings::default(),
        ),
        shown("helpers/reconnect.rs", ReconnectSettings::default()),
        shown(
            "helpers/ordered_publisher/settings.rs",
            OrderedPublisherSettings::default(),
        ),
        shown("helpers/ordering.rs", Numbering::default()),
        shown(
            "helpers/ordering/settings.rs",
            OrderedConsumerSettings::default(),
        ),
        shown(
            "helpers/ordering/sequencer.rs",
            SequencerSettings::default(),
        ),
        shown(
            "helpers/processing/settings.rs",
            ProcessorSettings::default(),
        ),
    ];
    let mut errors = Vec::new();
    for (file, name, value) in structs {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../src")
            .join(file);
        let documented = documented(&fs::read_to_string(path).unwrap(), name);
        let fields = fields(&value);
        assert_eq!(
            documented.keys().collect::<Vec<_>>(),
            fields.keys().collect::<Vec<_>>()
        );
        for (field, value) in fields {
            match documented[&field].split_once("Default: ") {
                None => errors.push(format!("{name}::{field} does not say its default")),
                // A struct of its own says the defaults of its fields.
                Some(_) if value.ends_with('{') => {}
                Some((_, said)) if means(said) == value => {}
                Some((_, said)) => errors.push(format!("{name}::{field} is {value}, not {said}")),
            }
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

/// The file of a struct, its name, and its fields as `Debug` shows them.
fn shown<T: Debug>(file: &'static str, value: T) -> (&'static str, &'static str, String) {
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap();
    let name = name.split('<').next().unwrap();
    (file, name, format!("{value:#?}"))
}

/// Fields and values of a struct.
fn fields(shown: &str) -> BTreeMap<String, String> {
    let lines = shown.lines().filter_map(|line| line.strip_prefix("    "));
    let outer = lines.filter(|line| !line.starts_with([' ', '}', ')']));
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.trim_end_matches(',').to_owned())
    };
    outer.map(field).collect()
}

/// Fields and their documentation.
fn documented(source: &str, name: &str) -> BTreeMap<String, String> {
    let (_, body) = source
        .split_once(&format!("pub struct {name} {{"))
        .or_else(|| source.split_once(&format!("pub struct {name}<'a> {{")))
        .unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let mut fields = BTreeMap::new();
    let mut documentation = String::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            documentation.push_str(text);
        } else if let Some(field) = line.strip_prefix("pub ") {
            let (field, _) = field.split_once(':').unwrap();
            fields.insert(field.to_owned(), std::mem::take(&mut documentation));
        }
    }
    fields
}

/// The value that a sentence names, as `Debug` shows it: `1 second` is `1s`.
fn means(said: &str) -> String {
    let said = said.trim_start();
    if let Some((code, _)) = said.strip_prefix("[`").and_then(|it| it.split_once("`]")) {
        return match code {
            "u64::MAX" => u64::MAX.to_string(),
            code => code.rsplit("::").next().unwrap().to_owned(),
        };
    }
    if let Some((code, _)) = said.strip_prefix('`').and_then(|it| it.split_once('`')) {
        return match code {
            "sequence" => format!("{code:?}"),
            code => code.to_owned(),
        };
    }
    let mut words = said.split([' ', '.', ';']);
    let number = words.next().unwrap().trim_end_matches(',').replace(',', "");
    let Ok(number) = number.parse::<u64>() else {
        // The name of a Reason Code.
        let (name, _) = said.split_once(" (").unwrap_or((said, ""));
        return name.split(' ').map(capitalised).collect();
    };
    match words.next().unwrap_or_default().trim_end_matches(',') {
        "milliseconds" => format!("{:?}", Duration::from_millis(number)),
        "second" | "seconds" => format!("{:?}", Duration::from_secs(number)),
        "minute" | "minutes" => format!("{:?}", Duration::from_secs(60 * number)),
        "hour" => format!("{:?}", Duration::from_secs(3_600 * number)),
        "MiB" => (number << 20).to_string(),
        _ => number.to_string(),
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}
