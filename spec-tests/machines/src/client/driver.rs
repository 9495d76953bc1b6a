//! What a Client alone does.

use mqtt5_session_fsm::codec::{
    Connect, Property, ReasonCode, SubscribeProperties, Subscription, SubscriptionOptions,
    Subscriptions, TopicFilter, TopicFilters, UnsubscribeProperties,
};
use mqtt5_session_fsm::{Client, ClientConfig, Instant, SendError, Session};

use super::make;
use crate::session::driver::maximum_packet_size;
pub(crate) use crate::session::driver::{Lines, connect_with, publication};

pub(crate) type Driver = crate::session::driver::Driver<Client>;

/// What a CONNECT is made of, unless a test says otherwise: ClientID `c`, Session that does not expire.
pub(crate) const KEEPS: &[Property<'_>] = &[Property::SessionExpiryInterval(u32::MAX)];

impl Driver {
    pub(crate) fn with(config: ClientConfig, session: Session) -> Self {
        let now = Instant::from_millis(1_000_000);
        Driver::of(Client::new(config, session), config, now)
    }

    /// Goes through CONNECT and CONNACK.
    pub(crate) fn go(
        mut self,
        connect: &[Property<'_>],
        session_present: bool,
        connack: &[Property<'_>],
    ) -> Self {
        self.reconnect(connect, session_present, connack);
        self
    }

    /// Goes through CONNECT and CONNACK, and gives what came but the CONNACK's event.
    pub(crate) fn reconnect(
        &mut self,
        connect: &[Property<'_>],
        session_present: bool,
        connack: &[Property<'_>],
    ) -> Lines {
        let said = self.connect(&connect_with(connect));
        let last = said.last().expect("nothing was written");
        assert!(last.starts_with("> CONNECT"), "{said:?}");
        self.announce(connack);
        let mut said = self.feed(&make::connack(
            session_present,
            ReasonCode::Success,
            connack,
        ));
        let event = said.iter().position(|it| it.starts_with("connected"));
        let event = event.unwrap_or_else(|| panic!("not connected: {said:?}"));
        // What it ends is reported before it.
        let ended = said[..event].iter().any(|it| it == "session ended");
        assert!(event == 0 || ended, "{said:?}");
        said.remove(event);
        said
    }

    pub(crate) fn connect(&mut self, connect: &Connect<'_>) -> Lines {
        self.machine.connect(self.now, connect).unwrap();
        let properties: Vec<_> = connect.properties.iter().collect();
        self.begin_again(maximum_packet_size(&properties));
        self.settle()
    }

    pub(crate) fn try_subscribe(
        &mut self,
        filters: &[&str],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let list: Vec<_> = filters
            .iter()
            .map(|filter| Subscription {
                filter: TopicFilter::new(filter).unwrap(),
                options: SubscriptionOptions::default(),
            })
            .collect();
        let token = self.machine.subscribe(
            SubscribeProperties::new(properties).unwrap(),
            Subscriptions::new(&list).unwrap(),
        )?;
        self.tokens.push(token);
        Ok(())
    }

    pub(crate) fn subscribe(&mut self, filters: &[&str]) -> Lines {
        self.try_subscribe(filters, &[]).unwrap();
        self.settle()
    }

    pub(crate) fn try_unsubscribe(
        &mut self,
        filters: &[&str],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let list: Vec<_> = filters
            .iter()
            .map(|filter| TopicFilter::new(filter).unwrap())
            .collect();
        let token = self.machine.unsubscribe(
            UnsubscribeProperties::new(properties).unwrap(),
            TopicFilters::new(&list).unwrap(),
        )?;
        self.tokens.push(token);
        Ok(())
    }

    pub(crate) fn unsubscribe(&mut self, filters: &[&str]) -> Lines {
        self.try_unsubscribe(filters, &[]).unwrap();
        self.settle()
    }
}
