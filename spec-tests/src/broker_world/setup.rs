//! The initial state: clients that are connected and subscribed, if the configuration says so.

use std::sync::Arc;
use std::time::Duration;

use mqtt5_codec::Message;
use mqtt5_session_fsm::broker::groups::{GroupsConfig, Policy};
use mqtt5_session_fsm::broker::retained::RetainedLimits;
use mqtt5_session_fsm::broker::{BrokerConfig, BrokerLimits, ClientLimits, Overlap};
use mqtt5_session_fsm::{ServerConfig, SessionConfig, StoredLimits, WaitingLimits, WhenFull};

use super::actions::Action;
use super::client::Client;
use super::config::{Budget, Config, qos_of};
use super::host::{Host, instant};
use super::model::{self, Model};
use super::packet::{KEPT, Sent, publish_of};
use super::{BrokerWorld, Settings};
use crate::explore::choice::Numbers;
use crate::explore::{Coverage, Log, Turn};

/// The clock of the first broker: long enough after its origin that it can go back.
const BEGIN: u64 = 1_000_000;

pub(super) fn broker(config: &Config) -> BrokerConfig {
    let waiting = WaitingLimits {
        messages: config.stored,
        when_full: match config.when_full {
            0 => WhenFull::Refuse,
            1 => WhenFull::DropOldestQos0,
            _ => WhenFull::DropOldest,
        },
        ..WaitingLimits::default()
    };
    let stored = StoredLimits {
        messages: config.stored,
        ..StoredLimits::default()
    };
    let session = SessionConfig {
        persistent: config.persistent > 0,
        stored,
        waiting,
        ..SessionConfig::default()
    };
    BrokerConfig {
        server: ServerConfig {
            session,
            ..ServerConfig::default()
        },
        client: ClientLimits {
            subscriptions: config.subscriptions,
            ..ClientLimits::default()
        },
        limits: BrokerLimits {
            message_bytes: match config.budget {
                0 => 1 << 20,
                bytes => bytes,
            },
            ..BrokerLimits::default()
        },
        retained: RetainedLimits {
            messages: config.retained as usize,
            ..RetainedLimits::default()
        },
        groups: GroupsConfig {
            policy: match config.policy {
                0 => Policy::RoundRobin,
                1 => Policy::Random,
                2 => Policy::Sticky,
                _ => Policy::LeastInFlight,
            },
            ..GroupsConfig::default()
        },
        overlap: match config.overlap {
            0 => Overlap::OneCopy,
            _ => Overlap::OnePerSubscription,
        },
        fan_out_slice: match config.slice {
            0 => 1_000,
            slice => slice,
        },
        restart_grace: Duration::from_secs(config.grace.into()),
        ..BrokerConfig::default()
    }
}

pub(super) fn world(config: &Config) -> BrokerWorld {
    let of_broker = broker(config);
    let host = Host::first(&of_broker, Model::new(config.clients.into()), BEGIN);
    let ready = Config {
        stores: 0,
        late: 0,
        slice: 0,
        ..config.clone()
    };
    let mut world = BrokerWorld {
        left: Budget::new(config),
        settings: Settings(Arc::new((ready, of_broker, None))),
        now: BEGIN,
        host,
        old: None,
        links: Vec::new(),
        clients: vec![Client::default(); config.clients.into()],
        next: 0,
    };
    let mut coverage = Coverage::new(super::monitors::coverage(config).len());
    let (mut choices, mut log) = (Numbers::new(&[]), Log::off());
    let mut turn = Turn::new(&mut choices, &mut coverage, &mut log);
    let violation = world.begin(&mut turn).err();
    world.settings = Settings(Arc::new((config.clone(), of_broker, violation)));
    world
}

impl BrokerWorld {
    fn begin(&mut self, turn: &mut Turn<'_>) -> super::monitors::Judged {
        for number in 0..self.config().kept.min(3) {
            self.keep(number, turn)?;
        }
        if self.config().start.iter().count() == 0 {
            return Ok(());
        }
        for client in 0..self.clients.len() as u8 {
            self.connect(client, true, turn);
            self.run_out(turn)?;
        }
        for (client, wanted) in self.config().start.iter().collect::<Vec<_>>() {
            if usize::from(client) < self.clients.len() {
                self.subscribe(client, wanted, turn);
                self.run_out(turn)?;
            }
        }
        Ok(())
    }

    /// A retained message of the host.
    fn keep(&mut self, number: u8, turn: &mut Turn<'_>) -> super::monitors::Judged {
        let now = self.now;
        let qos = self.config().qos.iter().max().unwrap_or(0);
        let sent = Sent {
            number: KEPT + u16::from(number),
            topic: number,
            qos,
            retain: true,
            identifier: 0,
            duplicate: false,
        };
        let message =
            Message::new(&publish_of(sent, &sent.number.to_be_bytes(), &[])).expect("short");
        let _ = self
            .host
            .broker()
            .publish(instant(now), message, qos_of(qos));
        let kept = model::Message {
            number: sent.number,
            from: model::Publisher::Host,
            topic: sent.topic,
            qos,
            retain: true,
            expires: model::NEVER,
        };
        let config = self.config().clone();
        self.host.model.route(kept, &config);
        self.host.expected += 1;
        self.serve(false, turn)?;
        self.settle(turn)
    }

    /// Carries all packets.
    fn run_out(&mut self, turn: &mut Turn<'_>) -> super::monitors::Judged {
        loop {
            let actions = self.actions();
            let carries = |it: &&Action| matches!(it, Action::Up(_) | Action::Down(_));
            let Some(action) = actions.iter().find(carries) else {
                return Ok(());
            };
            self.perform(*action, turn)?;
            self.settle(turn)?;
        }
    }
}
