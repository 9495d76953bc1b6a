//! What a Server must do between its Clients, rule by rule of the standard, with bytes on raw connections, an answer that
//! comes when it comes, and a place that stores batches when it does.

mod people;
pub(crate) mod place;

mod answers;
mod crashes;
mod deliveries;
mod equality;
mod fan_out;
mod hostile;
mod limits;
mod limits_of_clients;
mod matching;
mod members;
mod properties;
mod records;
mod restart;
mod retained;
mod retained_walks;
mod sessions;
mod shared;
mod subscriptions;
mod takeovers;
mod wills;
mod wills_stored;

use crate::check::Check;

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(answers::checks());
    checks.extend(crashes::checks());
    checks.extend(deliveries::checks());
    checks.extend(equality::checks());
    checks.extend(fan_out::checks());
    checks.extend(hostile::checks());
    checks.extend(limits::checks());
    checks.extend(limits_of_clients::checks());
    checks.extend(matching::checks());
    checks.extend(members::checks());
    checks.extend(properties::checks());
    checks.extend(records::checks());
    checks.extend(restart::checks());
    checks.extend(retained::checks());
    checks.extend(retained_walks::checks());
    checks.extend(sessions::checks());
    checks.extend(shared::checks());
    checks.extend(subscriptions::checks());
    checks.extend(takeovers::checks());
    checks.extend(wills::checks());
    checks.extend(wills_stored::checks());
    checks
}
