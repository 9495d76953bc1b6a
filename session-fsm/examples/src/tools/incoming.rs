//! Subscriptions, and the messages that come.

use clap::Args;
use mqtt5_tokio::codec::{RetainHandling, SubscriptionOptions, TopicFilter};
use mqtt5_tokio::{Client, Message, Messages, Qos};
use tokio::task::JoinHandle;

use super::{ConnectionOptions, Failure, note, qos};

/// The options of subscriptions.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Subscription")]
pub struct SubscribeOptions {
    /// The highest QoS at which the server may send.
    #[arg(short, long, default_value = "1", value_parser = qos)]
    pub qos: Qos,
    /// Leave out what this client publishes itself. Not in MQTT 3.1.1.
    #[arg(long)]
    pub no_local: bool,
    /// Show RETAIN as it was published. Not in MQTT 3.1.1.
    #[arg(long)]
    pub retain_as_published: bool,
    /// Retained messages: 0 to get them, 1 to get them if the subscription is new, 2 not to get them. Not in MQTT 3.1.1,
    /// but for 0.
    #[arg(long, value_name = "NUMBER", default_value = "0", value_parser = retain_handling)]
    pub retain_handling: RetainHandling,
    /// A number that comes with each message of these subscriptions. Not in MQTT 3.1.1.
    #[arg(long, value_name = "NUMBER")]
    pub subscription_identifier: Option<u32>,
}

fn retain_handling(text: &str) -> Result<RetainHandling, String> {
    match text {
        "0" => Ok(RetainHandling::Send),
        "1" => Ok(RetainHandling::SendIfNew),
        "2" => Ok(RetainHandling::DoNotSend),
        _ => Err("it is 0, 1 or 2".to_owned()),
    }
}

impl SubscribeOptions {
    /// Refuses what the version that was asked for does not have.
    ///
    /// # Errors
    ///
    /// MQTT 3.1.1 is asked for, and an option that it does not have.
    pub fn check(&self, connection: &mut ConnectionOptions) -> Result<(), Failure> {
        let is_default = SubscriptionOptions {
            maximum_qos: self.qos,
            ..SubscriptionOptions::default()
        } == self.of_packet();
        match is_default && self.subscription_identifier.is_none() {
            true => Ok(()),
            false => connection.needs_version_5("such options of a subscription"),
        }
    }

    fn of_packet(&self) -> SubscriptionOptions {
        SubscriptionOptions {
            maximum_qos: self.qos,
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: self.retain_handling,
        }
    }
}

/// The messages of some subscriptions, which are made meanwhile: messages may come before the answer of the server.
#[derive(Debug)]
pub struct Incoming {
    messages: Messages,
    subscribing: Option<JoinHandle<Result<(), Failure>>>,
}

impl Incoming {
    /// Begins to subscribe.
    ///
    /// # Errors
    ///
    /// A text is not a Topic Filter.
    pub fn new(
        client: &Client,
        messages: Messages,
        filters: &[String],
        options: &SubscribeOptions,
        verbose: bool,
    ) -> Result<Self, Failure> {
        for filter in filters {
            let checked = TopicFilter::new(filter);
            checked.map_err(|error| Failure::local(error).about(&format!("{filter:?}")))?;
        }
        let all = subscribe(client.clone(), filters.to_vec(), options.clone(), verbose);
        Ok(Incoming {
            messages,
            subscribing: Some(tokio::spawn(all)),
        })
    }

    /// Waits for the next message. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    ///
    /// The server refuses a subscription, or the client has ended.
    pub async fn next(&mut self) -> Result<Message, Failure> {
        while let Some(subscribing) = &mut self.subscribing {
            let subscribed = tokio::select! {
                biased;
                subscribed = subscribing => subscribed,
                message = self.messages.next() => return message.ok_or_else(ended),
            };
            self.subscribing = None;
            subscribed.map_err(Failure::local)??;
        }
        self.messages.next().await.ok_or_else(ended)
    }

    /// Takes a message that has arrived already.
    pub fn take(&mut self) -> Option<Message> {
        match self.subscribing {
            // A refusal shall be noticed.
            Some(_) => None,
            None => self.messages.take(),
        }
    }
}

fn ended() -> Failure {
    Failure::Local("The client has ended.".to_owned())
}

async fn subscribe(
    client: Client,
    filters: Vec<String>,
    options: SubscribeOptions,
    verbose: bool,
) -> Result<(), Failure> {
    let (wanted, identifier) = (options.of_packet(), options.subscription_identifier);
    for filter in filters {
        let granted = client.subscribe_with(&filter, wanted, identifier).await;
        let granted = granted.map_err(|failure| {
            Failure::from(failure).about(&format!("There is no subscription to {filter:?}"))
        })?;
        if granted != options.qos {
            let (granted, wanted) = (granted as u8, options.qos as u8);
            note(format_args!(
                "The server grants QoS {granted} for {filter:?}, not {wanted}."
            ));
        } else if verbose {
            note(format_args!("Subscribed to {filter:?}."));
        }
    }
    Ok(())
}
