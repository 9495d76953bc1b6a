//! Keep Alive (section 3.1.2.10), and everything else that the Server waits for.

use core::time::Duration;

use mqtt5_codec::{Disconnect, ReasonCode};

use super::connection::{Lent, ServerConnection};
use crate::Instant;
use crate::connection::Phase;
use crate::event::{Awaited, Cause};
use crate::session::Session;

impl Lent<'_> {
    /// As [`Server::bytes_waiting`](crate::Server::bytes_waiting).
    pub fn bytes_waiting(&mut self, now: Instant) {
        let (connection, session) = self.parts();
        connection.observe(session, now);
        let in_pieces = connection.arriving.is_some();
        connection.liveness.wait(now, in_pieces);
    }

    /// As [`ServerConnection::next_timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        self.server.next_timeout(self.session.as_deref())
    }

    /// As [`Server::handle_timeout`](crate::Server::handle_timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        let (connection, session) = self.parts();
        connection.observe(session, now);
        if let Some(session) = self.session.as_deref_mut() {
            session.handle_timeout(now);
        }
        if !self.server.is_deciding() && self.server.connection.unread.woke() {
            return;
        }
        let liveness = &mut self.server.connection.liveness;
        if liveness.is_blocked() {
            if liveness.takes_nothing(now) {
                self.server.connection.give_up_output();
                if !self.server.connection.is_over() {
                    self.close(now, Cause::TimedOut(Awaited::Room), false);
                }
            }
            return;
        }
        if self.server.connection.has_output(self.session.as_deref()) {
            return;
        }
        let (due, awaited) = self.server.next_due();
        if self.server.connection.liveness.has_passed(now, due) {
            self.time_out(now, awaited);
        }
    }

    fn time_out(&mut self, now: Instant, awaited: Awaited) {
        let is_open = self.server.connection.is_open();
        let begun = self.server.connection.liveness.begun();
        let no_packet_since = match begun {
            Instant::NEVER => self.server.connection.liveness.heard(),
            begun => begun,
        };
        let here = self.server.connection.liveness.reading(now);
        self.close(now, Cause::TimedOut(awaited), true);
        if !is_open {
            return;
        }
        let reason_code = match self.server.patience() {
            // No packet for one and a half times the Keep Alive.
            Some(patience) if no_packet_since + patience <= here => ReasonCode::KeepAliveTimeout,
            _ if awaited == Awaited::Auth => ReasonCode::NotAuthorized,
            _ => ReasonCode::UnspecifiedError,
        };
        self.server
            .connection
            .farewell(&Disconnect::new(reason_code));
    }
}

impl ServerConnection {
    /// Returns when [`Lent::handle_timeout`] must be called, with this Session lent;
    /// [`Instant::NEVER`] if there is nothing to wait for. Every other call may change it.
    #[must_use]
    pub fn next_timeout(&self, session: Option<&Session>) -> Instant {
        let peer = match self.connection.has_output(session) {
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
        let session = session.map_or(Instant::NEVER, Session::next_timeout);
        connection.min(session).min(unread)
    }

    /// Whether no deadline runs but the Keep Alive, whose end only moves away.
    #[inline]
    #[cfg(feature = "persistence")]
    pub(crate) fn is_calm(&self, session: &Session) -> bool {
        matches!(self.connection.phase, Phase::Open)
            && self.connection.liveness.is_calm()
            && !self.connection.unread.is_set()
            && session.waits_for_nothing()
    }

    /// Whether [`Lent::poll`] has nothing to return.
    #[inline]
    #[cfg(feature = "persistence")]
    pub(crate) fn is_quiet(&self, session: Option<&Session>) -> bool {
        !matches!(self.connection.phase, Phase::Closing(_))
            && session.is_none_or(Session::is_silent)
            && !self.connection.has_output(session)
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
            // While the caller decides, the Client owes nothing.
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
