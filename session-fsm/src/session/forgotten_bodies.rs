//! The numbers of messages that a Session has forgotten, for an owner that counts references.

use core::num::NonZeroU64;

use super::Session;

impl Session {
    /// Returns the numbers of the bodies that its messages have,
    /// [`Publication::body`](crate::Publication::body): of those in flight that may have to be sent
    /// again, and of those that wait. A number comes once for each message that has it.
    ///
    /// At any time, these are the numbers of the messages that were accepted, without those that
    /// [`Session::take_forgotten_body`] has returned or would return.
    pub fn bodies(&self) -> impl Iterator<Item = NonZeroU64> + '_ {
        let in_flight = self.sender.unacknowledged().map(|(_, queued)| queued);
        let all = in_flight.chain(self.waiting.all());
        all.filter_map(|queued| queued.body)
    }

    /// Returns the number, [`Publication::body`](crate::Publication::body), of a message that the
    /// Session does not hold any more; `None` if there is no other one. An owner that counts how
    /// many Sessions hold a message calls it after every other call until it returns `None`.
    ///
    /// A message that was accepted is held until
    ///
    /// * it was written, with QoS 0;
    /// * its PUBACK came, or its PUBREC, whatever the Reason Code;
    /// * it ended without being sent: expired, timed out, withdrawn, dropped for another one, or not
    ///   allowed by the limits of the peer;
    /// * it was given up, as a new Network Connection does not let it be sent again;
    /// * the Session ended. A Client's messages that wait are held on for the next Session.
    ///
    /// Each number is returned once for each message that had it, in the order in which they were
    /// forgotten. A message of which `publish` was refused was never held. Constant time; allocates
    /// nothing, and what a queue of numbers takes is given back by [`Session::shrink`].
    ///
    /// No [`Change`](crate::Change) has these numbers. After a restart, once every change is
    /// applied, the owner counts from [`Session::bodies`]. An owner that stores changes without
    /// bodies still needs a body for a change that names it, until an export has replaced the
    /// changes.
    ///
    /// ```
    /// use core::num::NonZeroU64;
    ///
    /// use mqtt5_session_fsm::codec::{Message, Qos};
    /// use mqtt5_session_fsm::{Instant, Publication, Session, SessionConfig};
    ///
    /// let mut session = Session::of_client(SessionConfig::default());
    /// let publication = Publication {
    ///     body: NonZeroU64::new(7),
    ///     ..Publication::of("greenhouse/3", b"21.5", Qos::AtLeastOnce)?
    /// };
    /// let token = session.publish(Instant::ORIGIN, publication)?;
    /// assert!(session.bodies().eq(NonZeroU64::new(7)));
    ///
    /// session.withdraw(token)?;
    /// assert_eq!(session.take_forgotten_body(), NonZeroU64::new(7));
    /// assert_eq!(session.take_forgotten_body(), None);
    /// assert_eq!(session.bodies().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_forgotten_body(&mut self) -> Option<NonZeroU64> {
        self.untold.take_body()
    }
}
