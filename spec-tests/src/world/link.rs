//! One Network Connection: two pipes, and who still holds an end.

use mqtt5_session_fsm::codec::{PacketIdentifier, ProtocolVersion};
use mqtt5_session_fsm::{Instant, Limits, Server};

use super::application::Side;
use super::monitors::connection::Monitors;
use super::monitors::time::Hearing;

#[derive(Clone, Debug, Hash)]
pub(super) struct Link {
    /// That of its CONNECT.
    pub(super) version: ProtocolVersion,
    /// The Client has not noticed that the connection is gone.
    pub(super) has_client: bool,
    /// The Server's end, as long as it has not noticed.
    pub(super) server: Option<ServerEnd>,
    /// What was sent and has not arrived, by sender.
    pub(super) pipes: [Vec<u8>; 2],
    /// What has arrived and is not a whole packet, by receiver.
    pub(super) inboxes: [Vec<u8>; 2],
    /// Of what each side sends and hears.
    pub(super) monitors: [Monitors; 2],
    /// By side.
    pub(super) hearing: [Hearing; 2],
    /// What the sides announce, by side.
    pub(super) limits: [Limits; 2],
    /// The CONNECT that was sent had Clean Start 1.
    pub(super) clean_start: bool,
    /// There was a connection before it.
    pub(super) is_later: bool,
    /// A later connection was accepted.
    pub(super) is_superseded: bool,
    /// The Server's Session that its CONNACK was about has ended, and the Client does not know.
    pub(super) outlived_session: bool,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct ServerEnd {
    pub(super) machine: Server,
    /// SUBSCRIBE (true) and UNSUBSCRIBE packets that are to be answered.
    pub(super) requests: Vec<(PacketIdentifier, bool)>,
}

impl Link {
    pub(super) fn new(
        version: ProtocolVersion,
        machine: Server,
        is_later: bool,
        limits: [Limits; 2],
        clocks: [Instant; 2],
    ) -> Self {
        Link {
            version,
            has_client: true,
            server: Some(ServerEnd {
                machine,
                requests: Vec::new(),
            }),
            pipes: [Vec::new(), Vec::new()],
            inboxes: [Vec::new(), Vec::new()],
            monitors: [Monitors::default(), Monitors::default()],
            hearing: [Hearing::of_client(clocks[0]), Hearing::of_server(clocks[1])],
            limits,
            clean_start: false,
            is_later,
            is_superseded: false,
            outlived_session: false,
        }
    }

    pub(super) fn has(&self, side: Side) -> bool {
        match side {
            Side::Client => self.has_client,
            Side::Server => self.server.is_some(),
        }
    }

    /// What is under way to this side.
    pub(super) fn pipe_to(&mut self, side: Side) -> &mut Vec<u8> {
        &mut self.pipes[side.other()]
    }

    /// Nobody holds an end.
    pub(super) fn is_over(&self) -> bool {
        !self.has_client && self.server.is_none()
    }

    /// Nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let end = self.server.as_ref();
        let mut bytes = self.pipes.iter().chain(&self.inboxes);
        bytes.all(Vec::is_empty) && end.is_none_or(|end| end.requests.is_empty())
    }
}
