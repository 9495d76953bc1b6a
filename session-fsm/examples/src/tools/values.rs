//! Values of options.

use std::time::Duration;

use mqtt5_tokio::{ProtocolVersion, Qos};

/// A name and a value, such as a User Property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What stands before the first `=`.
    pub name: String,
    /// What stands after it.
    pub value: String,
}

/// Reads `NAME=VALUE`.
///
/// # Errors
///
/// There is no `=`.
pub fn pair(text: &str) -> Result<Pair, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a property has the form NAME=VALUE")?;
    Ok(Pair {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

/// Reads a QoS.
///
/// # Errors
///
/// It is none.
pub fn qos(text: &str) -> Result<Qos, String> {
    match text {
        "0" => Ok(Qos::AtMostOnce),
        "1" => Ok(Qos::AtLeastOnce),
        "2" => Ok(Qos::ExactlyOnce),
        _ => Err("a QoS is 0, 1 or 2".to_owned()),
    }
}

/// Reads a time in seconds, which may have a fraction.
///
/// # Errors
///
/// It is not a number, negative, or too large.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let error = "a time is a number of seconds, such as 30 or 0.5";
    let number: f64 = text.parse().map_err(|_| error)?;
    Duration::try_from_secs_f64(number).map_err(|_| error.to_owned())
}

/// Reads a version of MQTT.
pub(super) fn version(text: &str) -> Result<ProtocolVersion, String> {
    match text {
        "5" | "5.0" => Ok(ProtocolVersion::V5_0),
        "3.1.1" => Ok(ProtocolVersion::V3_1_1),
        _ => Err("a version is 5 or 3.1.1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("-1").is_err() && seconds("x").is_err() && seconds("inf").is_err());
        assert_eq!(pair("a=b=c").map(|it| it.value), Ok("b=c".to_owned()));
        assert!(pair("a").is_err() && qos("3").is_err() && version("4").is_err());
    }
}
