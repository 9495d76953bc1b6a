//! Keep Alive (section 3.1.2.10), and what else the Server waits for.

use core::time::Duration;

use mqtt5_codec::{Disconnect, ReasonCode};

use super::Server;
use crate::Instant;
use crate::connection::Phase;
use crate::connection::incoming::Side;
use crate::event::{Awaited, Cause};
use crate::session::Session;

impl Server {
    /// Bytes of the Client have come that [`Server::receive`] does not see: they are split elsewhere, or wait because
    /// reading is put off. They show that the Client is there. Not needed while `poll` answers
    /// [`Output::NeedsRoom`](crate::Output::NeedsRoom). The time for a CONNECT, and that for an AUTH, goes on.
    pub fn bytes_waiting(&mut self, now: Instant) {
        let (connection, session) = self.parts();
        connection.observe(session, now);
        let in_pieces = connection.arriving.is_some();
        connection.liveness.wait(now, in_pieces);
    }

    /// When [`Server::handle_timeout`] has to be called, unless something else happens before;
    /// [`Instant::NEVER`] if there is nothing to wait for. Every other call may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        let peer = match self.connection.has_output(self.session.as_ref()) {
            true => Instant::NEVER,
            false => self.next_due().0,
        };
        let connection = match self.connection.phase {
            Phase::Offline => Instant::NEVER,
            _ => self.connection.liveness.next_call(peer, Instant::NEVER),
        };
        let unread = match self.is_deciding() {
            true => Instant::NEVER,
            false => self.connection.unread.due(),
        };
        let session = self.session.as_ref();
        let session = session.map_or(Instant::NEVER, Session::next_timeout);
        connection.min(session).min(unread)
    }

    /// Does what is due at this time. It does no harm if nothing is, and nothing depends on being called in time: if this
    /// side was late, the Client gets a chance before it is taken for silent.
    pub fn handle_timeout(&mut self, now: Instant) {
        let (connection, session) = self.parts();
        connection.observe(session, now);
        if let Some(session) = &mut self.session {
            session.handle_timeout(now);
        }
        if !self.is_deciding() && self.connection.unread.woke() {
            return;
        }
        let liveness = &mut self.connection.liveness;
        if liveness.is_blocked() {
            if liveness.takes_nothing(now) {
                self.connection.give_up_output();
                if !self.connection.is_over() {
                    self.close(now, Cause::TimedOut(Awaited::Room), false);
                }
            }
            return;
        }
        if self.connection.has_output(self.session.as_ref()) {
            return;
        }
        let (due, awaited) = self.next_due();
        if self.connection.liveness.has_passed(now, due) {
            self.time_out(now, awaited);
        }
    }

    fn time_out(&mut self, now: Instant, awaited: Awaited) {
        let is_open = self.connection.is_open();
        let begun = self.connection.liveness.begun();
        let no_packet_since = match begun {
            Instant::NEVER => self.connection.liveness.heard(),
            begun => begun,
        };
        let here = self.connection.liveness.reading(now);
        self.close(now, Cause::TimedOut(awaited), true);
        if !is_open {
            return;
        }
        let reason_code = match self.patience() {
            // No packet for one and a half times the Keep Alive.
            Some(patience) if no_packet_since + patience <= here => ReasonCode::KeepAliveTimeout,
            _ if awaited == Awaited::Auth => ReasonCode::NotAuthorized,
            _ => ReasonCode::UnspecifiedError,
        };
        self.connection.farewell(&Disconnect::new(reason_code));
    }

    /// One and a half times the Keep Alive.
    fn patience(&self) -> Option<Duration> {
        match self.keep_alive {
            0 => None,
            seconds => Some(Duration::from_millis(1500) * seconds.into()),
        }
    }

    /// The earliest deadline of the Client, in reading time.
    fn next_due(&self) -> (Instant, Awaited) {
        let liveness = &self.connection.liveness;
        let timeouts = &liveness.timeouts;
        let asked = liveness.asked();
        match self.connection.phase {
            // While the caller decides, nothing is owed.
            Phase::Opening => (timeouts.opening.after(asked), Awaited::Connect),
            Phase::Open | Phase::Accepted => {
                let silence = self
                    .patience()
                    .map_or(Instant::NEVER, |patience| liveness.heard() + patience);
                let mut first = (silence, Awaited::KeepAlive);
                let authentication = fault!(
                    "an AUTH waits for ever",
                    timeouts.authentication.after(asked),
                    Instant::NEVER,
                );
                // It may come behind the packet that is being received.
                if liveness.begun() == Instant::NEVER && authentication < first.0 {
                    first = (authentication, Awaited::Auth);
                }
                let packet = liveness.packet_due();
                if packet < first.0 {
                    first = (packet, Awaited::RestOfPacket);
                }
                first
            }
            Phase::Offline | Phase::Closing(_) => (Instant::NEVER, Awaited::Connect),
        }
    }
}
