//! Processes received messages: each once, a limited number at a time, and again after a failure.
//!
//! A [`Processor`] stands between received messages and the code that processes them. It recognizes
//! duplicates, holds a bounded number of messages, returns the next one to process, and repeats
//! failed ones after a delay. It returns the Reason Code to acknowledge each message with, and
//! counts everything.
//!
//! It replaces a queue, a semaphore, a retry loop and statistics.

mod settings;
mod statistics;
mod step;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt5_codec::ReasonCode;

use crate::deduplicate::Deduplicator;
use crate::reconnect::Backoff;
use crate::{Instant, Receipt};

pub use self::settings::ProcessorSettings;
pub use self::statistics::{ProcessorStatistics, Share};
pub use self::step::{Failure, Finished, Intake, Step, Task, TaskId};

use self::step::Receipts;

/// Decides when each received message is processed, and how it is acknowledged.
///
/// # Contract
///
/// * Give it each message by [`receive`](Self::receive). After every call, and when
///   [`next_timeout`](Self::next_timeout) is due, call [`poll`](Self::poll) until it returns
///   `None`, and do what each [`Step`] says.
/// * **Each [`Step::Process`] is reported once**, with [`succeeded`](Self::succeeded) or
///   [`failed`](Self::failed), as soon as the message was processed; right away, or later by
///   another task. A task that is never reported keeps its place for ever: code that may hang needs
///   a timeout, after which it is reported as failed.
/// * **Each message that was taken ends with one [`Step::Finished`]**: acknowledge its receipts
///   with the Reason Code. That is Success once it was processed, and an error after the last
///   attempt, or when another one would make no sense.
/// * A message is a duplicate if its key was processed before, or is being processed; a key that
///   has failed is not remembered. A receipt that came with the duplicate of a message in progress
///   is acknowledged with that one. So a message that comes again after a lost connection is
///   acknowledged on the new one.
/// * Nothing more is held than the [settings](ProcessorSettings) allow; what finds no room is
///   [dropped](Intake::Dropped). To drop nothing of QoS 1 and 2, announce a Receive Maximum that is
///   not larger than [`messages`](ProcessorSettings::messages), or do not read from the network
///   while there is [no room](Self::has_room).
/// * A message that is in progress is not acknowledged, and neither are those with the same QoS
///   that came after it (section 4.6). All of them use up the Receive Maximum: many attempts with
///   long delays slow the Server down.
/// * Messages are started in the order in which they came, or became due again. Only with a
///   concurrency of 1 and [`hold_place`](ProcessorSettings::hold_place) is each finished before the
///   next is started.
///
/// `M` is what is kept of a message. All calls take logarithmic time; taking a message may
/// allocate.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::codec::{Publish, TopicName};
/// use mqtt5_session_fsm::processing::{Failure, Intake, Processor, ProcessorSettings, Step};
/// use mqtt5_session_fsm::deduplicate::Deduplicator;
/// use mqtt5_session_fsm::{Delivered, Instant};
///
/// # let delivered = Delivered { publish: Publish::new(TopicName::new("alerts/3")?, b"4711:hot"), receipt: None };
/// let secret = [0; 16]; // from the host's random source
/// let seen = Deduplicator::new(10_000, Duration::from_secs(300), secret);
/// let mut processor = Processor::<Vec<u8>>::new(ProcessorSettings::default(), seen);
///
/// // For each `Event::Message`, with `Acknowledgement::Manual`. Here, a payload begins with a key.
/// let now = Instant::ORIGIN;
/// let payload = delivered.publish.payload;
/// let key = payload.split(|&byte| byte == b':').next();
/// match processor.receive(now, key, payload.len(), || payload.to_vec(), delivered.receipt) {
///     Intake::Taken | Intake::InProgress => {}
///     Intake::Duplicate(receipt) => println!("acknowledge {receipt:?} with Success"),
///     Intake::Dropped(receipt) => println!("acknowledge {receipt:?} with Quota exceeded"),
/// }
/// let mut processed = 0;
/// while let Some(step) = processor.poll(now) {
///     match step {
///         Step::Process(task) => {
///             let id = task.id;
///             let is_done = task.message == b"4711:cold"; // processes it at once, and fails
///             let random = 0x5EED_F00D; // of a random source of yours
///             if is_done {
///                 processor.succeeded(now, id);
///             } else {
///                 processor.failed(now, id, Failure::TryAgain, random);
///             }
///         }
///         Step::Finished(finished) => {
///             for receipt in finished.receipts() {
///                 // client.acknowledge_with(receipt, finished.reason_code, &[])
///                 println!("acknowledge {receipt:?} with {}", finished.reason_code);
///             }
///             processed += 1;
///         }
///         Step::Delayed { waited } => println!("Messages wait for {waited:?}."),
///     }
/// }
/// // The second attempt comes later: when this is due, poll again.
/// assert!(processed == 0 && processor.next_timeout() < Instant::from_millis(2_001));
/// assert_eq!(processor.statistics().retries, 1);
/// # Ok::<(), mqtt5_session_fsm::codec::Violation>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Processor<M, R = Receipt> {
    settings: ProcessorSettings,
    seen: Deduplicator,
    jobs: BTreeMap<u64, Job<M, R>>,
    next_job: u64,
    /// Jobs in progress by the fingerprints of their keys.
    by_key: BTreeMap<u128, u64>,
    /// Jobs that wait to be started, by the instant since which they do.
    queue: BTreeSet<(Instant, u64)>,
    /// Jobs that wait for their next attempt, by the instant until which they do.
    delayed: BTreeSet<(Instant, u64)>,
    ended: VecDeque<u64>,
    /// Places that are taken.
    running: usize,
    /// Receipts of duplicates.
    followers: usize,
    bytes: usize,
    /// Whether the alarm has been raised, and the queue has not caught up since.
    alarm: bool,
    statistics: ProcessorStatistics,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Job<M, R> {
    message: M,
    size: usize,
    receipts: Receipts<R>,
    fingerprint: Option<u128>,
    state: State,
    /// Attempts that were started.
    attempts: u32,
    delay: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Waiting,
    Running { since: Instant },
    Ended(ReasonCode),
}

impl<M, R> Processor<M, R> {
    /// Creates a processor that holds nothing. The [`Deduplicator`] decides how many keys of
    /// processed messages are known, and for how long; with a limit of 0, only messages in progress
    /// have duplicates.
    #[must_use]
    pub const fn new(settings: ProcessorSettings, seen: Deduplicator) -> Self {
        Processor {
            settings,
            seen,
            jobs: BTreeMap::new(),
            next_job: 0,
            by_key: BTreeMap::new(),
            queue: BTreeSet::new(),
            delayed: BTreeSet::new(),
            ended: VecDeque::new(),
            running: 0,
            followers: 0,
            bytes: 0,
            alarm: false,
            statistics: ProcessorStatistics::NONE,
        }
    }

    /// Takes a message. The `key` identifies it, as for a [`Deduplicator`]; a message without a key
    /// is never a duplicate. `size` is how many bytes it counts. `keep` turns it into the value
    /// that is held, and is called only if the message is taken.
    pub fn receive(
        &mut self,
        now: Instant,
        key: Option<&[u8]>,
        size: usize,
        keep: impl FnOnce() -> M,
        receipt: Option<R>,
    ) -> Intake<R> {
        count(&mut self.statistics.received);
        let fingerprint = key.map(|key| self.seen.fingerprint(key));
        let known = fingerprint.filter(|&it| self.seen.knows_fingerprint(now, it));
        if let Some(fingerprint) = known {
            // Now it is the one that was seen last.
            let _ = self.seen.check_fingerprint(now, fingerprint);
            count(&mut self.statistics.duplicates);
            return Intake::Duplicate(receipt);
        }
        let original = fingerprint.and_then(|fingerprint| self.by_key.get(&fingerprint));
        if let Some(&original) = original {
            let held = self.held();
            if receipt.is_some() && held >= self.settings.messages {
                count(&mut self.statistics.dropped);
                return Intake::Dropped(receipt);
            }
            if let (Some(receipt), Some(job)) = (receipt, self.jobs.get_mut(&original)) {
                job.receipts.push(receipt);
                self.followers += 1;
            }
            count(&mut self.statistics.duplicates);
            return Intake::InProgress;
        }
        if !self.has_room(size) {
            count(&mut self.statistics.dropped);
            return Intake::Dropped(receipt);
        }
        let id = self.next_job;
        self.next_job = id.wrapping_add(1);
        let settings = &self.settings;
        let job = Job {
            message: keep(),
            size,
            receipts: Receipts::new(receipt),
            fingerprint,
            state: State::Waiting,
            attempts: 0,
            delay: Backoff::new(settings.retry_delay, settings.maximum_retry_delay, 200),
        };
        self.jobs.insert(id, job);
        if let Some(fingerprint) = fingerprint {
            self.by_key.insert(fingerprint, id);
        }
        self.bytes += size;
        self.queue.insert((now, id));
        Intake::Taken
    }

    /// Returns what to do next; `None` if there is nothing to do now.
    pub fn poll(&mut self, now: Instant) -> Option<Step<'_, M, R>> {
        if let Some(finished) = self.finish() {
            return Some(Step::Finished(finished));
        }
        while let Some(&(due, id)) = self.delayed.first() {
            if due > now {
                break;
            }
            self.delayed.pop_first();
            if self.settings.hold_place {
                return self.start(now, due, id);
            }
            self.queue.insert((due, id));
        }
        let &(since, id) = self.queue.first()?;
        if !self.alarm && since + self.settings.delay_alarm <= now {
            self.alarm = true;
            return Some(Step::Delayed {
                waited: since.until(now),
            });
        }
        if self.running >= self.settings.concurrency.max(1) {
            return None;
        }
        self.queue.pop_first();
        self.running += 1;
        self.start(now, since, id)
    }

    /// Reports that a message was processed. Returns `false` if the task was reported before.
    pub fn succeeded(&mut self, now: Instant, task: TaskId) -> bool {
        let Some(since) = self.report(task) else {
            return false;
        };
        self.statistics
            .processed_in(since.until(now), self.settings.smoothing_per_mille);
        let fingerprint = self.jobs.get(&task.job).and_then(|job| job.fingerprint);
        if let Some(fingerprint) = fingerprint {
            let _ = self.seen.check_fingerprint(now, fingerprint);
        }
        self.end(task.job, ReasonCode::Success);
        true
    }

    /// Reports that processing failed. `random` is a number in `0..=u32::MAX`, evenly distributed;
    /// it determines the delay before the next attempt as in [`Backoff`]. Returns `false` if the
    /// task was reported before.
    pub fn failed(&mut self, now: Instant, task: TaskId, failure: Failure, random: u32) -> bool {
        if self.report(task).is_none() {
            return false;
        }
        let Some(job) = self.jobs.get_mut(&task.job) else {
            return false;
        };
        let reason_code = match failure {
            Failure::TryAgain if job.attempts < self.settings.attempts => {
                let due = now + job.delay.next_delay(random);
                self.delayed.insert((due, task.job));
                if !self.settings.hold_place {
                    self.running -= 1;
                }
                count(&mut self.statistics.retries);
                return true;
            }
            Failure::TryAgain => self.settings.give_up_reason_code,
            Failure::Hopeless(reason_code) => reason_code,
        };
        count(&mut self.statistics.errors);
        self.end(task.job, reason_code);
        true
    }

    /// Returns when [`poll`](Self::poll) must be called: a message is due again, or has waited so
    /// long that the alarm is raised. Returns [`Instant::NEVER`] if there is nothing to wait for.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        let alarm = match self.queue.first() {
            Some(&(since, _)) if !self.alarm => since + self.settings.delay_alarm,
            _ => Instant::NEVER,
        };
        let due = self.delayed.first();
        due.map_or(alarm, |&(due, _)| due.min(alarm))
    }

    /// Returns whether a message of this size would be taken, if it is not a duplicate.
    #[must_use]
    pub fn has_room(&self, size: usize) -> bool {
        let bytes = self.bytes.checked_add(size);
        self.held() < self.settings.messages
            && bytes.is_some_and(|bytes| bytes <= self.settings.bytes)
    }

    /// Returns how many messages are held, and receipts of their duplicates: none of them has been
    /// polled as finished.
    #[must_use]
    pub fn held(&self) -> usize {
        self.jobs.len() + self.followers
    }

    /// Returns how many bytes are in use, of those in the [settings](ProcessorSettings::bytes).
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many places are taken, of the [concurrency](ProcessorSettings::concurrency).
    #[must_use]
    pub const fn running(&self) -> usize {
        self.running
    }

    /// Returns how many messages wait to be started; those that wait for another attempt are not
    /// among them until they are due.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Returns the counters.
    #[must_use]
    pub const fn statistics(&self) -> &ProcessorStatistics {
        &self.statistics
    }

    /// Returns the keys of processed messages.
    #[must_use]
    pub const fn deduplicator(&self) -> &Deduplicator {
        &self.seen
    }

    /// It has its place.
    fn start(&mut self, now: Instant, waits_since: Instant, id: u64) -> Option<Step<'_, M, R>> {
        let waited = waits_since.until(now);
        self.statistics.waited(waited);
        if waits_since + self.settings.delay_alarm <= now {
            count(&mut self.statistics.delayed);
        } else {
            self.alarm = false;
        }
        if self.queue.is_empty() {
            self.alarm = false;
        }
        let job = self.jobs.get_mut(&id)?;
        job.attempts = job.attempts.saturating_add(1);
        job.state = State::Running { since: now };
        Some(Step::Process(Task {
            id: TaskId {
                job: id,
                attempt: job.attempts,
            },
            attempt: job.attempts,
            message: &job.message,
            waited,
        }))
    }

    /// When the task was started, if it has not been reported.
    fn report(&mut self, task: TaskId) -> Option<Instant> {
        let job = self.jobs.get_mut(&task.job)?;
        match job.state {
            State::Running { since } if job.attempts == task.attempt => {
                job.state = State::Waiting;
                Some(since)
            }
            _ => None,
        }
    }

    /// It will be finished, and gives its place back.
    fn end(&mut self, id: u64, reason_code: ReasonCode) {
        self.running -= 1;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.state = State::Ended(reason_code);
            if let Some(fingerprint) = job.fingerprint {
                self.by_key.remove(&fingerprint);
            }
        }
        self.ended.push_back(id);
    }

    fn finish(&mut self) -> Option<Finished<M, R>> {
        let job = self.jobs.remove(&self.ended.pop_front()?)?;
        self.bytes -= job.size;
        self.followers -= job.receipts.followers();
        let State::Ended(reason_code) = job.state else {
            return None;
        };
        Some(Finished {
            message: job.message,
            reason_code,
            attempts: job.attempts,
            receipts: job.receipts,
        })
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
