//! The forms in which a message is printed.

use std::str::FromStr;
use std::time::SystemTime;

use clap::Args;
use mqtt5_tokio::Message;

use super::json;

/// The form in which messages are printed.
#[derive(Args, Clone, Debug)]
pub struct FormatOption {
    /// How a message is printed: payload, "topic payload", json, or a template. In a template, %t is the topic, %p the
    /// payload, %x the payload in hexadecimal, %q the QoS, %r RETAIN and %d DUP (0 or 1), %P the properties as JSON, and
    /// %% a percent sign. Each message ends with a line break.
    #[arg(short, long, default_value = "payload", verbatim_doc_comment)]
    pub format: Format,
}

/// How a message is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The payload.
    Payload,
    /// The topic, a blank, and the payload.
    TopicPayload,
    /// A JSON object on one line.
    Json,
    /// A template.
    Template(Vec<Part>),
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands there.
    Literal(String),
    /// `%t`.
    Topic,
    /// `%p`.
    Payload,
    /// `%x`.
    Hex,
    /// `%q`.
    Qos,
    /// `%r`.
    Retain,
    /// `%d`.
    Duplicate,
    /// `%P`.
    Properties,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "payload" => Ok(Format::Payload),
            "topic payload" => Ok(Format::TopicPayload),
            "json" => Ok(Format::Json),
            template if template.contains('%') => parts(template).map(Format::Template),
            _ => {
                Err("a format is payload, \"topic payload\", json, or a template with %".to_owned())
            }
        }
    }
}

fn parts(template: &str) -> Result<Vec<Part>, String> {
    let mut all = Vec::new();
    let mut literal = String::new();
    let mut characters = template.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            literal.push(character);
            continue;
        }
        let part = match characters.next() {
            Some('%') => {
                literal.push('%');
                continue;
            }
            Some('t') => Part::Topic,
            Some('p') => Part::Payload,
            Some('x') => Part::Hex,
            Some('q') => Part::Qos,
            Some('r') => Part::Retain,
            Some('d') => Part::Duplicate,
            Some('P') => Part::Properties,
            Some(other) => return Err(format!("a template has no %{other}")),
            None => return Err("a template cannot end with a single %".to_owned()),
        };
        if !literal.is_empty() {
            all.push(Part::Literal(std::mem::take(&mut literal)));
        }
        all.push(part);
    }
    if !literal.is_empty() {
        all.push(Part::Literal(literal));
    }
    Ok(all)
}

impl Format {
    /// Appends a message, and a line break.
    pub fn write(&self, message: &Message, arrived: SystemTime, into: &mut Vec<u8>) {
        match self {
            Format::Payload => into.extend_from_slice(message.payload()),
            Format::TopicPayload => {
                into.extend_from_slice(message.topic().as_bytes());
                into.push(b' ');
                into.extend_from_slice(message.payload());
            }
            Format::Json => {
                let object = json::message(message, arrived).to_string();
                into.extend_from_slice(object.as_bytes());
            }
            Format::Template(parts) => {
                for part in parts {
                    part.write(message, into);
                }
            }
        }
        into.push(b'\n');
    }
}

impl Part {
    fn write(&self, message: &Message, into: &mut Vec<u8>) {
        let digit = |number: u8| b'0' + number;
        match self {
            Part::Literal(text) => into.extend_from_slice(text.as_bytes()),
            Part::Topic => into.extend_from_slice(message.topic().as_bytes()),
            Part::Payload => into.extend_from_slice(message.payload()),
            Part::Hex => into.extend_from_slice(hex(message.payload()).as_bytes()),
            Part::Qos => into.push(digit(message.qos() as u8)),
            Part::Retain => into.push(digit(message.retain().into())),
            Part::Duplicate => into.push(digit(message.duplicate().into())),
            Part::Properties => {
                into.extend_from_slice(json::properties(message).to_string().as_bytes());
            }
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read() {
        let parts = vec![
            Part::Literal("a%".to_owned()),
            Part::Topic,
            Part::Hex,
            Part::Literal("z".to_owned()),
        ];
        assert_eq!("a%%%t%xz".parse(), Ok(Format::Template(parts)));
        assert!("%".parse::<Format>().is_err());
        assert!("%y".parse::<Format>().is_err());
        assert!("word".parse::<Format>().is_err());
        assert_eq!(hex(&[0, 0x1F, 0xFF]), "001fff");
    }
}
