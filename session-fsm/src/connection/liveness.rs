//! Liveness: detects peers that are silent or stall, and times in which this side did not read.
//!
//! Deadlines of the peer are kept in *reading time*, which is the caller's clock without the times
//! in which this side could not hear the peer: while it put off reading because its own output
//! waited, and while it slept through a deadline.

mod pings;

use alloc::sync::Arc;
use core::time::Duration;

use self::pings::Pings;
use crate::Instant;

/// The most time that a peer gets when this side was late, in milliseconds.
const LONGEST_CHANCE: u64 = 1_000;

/// The peer gets this many times the time by which this side was late.
const CHANCE_FACTOR: u64 = 10;

/// The least size that is assumed for the caller's buffer, in bytes.
const HOST_BUFFER: usize = 1 << 16;

/// How long a packet may take, in either direction, and how long a peer may stop in the middle.
///
/// The Keep Alive watches the silence between two packets (section 3.1.2.10). These limits are for
/// a packet that has begun: its bytes keep the connection alive, so a packet that never ends would
/// keep it alive for ever. They hold with Keep Alive 0, too.
///
/// A packet that is being received must be complete `grace` after it began, plus the time that its
/// bytes so far take at `minimum_rate`, and at the latest after `longest`. The connection is closed
/// earlier if nothing arrives for `stall`. A CONNECT has
/// [`ServerConfig::connect_timeout`](crate::ServerConfig::connect_timeout) instead.
///
/// Output that waits because the buffer for `poll` has no room must move within `stall`, plus the
/// time that the bytes which were written last take at `minimum_rate`. At least 64 KiB count, for
/// the bytes that are still in the caller's buffer. So a peer that takes nothing does not keep the
/// connection for ever.
///
/// A time of more than 49 days never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketTimeouts {
    /// The longest time without a byte. Default: 30 seconds, within which TCP recovers from about
    /// five lost segments in a row.
    pub stall: Duration,
    /// The time that any packet has, however slow it is. Default: 2 minutes, so that a packet of
    /// 120 bytes may come at a byte per second.
    pub grace: Duration,
    /// In bytes per second; 0 counts as 1. Default: 1,000, which is less than any network has on
    /// which larger packets are sent.
    pub minimum_rate: u32,
    /// The longest time for one packet, however large it is. Default: 1 hour, in which the largest
    /// packet of all, 256 MB, comes at 75 KB/s.
    pub longest: Duration,
}

impl Default for PacketTimeouts {
    fn default() -> Self {
        PacketTimeouts {
            stall: Duration::from_secs(30),
            grace: Duration::from_secs(120),
            minimum_rate: 1_000,
            longest: Duration::from_secs(3_600),
        }
    }
}

/// A time in milliseconds, in 4 bytes. The largest value, 49 days, means for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Timeout(u32);

impl From<Duration> for Timeout {
    fn from(duration: Duration) -> Self {
        let milliseconds = duration.as_nanos().div_ceil(1_000_000);
        Timeout(u32::try_from(milliseconds).unwrap_or(u32::MAX))
    }
}

impl Timeout {
    /// When it is over; never if it is not running.
    pub(crate) const fn after(self, since: Instant) -> Instant {
        match (self.0, since) {
            (u32::MAX, _) | (_, Instant::NEVER) => Instant::NEVER,
            (milliseconds, since) => since.plus_millis(milliseconds as u64),
        }
    }
}

/// How long to wait for each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Timeouts {
    /// The CONNECT or CONNACK, and each AUTH before the CONNACK.
    pub(crate) opening: Timeout,
    pub(crate) pingresp: Timeout,
    /// An AUTH in re-authentication.
    pub(crate) authentication: Timeout,
    /// SUBACK and UNSUBACK.
    pub(crate) request: Timeout,
    pub(crate) stall: Timeout,
    pub(crate) grace: Timeout,
    pub(crate) longest: Timeout,
    pub(crate) minimum_rate: u32,
}

impl Timeouts {
    pub(crate) fn new(packet: PacketTimeouts) -> Self {
        Timeouts {
            opening: Timeout(u32::MAX),
            pingresp: Timeout(u32::MAX),
            authentication: Timeout(u32::MAX),
            request: Timeout(u32::MAX),
            stall: packet.stall.into(),
            grace: packet.grace.into(),
            longest: packet.longest.into(),
            minimum_rate: packet.minimum_rate,
        }
    }

    /// The time that `bytes` take at the minimum rate, in milliseconds.
    fn transfer(&self, bytes: usize) -> u64 {
        (bytes as u64)
            .saturating_mul(1_000)
            .div_ceil(u64::from(self.minimum_rate.max(1)))
    }
}

/// A question to the peer that is no PINGREQ and has no Packet Identifier: CONNECT or AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// There is none.
    None,
    /// It waits to be written.
    Queued,
    /// It was written then.
    Written(Instant),
}

/// Questions that were written. A CONNECT or an AUTH is not among them: see [`Liveness::ask`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// PINGREQs.
    pub(super) pings: u32,
    /// SUBSCRIBEs and UNSUBSCRIBEs.
    pub(super) requests: u32,
}

/// The last `poll` had no room: reading is put off, and the peer has to take something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Blocked {
    /// By the caller's clock.
    since: Instant,
    /// When the peer has to have taken something, by the caller's clock.
    due: Instant,
    /// From the last progress to `due`, in milliseconds.
    allowed: u32,
    /// This side was late; the peer had its chance.
    excused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Liveness {
    /// A broker's connections share them.
    pub(crate) timeouts: Arc<Timeouts>,
    /// The latest call, by the caller's clock.
    latest: Instant,
    /// How far reading time is behind the caller's clock, in milliseconds.
    behind: u64,
    /// The number of bytes that the last `receive` left.
    unread: usize,
    /// When a packet was written last, by the caller's clock.
    sent: Instant,
    /// When bytes arrived last. All instants from here on are in reading time.
    heard: Instant,
    /// When the packet began of which only a part is there; never if there is none.
    begun: Instant,
    /// Since when bytes wait that the caller has not yet handed over; never if it has.
    waiting: Instant,
    /// Deadlines before this are put off until then.
    reprieve: Instant,
    /// When reading was put off until last.
    resumed: Instant,
    pub(crate) question: Question,
    pub(crate) pings: Pings,
    blocked: Option<Blocked>,
    /// How many bytes `poll` has written since it had no room, or nothing more to write.
    written: usize,
}

impl Liveness {
    pub(crate) fn new(timeouts: Arc<Timeouts>) -> Self {
        Liveness {
            timeouts,
            latest: Instant::ORIGIN,
            behind: 0,
            unread: 0,
            heard: Instant::ORIGIN,
            sent: Instant::ORIGIN,
            begun: Instant::NEVER,
            waiting: Instant::NEVER,
            reprieve: Instant::ORIGIN,
            resumed: Instant::ORIGIN,
            question: Question::None,
            pings: Pings::default(),
            blocked: None,
            written: 0,
        }
    }

    /// A new Network Connection.
    pub(crate) fn begin(&mut self, now: Instant) {
        *self = Liveness {
            latest: now,
            heard: now,
            sent: now,
            ..Liveness::new(self.timeouts.clone())
        };
    }

    /// Whether the caller's clock goes back with this call, which is noted.
    #[inline]
    pub(crate) fn goes_back(&mut self, now: Instant) -> bool {
        core::mem::replace(&mut self.latest, now) > now && !fault!("a clock that goes back")
    }

    /// After the clock went back, or reading time was held: nothing is in the future.
    #[inline(never)]
    pub(crate) fn clamp(&mut self, now: Instant) {
        self.behind = self.behind.min(now.as_millis());
        if let Some(blocked) = &mut self.blocked {
            blocked.since = blocked.since.min(now);
            blocked.due = (blocked.due).min(now.plus_millis(u64::from(blocked.allowed)));
        }
        self.sent = self.sent.min(now);
        let here = self.reading(now);
        self.heard = self.heard.min(here);
        if self.begun != Instant::NEVER {
            self.begun = self.begun.min(here);
        }
        if self.waiting != Instant::NEVER {
            self.waiting = self.waiting.min(here);
        }
        self.reprieve = self.reprieve.min(here.plus_millis(LONGEST_CHANCE));
        if let Question::Written(at) = &mut self.question {
            *at = (*at).min(here);
        }
        self.pings.clamp(here);
    }

    /// Reading time.
    #[inline]
    pub(crate) const fn reading(&self, now: Instant) -> Instant {
        Instant::from_millis(now.as_millis().saturating_sub(self.behind))
    }

    /// The caller's clock.
    pub(crate) const fn calling(&self, reading: Instant) -> Instant {
        Instant::from_millis(reading.as_millis().saturating_add(self.behind))
    }

    /// `receive` was offered `offered` bytes and left `left` of them. No packet is incomplete.
    #[inline]
    pub(crate) fn read(&mut self, now: Instant, offered: usize, left: usize) {
        if offered > self.unread || left < offered {
            self.heard = self.reading(now);
        }
        self.unread = left;
        self.begun = Instant::NEVER;
        self.waiting = Instant::NEVER;
    }

    /// `receive` was offered `offered` bytes and left `left` of them, which begin an incomplete
    /// packet.
    #[inline(never)]
    pub(crate) fn read_part(&mut self, now: Instant, offered: usize, left: usize) {
        let begun = self.begun;
        let more = offered > self.unread;
        let heard = self.heard;
        let waiting = self.waiting;
        self.read(now, offered, left);
        if fault!("silence in whole packets") && left == offered {
            self.heard = heard;
        }
        if left == 0 {
            return;
        }
        let here = self.reading(now);
        self.begun = if left < offered || begun == Instant::NEVER {
            here
        } else if more {
            // While bytes waited, which may be never, the peer could do no more.
            (begun + waiting.until(here)).min(here)
        } else {
            begun
        };
        if !more {
            self.waiting = waiting;
        }
    }

    /// A PINGREQ waits to be written.
    pub(super) fn queue_ping(&mut self, wanted: bool) {
        self.pings.push(wanted);
        if fault!("waiting begins when queued") {
            self.pings.written(self.reading(self.latest));
        }
    }

    /// Bytes arrived, or a packet came that was split elsewhere.
    #[inline]
    pub(crate) fn hear(&mut self, now: Instant) {
        self.heard = self.reading(now);
    }

    /// A packet began of which the payload comes in pieces.
    pub(crate) fn read_head(&mut self, now: Instant) {
        self.begun = self.reading(now);
        self.unread = 0;
    }

    /// A piece of a payload came, the last or not.
    pub(crate) fn read_payload(&mut self, bytes: usize, left: bool) {
        self.unread = self.unread.saturating_add(bytes);
        if !left {
            self.begun = Instant::NEVER;
            self.unread = 0;
        }
    }

    /// Bytes wait for the caller. Those of a payload that comes in pieces gain the peer no time:
    /// the caller hands over what it has.
    pub(crate) fn wait(&mut self, now: Instant, in_pieces: bool) {
        self.hear(now);
        if !in_pieces {
            self.waiting = self.waiting.min(self.heard);
        }
    }

    /// A packet was written.
    #[inline]
    pub(crate) fn send(&mut self, now: Instant) {
        self.sent = now;
    }

    /// Notes that packets were written, questions among them.
    pub(crate) fn ask(&mut self, now: Instant, asked: Asked) {
        let here = self.reading(now);
        // If it is not among them, the caller has no room: reading time stands still until it is.
        if self.question == Question::Queued {
            self.question = Question::Written(here);
        }
        for _ in 0..asked.pings {
            self.pings.written(here);
        }
    }

    /// When a request that is written now must be answered. None that was written before has a
    /// later deadline.
    pub(crate) fn request_due(&self, now: Instant) -> Instant {
        self.timeouts.request.after(self.reading(now))
    }

    /// When a packet was written last, by the caller's clock.
    pub(crate) const fn sent(&self) -> Instant {
        self.sent
    }

    /// When bytes arrived last.
    pub(crate) const fn heard(&self) -> Instant {
        self.heard
    }

    /// Whether the last `poll` had no room.
    #[inline]
    pub(crate) const fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// `poll` returns an output after it has written `written` bytes.
    pub(crate) fn hand_over(&mut self, written: usize) {
        self.written = self.written.saturating_add(written);
    }

    /// `poll` has nothing more to write.
    #[inline]
    pub(crate) fn drain(&mut self) {
        self.written = 0;
    }

    /// `poll` had no room for the next packet after it had written `written` bytes.
    pub(crate) fn block(&mut self, now: Instant, written: usize) {
        let written = core::mem::take(&mut self.written).saturating_add(written);
        if self.blocked.is_some() && written == 0 || fault!("who does not read accuses") {
            return;
        }
        let timeouts = &self.timeouts;
        let allowed =
            u64::from(timeouts.stall.0).saturating_add(timeouts.transfer(written.max(HOST_BUFFER)));
        let since = self.blocked.map_or(now, |blocked| blocked.since);
        self.blocked = Some(Blocked {
            since,
            due: now.plus_millis(allowed),
            // 49 days at most.
            allowed: u32::try_from(allowed).unwrap_or(u32::MAX),
            excused: false,
        });
    }

    /// `poll` has written all there is: the time in which reading was put off does not count.
    #[inline(never)]
    pub(crate) fn unblock(&mut self, now: Instant) {
        let Some(blocked) = self.blocked.take() else {
            return;
        };
        let time = blocked.since.millis_until(now);
        if time == 0 {
            return;
        }
        self.behind = self.behind.saturating_add(time);
        self.clamp(now);
        // What lies unread can be read now; but a peer that is silent gains no time again and
        // again.
        let here = self.reading(now);
        if self.heard >= self.resumed {
            self.reprieve = self.reprieve.max(here.plus_millis(chance(time)));
        }
        self.resumed = here;
    }

    /// Whether a deadline of the peer, the earliest, has passed. If this side was late, the peer
    /// gets a chance, once for each deadline.
    pub(crate) fn has_passed(&mut self, now: Instant, due: Instant) -> bool {
        let here = self.reading(now);
        let put_off = due.max(self.reprieve);
        if due == Instant::NEVER || put_off > here {
            return false;
        }
        let late = put_off.millis_until(here);
        if late == 0 || due < self.reprieve || fault!("a late timer accuses") {
            return true;
        }
        // As if it were noticed in time, but not before what has arrived since.
        let from = due.max(self.heard);
        self.behind = self.behind.saturating_add(from.millis_until(here));
        self.clamp(now);
        self.reprieve = from.plus_millis(chance(late));
        false
    }

    /// When the caller has to call: for a deadline of the peer, in reading time, or for something
    /// that this side has to do, by the caller's clock.
    pub(crate) fn next_call(&self, peer: Instant, own: Instant) -> Instant {
        match self.blocked {
            Some(blocked) => blocked.due,
            None => {
                let peer = match peer {
                    Instant::NEVER => Instant::NEVER,
                    due => self.calling(due.max(self.reprieve)),
                };
                peer.min(own)
            }
        }
    }

    /// Whether the peer has taken nothing for too long. If this side was late, the peer gets a
    /// chance.
    pub(crate) fn takes_nothing(&mut self, now: Instant) -> bool {
        let Some(blocked) = &mut self.blocked else {
            return false;
        };
        if blocked.due > now {
            return false;
        }
        let late = blocked.due.millis_until(now);
        if late == 0 || core::mem::replace(&mut blocked.excused, true) {
            self.blocked = None;
            return true;
        }
        let allowed = chance(late);
        blocked.allowed = allowed as u32;
        blocked.due = now.plus_millis(allowed);
        false
    }

    /// When the packet that has begun must be complete.
    pub(crate) fn packet_due(&self) -> Instant {
        if self.begun == Instant::NEVER || fault!("a packet that stalls lives") {
            return Instant::NEVER;
        }
        let timeouts = &self.timeouts;
        // While the rest lay with the caller, as it said last, the peer could do no more.
        let begun = match self.waiting {
            Instant::NEVER => self.begun,
            since => self.begun + since.until(self.heard),
        };
        let grace = timeouts.grace.after(begun);
        let rate = grace.plus_millis(timeouts.transfer(self.unread));
        let stall = timeouts.stall.after(self.heard);
        stall.min(rate).min(timeouts.longest.after(begun))
    }

    /// When the packet that has begun did so; never if there is none.
    pub(crate) const fn begun(&self) -> Instant {
        self.begun
    }

    /// Whether nothing runs but the Keep Alive, whose end only moves away.
    #[cfg(feature = "persistence")]
    pub(crate) fn is_calm(&self) -> bool {
        matches!(self.question, Question::None)
            && self.begun == Instant::NEVER
            && self.waiting == Instant::NEVER
            && self.blocked.is_none()
    }

    /// Since when the peer owes an answer to a CONNECT or an AUTH; never if it does not.
    pub(crate) const fn asked(&self) -> Instant {
        match self.question {
            Question::Written(at) => at,
            Question::None | Question::Queued => Instant::NEVER,
        }
    }
}

/// The time that a peer gets after this side was late by `late`, both in milliseconds.
fn chance(late: u64) -> u64 {
    late.saturating_mul(CHANCE_FACTOR).min(LONGEST_CHANCE)
}
