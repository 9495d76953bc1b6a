//! What messages say about themselves, and the rules.

use mqtt5_tokio::codec::{Message, Properties, Property, Publish, TopicName, UserProperty};
use mqtt5_tokio::fsm::routing::{Condition, Rule, RuleRouter, TextTest};
use mqtt5_tokio::{Publication, Qos};

use crate::lab::{Lab, Result};

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    Alert,
    Update,
    Archive,
    Left,
}

impl Route {
    pub(super) const ALL: [Route; 4] = [Route::Alert, Route::Update, Route::Archive, Route::Left];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Route::Alert => "to the topic of alerts",
            Route::Update => "to the topic of updates",
            Route::Archive => "archived",
            Route::Left => "left",
        }
    }
}

/// The rules, as the router of the library has them. The first that matches counts.
pub(super) fn router() -> Result<RuleRouter<Route>> {
    let mut router = RuleRouter::new(10, 4);
    let high = Condition::user_property("priority", TextTest::equals("high"));
    let zone = Condition::user_property("region", TextTest::contains("zone"));
    router.add(Rule::to(Route::Alert).when(high.clone()).when(zone))?;
    let old = Condition::user_property("schema", TextTest::version_below("1.10")?);
    router.add(Rule::to(Route::Update).when(old))?;
    router.add(Rule::to(Route::Archive).when(high))?;
    router.add(Rule::to(Route::Archive).when(Condition::user_property(
        "value",
        TextTest::number_at_least("90")?,
    )))?;
    Ok(router)
}

/// What a message says about itself.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    priority: &'static str,
    region: &'static str,
    schema: (u64, u64),
    value: u64,
}

impl Labels {
    pub(super) fn random(lab: &Lab) -> Self {
        let one_of = |texts: [&'static str; 3]| texts[lab.random(3) as usize];
        Labels {
            priority: one_of(["low", "normal", "high"]),
            region: one_of(["north", "critical-zone 3", "south"]),
            schema: (1 + lab.random(2), lab.random(20)),
            value: lab.random(100),
        }
    }

    /// The same rules in plain words, without the router.
    pub(super) fn route(&self) -> Route {
        let is_high = self.priority == "high";
        if is_high && self.region == "critical-zone 3" {
            Route::Alert
        } else if self.schema < (1, 10) {
            Route::Update
        } else if is_high || self.value >= 90 {
            Route::Archive
        } else {
            Route::Left
        }
    }

    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let (major, minor) = self.schema;
        let pair = |name: &str, value: String| (name.to_owned(), value);
        vec![
            pair("priority", self.priority.to_owned()),
            pair("region", self.region.to_owned()),
            pair("schema", format!("{major}.{minor}")),
            pair("value", self.value.to_string()),
        ]
    }

    pub(super) fn publication(&self, topic: &str, number: u64) -> Result<Publication> {
        let pairs = self.pairs();
        let properties = pairs
            .iter()
            .map(|(name, value)| UserProperty::new(name, value).map(Property::UserProperty));
        let list = properties.collect::<Result<Vec<_>, _>>()?;
        let payload = format!("{number} of the lab");
        let publish = Publish {
            properties: Properties::new(&list)?,
            ..Publish::new(TopicName::new(topic)?, payload.as_bytes())
        };
        Ok(Publication::new(Qos::ExactlyOnce, Message::new(&publish)?))
    }
}
