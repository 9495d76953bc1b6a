//! Keep Alive (section 3.1.2.10), and everything else that the Client waits for.

use core::time::Duration;

use mqtt5_codec::{Disconnect, ReasonCode};

use super::Client;
use crate::Instant;
use crate::connection::Phase;
use crate::error::SendError;
use crate::event::{Awaited, Cause};
use crate::session::{Ending, Notice};

/// What a deadline belongs to.
#[derive(Clone, Copy)]
enum Due {
    /// The Network Connection.
    Connection(Awaited),
    /// The first SUBSCRIBE or UNSUBSCRIBE.
    Request,
}

impl Client {
    /// Sends a PINGREQ, also with Keep Alive 0 (section 3.1.2.10).
    /// [`Event::PingResp`](crate::Event::PingResp) reports the answer. Without an answer the
    /// connection ends, as after any PINGREQ.
    ///
    /// # Errors
    ///
    /// [`SendError::NotConnected`]; [`SendError::NotExpected`] before the CONNACK, if the CONNECT
    /// had an Authentication Method \[MQTT-3.1.2-30\]; [`SendError::TooManyPings`] if 16 are
    /// unanswered.
    pub fn ping(&mut self) -> Result<(), SendError> {
        if self.connection.is_over() {
            return Err(SendError::NotConnected);
        }
        if !self.may_ping() {
            return Err(SendError::NotExpected);
        }
        if !self.connection.liveness.pings.has_room() {
            return Err(SendError::TooManyPings);
        }
        self.connection.send_pingreq(true);
        Ok(())
    }

    /// Reports bytes of the Server that [`Client::receive`] does not see: they are split elsewhere,
    /// or wait because the caller does not read. They prove that the Server is alive. Not needed
    /// while `poll` returns [`Output::NeedsRoom`](crate::Output::NeedsRoom). The time for an AUTH,
    /// a SUBACK and an UNSUBACK goes on.
    pub fn bytes_waiting(&mut self, now: Instant) {
        self.connection.observe(Some(&mut self.session), now);
        let in_pieces = self.connection.arriving.is_some();
        self.connection.liveness.wait(now, in_pieces);
    }

    /// Returns when [`Client::handle_timeout`] must be called; [`Instant::NEVER`] if there is
    /// nothing to wait for. Every other call may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        let peer = match self.connection.has_output(Some(&self.session)) {
            true => Instant::NEVER,
            false => self.next_due().0,
        };
        let liveness = &self.connection.liveness;
        let connection = match self.connection.phase {
            Phase::Offline => Instant::NEVER,
            _ => liveness.next_call(peer, self.ping_due()),
        };
        (connection.min(self.session.next_timeout())).min(self.connection.unread.due())
    }

    /// Does what is due. It may be called when nothing is due, and may be called late: the Server
    /// then gets up to a second more before it is taken for dead.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.connection.observe(Some(&mut self.session), now);
        self.session.handle_timeout(now);
        if self.connection.unread.woke() {
            return;
        }
        if self.connection.liveness.is_blocked() {
            if self.connection.liveness.takes_nothing(now) {
                self.connection.give_up_output();
                if !self.connection.is_over() {
                    self.close(now, Cause::TimedOut(Awaited::Room), false);
                }
            }
            return;
        }
        while !self.connection.has_output(Some(&self.session)) {
            let (due, what) = self.next_due();
            if !self.connection.liveness.has_passed(now, due) {
                // Reading time may have been held.
                let latest = self.connection.liveness.request_due(now);
                self.session.clamp_requests(latest);
                break;
            }
            match what {
                Due::Request => self.time_out_request(),
                Due::Connection(awaited) => {
                    self.close(now, Cause::TimedOut(awaited), false);
                    if awaited == Awaited::Auth {
                        // The Client should send DISCONNECT (section 4.12.1).
                        self.connection
                            .farewell(&Disconnect::new(ReasonCode::UnspecifiedError));
                    }
                    return;
                }
            }
        }
        if self.ping_due() <= now {
            self.connection.shrink(&mut self.session);
            self.connection.send_pingreq(false);
        }
    }

    /// Stops waiting for the answer to the oldest SUBSCRIBE or UNSUBSCRIBE.
    fn time_out_request(&mut self) {
        if let Some(token) = self.session.sender.time_out_request() {
            self.session
                .notice(Notice::Outcome(token, Ending::TimedOut));
        }
    }

    /// The earliest deadline of the Server, in reading time.
    fn next_due(&self) -> (Instant, Due) {
        let liveness = &self.connection.liveness;
        let timeouts = &liveness.timeouts;
        // Bytes that arrived since show that it is there.
        let latest = |asked: Instant| match asked {
            Instant::NEVER => Instant::NEVER,
            asked => asked.max(liveness.heard()),
        };
        let mut first = (Instant::NEVER, Due::Request);
        let mut consider = |due, what| {
            if due < first.0 {
                first = (due, what);
            }
        };
        let asked = liveness.asked();
        match self.connection.phase {
            Phase::Opening => consider(
                timeouts.opening.after(latest(asked)),
                Due::Connection(Awaited::ConnAck),
            ),
            Phase::Open | Phase::Accepted => {
                consider(
                    timeouts.pingresp.after(latest(liveness.pings.asked())),
                    Due::Connection(Awaited::PingResp),
                );
                let due = fault!(
                    "an AUTH waits for ever",
                    timeouts.authentication.after(asked),
                    Instant::NEVER,
                );
                consider(self.after_packet(due), Due::Connection(Awaited::Auth));
                let due = self.session.sender.next_request_due();
                consider(self.after_packet(due), Due::Request);
            }
            Phase::Offline | Phase::Closing(_) => return first,
        }
        consider(
            liveness.packet_due(),
            Due::Connection(Awaited::RestOfPacket),
        );
        first
    }

    /// An answer may come behind the packet that is being received, which has a deadline of its
    /// own.
    fn after_packet(&self, due: Instant) -> Instant {
        match self.connection.liveness.begun() {
            Instant::NEVER => due,
            _ => Instant::NEVER,
        }
    }

    /// When a PINGREQ is due, by the caller's clock: nothing else was sent \[MQTT-3.1.2-20\], or
    /// nothing arrived.
    fn ping_due(&self) -> Instant {
        let liveness = &self.connection.liveness;
        let seconds = match self.connection.phase {
            Phase::Opening if self.may_ping() => self.handshake.keep_alive,
            Phase::Open | Phase::Accepted => self.keep_alive,
            _ => 0,
        };
        if seconds == 0 || self.connection.has_unwritten() {
            return Instant::NEVER;
        }
        let interval = Duration::from_secs(seconds.into());
        let margin = self.ping_margin.min(interval / 2);
        let nothing_sent = liveness.sent() + (interval - margin);
        let may_ask = liveness.pings.is_empty() && self.connection.is_open();
        if may_ask && !fault!("a publisher never asks") {
            nothing_sent.min(liveness.calling(liveness.heard() + interval))
        } else {
            nothing_sent
        }
    }

    /// Whether a PINGREQ may be sent now. Before the CONNACK nothing but AUTH and DISCONNECT may,
    /// if there is an Authentication Method \[MQTT-3.1.2-30\].
    fn may_ping(&self) -> bool {
        self.connection.is_open() || self.connection.authentication.is_none()
    }
}
