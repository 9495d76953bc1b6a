//! How much faster than the fastest peer our codec is to be.

use std::time::Duration;

use mqtt5_codec::ProtocolVersion;

use crate::measure::{self, Comparison, Task};
use crate::{baseline, ours, packets};

/// The factor for a task and a row, in either version; `None` where none was set.
///
/// Encoding a large payload is copying it, whoever does it, so the rows with
/// large payloads have no goal of their own.
pub fn factor(task: Task, row_id: &str) -> Option<f64> {
    match (task, row_id) {
        (Task::Stream, _) => Some(4.0),
        (Task::Decode, "publish-64B") => Some(5.0),
        (Task::Decode, "puback") => Some(8.0),
        (Task::Decode, "publish-7-properties" | "publish-256B" | "connect" | "subscribe") => {
            Some(4.0)
        }
        (Task::Decode, _) | (Task::Encode, "publish-16KiB" | "publish-1MiB") => None,
        (Task::Encode, _) => Some(3.0),
    }
}

/// At most this many times as long as the baseline `header+topic`.
const BASELINE_FACTOR: f64 = 2.0;

/// Decoding takes "the same" time if it takes at most this many times as long.
const SAME_TIME_FACTOR: f64 = 1.25;

/// The goal to stay close to the baseline `header+topic`, with what was measured.
pub fn baseline(decode: &[Comparison], stream: &[Comparison]) -> Vec<String> {
    let small = packets::row(ProtocolVersion::V5_0, "publish-64B").title;
    let name = baseline::HEADER_AND_TOPIC;
    decode
        .iter()
        .filter(|comparison| comparison.title == small)
        .chain(stream)
        .filter_map(|comparison| {
            let factor = comparison.ours() / comparison.time(name)?;
            Some(format!(
                "{} takes {factor:.2} times as long as the baseline `{name}` (goal: at most \
                 {BASELINE_FACTOR}): {}",
                comparison.title,
                met(factor <= BASELINE_FACTOR),
            ))
        })
        .collect()
}

/// The goal that the time to decode a PUBLISH does not depend on its payload,
/// with what is measured within `budget`. (Rows of a table are measured one after
/// the other, so their times must not be compared.)
///
/// # Panics
///
/// Panics if our codec does not decode.
pub fn payload_independence(budget: Duration) -> Vec<String> {
    let rows = ["publish-64B", "publish-16KiB", "publish-1MiB"];
    let rows = rows.map(|id| packets::row(ProtocolVersion::V5_0, id));
    let decode = ours::CONTENDER.decode.expect("our codec decodes");
    let times = measure::by_turns(&mut rows.map(|row| decode(&row.bytes)), budget);
    (1..rows.len())
        .map(|index| {
            let factor = times[index] / times[0];
            format!(
                "decoding {} takes {factor:.2} times as long as {} (goal: the same, up to \
                 {SAME_TIME_FACTOR}): {}",
                rows[index].title,
                rows[0].title,
                met(factor <= SAME_TIME_FACTOR),
            )
        })
        .collect()
}

/// How a goal is reported.
pub fn met(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}
