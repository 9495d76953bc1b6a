//! How a [`Processor`](super::Processor) works.

use core::time::Duration;

use mqtt5_codec::ReasonCode;

/// How a [`Processor`](super::Processor) works.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::processing::ProcessorSettings;
///
/// // One message after the other, each up to three times, two seconds apart.
/// let settings = ProcessorSettings {
///     concurrency: 1,
///     hold_place: true,
///     retry_delay: Duration::from_secs(2),
///     maximum_retry_delay: Duration::from_secs(2),
///     ..ProcessorSettings::default()
/// };
/// assert_eq!(settings.attempts, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessorSettings {
    /// How many messages may be held: those that wait, those that are processed, and those that are
    /// to be processed again. The receipts of their duplicates count as well. Default: 100.
    pub messages: usize,
    /// How many bytes they may take. Default: 1 MiB.
    pub bytes: usize,
    /// How many messages may be processed at once; 0 counts as 1. Default: 10.
    pub concurrency: usize,
    /// How often a message is processed before it is given up; 0 counts as 1. Default: 3.
    pub attempts: u32,
    /// The most that the delay before the second attempt can be; it doubles with each attempt. See
    /// [`Backoff`](crate::reconnect::Backoff). Default: 2 seconds.
    pub retry_delay: Duration,
    /// The most that any delay can be. Equal to `retry_delay` (or less) if it shall not grow.
    /// Default: 1 minute.
    pub maximum_retry_delay: Duration,
    /// Whether a message keeps its place while it waits for its next attempt. With a concurrency of
    /// 1, nothing overtakes it then. Default: `false`, others take its place meanwhile.
    pub hold_place: bool,
    /// With what a message is acknowledged after its last attempt: a Reason Code that PUBACK and
    /// PUBREC can have (sections 3.4.2.1, 3.5.2.1). The Server does not send it again, whatever the
    /// Reason Code \[MQTT-4.4.0-2\]. Default: Implementation specific error (0x83).
    pub give_up_reason_code: ReasonCode,
    /// The alarm is raised when a message has waited this long for being started. Default: 5
    /// seconds.
    pub delay_alarm: Duration,
    /// The weight of the newest processing time in the moving average, in thousandths: 1 to 1,000.
    /// Default: 100.
    pub smoothing_per_mille: u16,
}

impl Default for ProcessorSettings {
    fn default() -> Self {
        ProcessorSettings {
            messages: 100,
            bytes: 1 << 20,
            concurrency: 10,
            attempts: 3,
            retry_delay: Duration::from_secs(2),
            maximum_retry_delay: Duration::from_secs(60),
            hold_place: false,
            give_up_reason_code: ReasonCode::ImplementationSpecificError,
            delay_alarm: Duration::from_secs(5),
            smoothing_per_mille: 100,
        }
    }
}
