//! Property sets.

use alloc::string::String;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use arbitrary::{Result, Unstructured};

use super::number::{number, one_in, subscription_identifier};
use super::speaker::{Speaker, VALID};
use super::text::{binary, text, topic_name};
use crate::v5::property::Scope;
use crate::{
    Binary, MaximumQos, PacketType, PayloadFormat, Properties, Property, PropertyIdentifier, Role,
    Text, TopicName, UserProperty,
};

/// A property that owns its value. Of the fields it uses those that its identifier needs.
#[derive(Clone)]
struct Owned {
    identifier: PropertyIdentifier,
    number: u32,
    text: String,
    second_text: String,
    bytes: Vec<u8>,
}

impl Owned {
    /// One that is valid wherever the identifier is.
    fn smallest(identifier: PropertyIdentifier) -> Self {
        Owned {
            identifier,
            number: 1,
            text: String::from("a"),
            second_text: String::new(),
            bytes: Vec::new(),
        }
    }

    fn generate(identifier: PropertyIdentifier, source: &mut Unstructured<'_>) -> Result<Self> {
        let mut owned = Owned::smallest(identifier);
        match owned.borrow() {
            Property::ResponseTopic(_) => owned.text = topic_name(source)?,
            Property::CorrelationData(_) | Property::AuthenticationData(_) => {
                owned.bytes = binary(source)?;
            }
            Property::UserProperty(_) => {
                owned.text = text(source)?;
                owned.second_text = text(source)?;
            }
            Property::ContentType(_)
            | Property::AssignedClientIdentifier(_)
            | Property::AuthenticationMethod(_)
            | Property::ResponseInformation(_)
            | Property::ServerReference(_)
            | Property::ReasonString(_) => owned.text = text(source)?,
            _ => owned.number = number(source)?,
        }
        Ok(owned)
    }

    fn borrow(&self) -> Property<'_> {
        use PropertyIdentifier as Identifier;
        let boolean = self.number & 1 == 1;
        let two_bytes = self.number as u16;
        let text = || Text::new(&self.text).expect(VALID);
        let bytes = || Binary::new(&self.bytes).expect(VALID);
        match self.identifier {
            Identifier::PayloadFormatIndicator => Property::PayloadFormatIndicator(if boolean {
                PayloadFormat::Utf8Text
            } else {
                PayloadFormat::UnspecifiedBytes
            }),
            Identifier::MessageExpiryInterval => Property::MessageExpiryInterval(self.number),
            Identifier::ContentType => Property::ContentType(text()),
            Identifier::ResponseTopic => {
                Property::ResponseTopic(TopicName::new(&self.text).expect(VALID))
            }
            Identifier::CorrelationData => Property::CorrelationData(bytes()),
            Identifier::SubscriptionIdentifier => {
                Property::SubscriptionIdentifier(subscription_identifier(self.number))
            }
            Identifier::SessionExpiryInterval => Property::SessionExpiryInterval(self.number),
            Identifier::AssignedClientIdentifier => Property::AssignedClientIdentifier(text()),
            Identifier::ServerKeepAlive => Property::ServerKeepAlive(two_bytes),
            Identifier::AuthenticationMethod => Property::AuthenticationMethod(text()),
            Identifier::AuthenticationData => Property::AuthenticationData(bytes()),
            Identifier::RequestProblemInformation => Property::RequestProblemInformation(boolean),
            Identifier::WillDelayInterval => Property::WillDelayInterval(self.number),
            Identifier::RequestResponseInformation => Property::RequestResponseInformation(boolean),
            Identifier::ResponseInformation => Property::ResponseInformation(text()),
            Identifier::ServerReference => Property::ServerReference(text()),
            Identifier::ReasonString => Property::ReasonString(text()),
            Identifier::ReceiveMaximum => Property::ReceiveMaximum(not_zero(two_bytes)),
            Identifier::TopicAliasMaximum => Property::TopicAliasMaximum(two_bytes),
            Identifier::TopicAlias => Property::TopicAlias(not_zero(two_bytes)),
            Identifier::MaximumQos => Property::MaximumQos(if boolean {
                MaximumQos::AtLeastOnce
            } else {
                MaximumQos::AtMostOnce
            }),
            Identifier::RetainAvailable => Property::RetainAvailable(boolean),
            Identifier::UserProperty => Property::UserProperty(UserProperty {
                name: text(),
                value: Text::new(&self.second_text).expect(VALID),
            }),
            Identifier::MaximumPacketSize => {
                Property::MaximumPacketSize(NonZeroU32::new(self.number).unwrap_or(NonZeroU32::MIN))
            }
            Identifier::WildcardSubscriptionAvailable => {
                Property::WildcardSubscriptionAvailable(boolean)
            }
            Identifier::SubscriptionIdentifierAvailable => {
                Property::SubscriptionIdentifierAvailable(boolean)
            }
            Identifier::SharedSubscriptionAvailable => {
                Property::SharedSubscriptionAvailable(boolean)
            }
        }
    }
}

fn not_zero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)
}

/// Generates a property set, and whatever `build` makes of it.
pub(super) fn with_properties<S: Scope, T>(
    speaker: Speaker,
    source: &mut Unstructured<'_>,
    build: impl FnOnce(Properties<'_, S>, &mut Unstructured<'_>) -> Result<T>,
) -> Result<T> {
    let mut owned = list::<S>(speaker, source)?;
    add_method::<S>(&mut owned, source)?;
    let borrowed: Vec<_> = owned.iter().map(Owned::borrow).collect();
    build(Properties::new(&borrowed).expect(VALID), source)
}

/// As [`with_properties`], but with this property in it, somewhere.
pub(super) fn with_property<S: Scope, T>(
    identifier: PropertyIdentifier,
    speaker: Speaker,
    source: &mut Unstructured<'_>,
    build: impl FnOnce(Properties<'_, S>, &mut Unstructured<'_>) -> Result<T>,
) -> Result<T> {
    let mut owned = list::<S>(speaker, source)?;
    insert(identifier, &mut owned, source)?;
    let borrowed: Vec<_> = owned.iter().map(Owned::borrow).collect();
    build(Properties::new(&borrowed).expect(VALID), source)
}

/// None or a few properties as a rule; now and then all that the packet may carry. MQTT 3.1.1 has none.
fn list<S: Scope>(speaker: Speaker, source: &mut Unstructured<'_>) -> Result<Vec<Owned>> {
    if speaker.speaks_v3() {
        return Ok(Vec::new());
    }
    let wanted = match source.int_in_range(0..=15)? {
        0..=4 => return Ok(Vec::new()),
        15 => PropertyIdentifier::ALL.len() + 3,
        few => few - 4,
    };
    let mut choices = choices::<S>(speaker.role());
    let mut list = Vec::new();
    while list.len() < wanted && !choices.is_empty() {
        let index = source.choose_index(choices.len())?;
        let (identifier, repeatable) = choices[index];
        let property = Owned::generate(identifier, source)?;
        if !repeatable {
            choices.swap_remove(index);
        } else if one_in(32, source)? {
            // Many, unless they are long.
            let length = property.text.len() + property.second_text.len();
            let times = source.int_in_range(2..=200)? / (1 + length / 1000);
            list.extend(core::iter::repeat_n(property.clone(), times));
        }
        list.push(property);
    }
    Ok(list)
}

/// What this side may say in the set, and whether more than once.
fn choices<S: Scope>(sender: Role) -> Vec<(PropertyIdentifier, bool)> {
    let may_say = |identifier| match (S::PACKET_TYPE, identifier) {
        (PacketType::Publish, PropertyIdentifier::SubscriptionIdentifier)
        | (PacketType::Disconnect, PropertyIdentifier::ServerReference) => sender == Role::Server,
        (PacketType::Disconnect, PropertyIdentifier::SessionExpiryInterval) => {
            sender == Role::Client
        }
        _ => true,
    };
    let mut choices = Vec::new();
    for &identifier in PropertyIdentifier::ALL {
        let owned = Owned::smallest(identifier);
        let twice = [owned.borrow(), owned.borrow()];
        if may_say(identifier) && Properties::<S>::new(&twice[..1]).is_ok() {
            choices.push((identifier, Properties::<S>::new(&twice).is_ok()));
        }
    }
    choices
}

/// What there must be an Authentication Method for: Authentication Data in a CONNECT (section
/// 3.1.2.11.10), anything in an AUTH (section 3.15.2.2.2).
fn add_method<S: Scope>(list: &mut Vec<Owned>, source: &mut Unstructured<'_>) -> Result<()> {
    let has = |identifier| list.iter().any(|owned| owned.identifier == identifier);
    let needed = match S::PACKET_TYPE {
        PacketType::Connect => has(PropertyIdentifier::AuthenticationData),
        PacketType::Auth => !list.is_empty(),
        _ => false,
    };
    if needed {
        insert(PropertyIdentifier::AuthenticationMethod, list, source)?;
    }
    Ok(())
}

/// Inserts a property that must not repeat, somewhere, unless it is there.
fn insert(
    identifier: PropertyIdentifier,
    list: &mut Vec<Owned>,
    source: &mut Unstructured<'_>,
) -> Result<()> {
    if list.iter().all(|owned| owned.identifier != identifier) {
        let at = source.choose_index(list.len() + 1)?;
        list.insert(at, Owned::generate(identifier, source)?);
    }
    Ok(())
}
