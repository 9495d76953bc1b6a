//! Properties (section 2.2.2): one table of identifiers, types, packets and repetition.

mod parse;
mod set;
mod table;
mod value;

pub use set::Properties;
pub use table::{Carries, Property, PropertyIdentifier, Scope, scope};
pub use value::{MaximumQos, PayloadFormat, SubscriptionIdentifier, UserProperty};

pub(crate) use parse::{Contains, property_set, property_set_and_seen};
