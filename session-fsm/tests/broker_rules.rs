//! What a Server must do between its Clients, rule by rule of the standard, with bytes on raw connections, an answer that
//! comes when it comes, and a place that stores batches when it does.
#![cfg(feature = "persistence")]

#[path = "broker_rules/answers.rs"]
mod answers;
#[path = "broker_rules/crashes.rs"]
mod crashes;
#[path = "broker_rules/deliveries.rs"]
mod deliveries;
#[path = "broker_rules/fan_out.rs"]
mod fan_out;
#[path = "broker_rules/hostile.rs"]
mod hostile;
#[path = "broker_rules/limits.rs"]
mod limits;
#[path = "broker_rules/members.rs"]
mod members;
#[path = "broker_rules/people.rs"]
mod people;
#[path = "broker_rules/place.rs"]
mod place;
#[path = "broker_rules/records.rs"]
mod records;
#[path = "broker_rules/restart.rs"]
mod restart;
#[path = "broker_rules/retained.rs"]
mod retained;
#[path = "broker_rules/sessions.rs"]
mod sessions;
#[path = "broker_rules/shared.rs"]
mod shared;
#[path = "broker_rules/wills.rs"]
mod wills;
