//! The text format of the vectors.

use mqtt5_codec::{ProtocolVersion, Role, ViolationClass};

use super::{Case, Expectation, Said};
use crate::standard::{has_section, statements};

/// Line number and message.
type Fault = (usize, String);

/// The keys of a case, in the order in which they must stand.
const KEYS: [&str; 11] = [
    "case",
    "statements",
    "sender",
    "bytes",
    "expect",
    "offset",
    "statement",
    "reencodes",
    "v5",
    "answer",
    "why",
];

/// Those that only cases of MQTT 3.1.1 have.
const KEYS_OF_3_1_1: [&str; 2] = ["v5", "answer"];

/// What the names of cases of MQTT 3.1.1 begin with.
const PREFIX_OF_3_1_1: &str = "v3-";

/// One line `key: value`.
struct Field<'t> {
    line: usize,
    key: &'t str,
    value: &'t str,
}

pub(super) fn cases(version: ProtocolVersion, text: &str) -> Result<Vec<Case>, Fault> {
    let mut cases = Vec::new();
    let mut fields: Vec<Field<'_>> = Vec::new();
    for (index, content) in text.lines().enumerate() {
        let line = index + 1;
        if content.trim().is_empty() {
            if !fields.is_empty() {
                cases.push(case(version, &fields)?);
                fields.clear();
            }
        } else if !content.starts_with('#') {
            let (key, value) = content
                .split_once(": ")
                .ok_or_else(|| (line, format!("`{content}` is not `key: value`")))?;
            fields.push(Field { line, key, value });
        }
    }
    if !fields.is_empty() {
        cases.push(case(version, &fields)?);
    }
    Ok(cases)
}

fn case(version: ProtocolVersion, fields: &[Field<'_>]) -> Result<Case, Fault> {
    check_keys(version, fields)?;
    let first_line = fields[0].line;
    let optional = |key: &str| fields.iter().find(|field| field.key == key);
    let required =
        |key: &str| optional(key).ok_or_else(|| (first_line, format!("the case has no `{key}`")));

    let expect_field = required("expect")?;
    let expect = expectation(version, expect_field)?;
    let is_reject = matches!(expect, Expectation::Reject { .. });
    for (key, fits) in [
        ("offset", is_reject),
        ("statement", is_reject),
        ("reencodes", expect == Expectation::Accept),
        ("v5", expect == Expectation::Accept),
        ("answer", is_reject),
    ] {
        if let (Some(field), false) = (optional(key), fits) {
            let message = format!("`{key}` does not go with `expect: {}`", expect_field.value);
            return Err((field.line, message));
        }
    }
    let statement = match is_reject {
        true => Some(required("statement")?.value).filter(|value| *value != "none"),
        false => None,
    };
    for field in ["statements", "statement"].into_iter().filter_map(optional) {
        check_statements(version, field)?;
    }
    check_sections(version, required("why")?)?;
    let name = required("case")?;
    let is_of_3_1_1 = version == ProtocolVersion::V3_1_1;
    if name.value.starts_with(PREFIX_OF_3_1_1) != is_of_3_1_1 {
        let message = format!("`{}` is a name of the other version", name.value);
        return Err((name.line, message));
    }
    if is_of_3_1_1 && expect == Expectation::Accept {
        required("v5")?;
    }
    let bytes = bytes(required("bytes")?)?;
    let offset = optional("offset").map(|field| number(field, field.value));
    let offset = offset.transpose()?;
    if let Some(offset) = offset.filter(|&offset| offset > bytes.len()) {
        return Err((first_line, format!("offset {offset} is behind the input")));
    }
    Ok(Case {
        name: name.value.to_owned(),
        version,
        line: first_line,
        statements: optional("statements").map_or_else(Vec::new, |field| {
            field.value.split_whitespace().map(str::to_owned).collect()
        }),
        sender: sender(required("sender")?)?,
        bytes,
        expect,
        offset,
        statement: statement.map(str::to_owned),
        reencodes: reencodes(version, optional("reencodes"))?,
        v5: optional("v5").map(said).transpose()?,
        answer: optional("answer").map(said).transpose()?,
        why: required("why")?.value.to_owned(),
    })
}

/// Every key is known, stands once, and stands in order.
fn check_keys(version: ProtocolVersion, fields: &[Field<'_>]) -> Result<(), Fault> {
    let mut next = 0;
    for field in fields {
        let position = KEYS.iter().position(|&key| key == field.key);
        let is_of_the_other =
            version == ProtocolVersion::V5_0 && KEYS_OF_3_1_1.contains(&field.key);
        let Some(position) = position.filter(|_| !is_of_the_other) else {
            return Err((field.line, format!("there is no key `{}`", field.key)));
        };
        if position < next {
            let message = format!("`{}` is repeated or out of order", field.key);
            return Err((field.line, message));
        }
        next = position + 1;
    }
    Ok(())
}

/// Each label is that of a numbered statement.
fn check_statements(version: ProtocolVersion, field: &Field<'_>) -> Result<(), Fault> {
    let statements = statements(version);
    let mut labels = field.value.split_whitespace();
    match labels.find(|label| !statements.contains_key(label) && field.value != "none") {
        Some(label) => Err((field.line, format!("there is no statement `{label}`"))),
        None => Ok(()),
    }
}

/// The reason ends with the sections of the standard, in parentheses.
fn check_sections(version: ProtocolVersion, field: &Field<'_>) -> Result<(), Fault> {
    let sections = field.value.strip_suffix(')');
    let sections = sections.and_then(|text| Some(text.rsplit_once(" (")?.1));
    let sections =
        sections.ok_or_else(|| (field.line, "the reason names no section".to_owned()))?;
    match sections
        .split(", ")
        .find(|number| !has_section(version, number))
    {
        Some(number) => Err((field.line, format!("there is no section `{number}`"))),
        None => Ok(()),
    }
}

fn sender(field: &Field<'_>) -> Result<Option<Role>, Fault> {
    match field.value {
        "either" => Ok(None),
        "client" => Ok(Some(Role::Client)),
        "server" => Ok(Some(Role::Server)),
        other => Err((field.line, format!("`{other}` is not a sender"))),
    }
}

fn expectation(version: ProtocolVersion, field: &Field<'_>) -> Result<Expectation, Fault> {
    let words: Vec<&str> = field.value.split(' ').collect();
    match words[..] {
        ["accept"] => Ok(Expectation::Accept),
        ["incomplete", needed] => Ok(Expectation::Incomplete {
            needed: number(field, needed)?,
        }),
        ["reject", class] if version == ProtocolVersion::V3_1_1 => Ok(Expectation::Reject {
            class: self::class(field, class)?,
            reason_code: None,
        }),
        ["reject", class, code] if version == ProtocolVersion::V5_0 => {
            let class = self::class(field, class)?;
            let reason_code = code
                .strip_prefix("0x")
                .filter(|digits| digits.len() == 2)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or_else(|| (field.line, format!("`{code}` is not a Reason Code")))?;
            Ok(Expectation::Reject {
                class,
                reason_code: Some(reason_code),
            })
        }
        _ => Err((field.line, format!("`{}` is not a verdict", field.value))),
    }
}

fn class(field: &Field<'_>, word: &str) -> Result<ViolationClass, Fault> {
    match word {
        "malformed" => Ok(ViolationClass::Malformed),
        "protocol" => Ok(ViolationClass::Protocol),
        other => Err((field.line, format!("`{other}` is not a class of errors"))),
    }
}

fn number(field: &Field<'_>, digits: &str) -> Result<usize, Fault> {
    digits
        .parse()
        .map_err(|_| (field.line, format!("`{digits}` is not a number")))
}

/// Bytes, or `none`.
fn said(field: &Field<'_>) -> Result<Said, Fault> {
    match field.value {
        "none" => Ok(Said::Nothing),
        _ => Ok(Said::Bytes(bytes(field)?)),
    }
}

/// In MQTT 5.0 the other encoding; in MQTT 3.1.1, where there is no other, that there is none at all.
fn reencodes(version: ProtocolVersion, field: Option<&Field<'_>>) -> Result<Option<Said>, Fault> {
    let Some(field) = field else {
        return Ok(None);
    };
    let said = said(field)?;
    match (version, &said) {
        (ProtocolVersion::V3_1_1, Said::Nothing) | (ProtocolVersion::V5_0, Said::Bytes(_)) => {
            Ok(Some(said))
        }
        _ => Err((
            field.line,
            format!("`{}` is no other encoding", field.value),
        )),
    }
}

/// Hexadecimal bytes such as `40 02`, and runs such as `61*65535`.
fn bytes(field: &Field<'_>) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    for word in field.value.split_whitespace() {
        let (digits, count) = match word.split_once('*') {
            Some((digits, count)) => (digits, number(field, count)?),
            None => (word, 1),
        };
        // `from_str_radix` would take a sign, too.
        let is_hexadecimal = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| is_hexadecimal)
            .ok_or_else(|| {
                (
                    field.line,
                    format!("`{word}` is not a byte or a run of one"),
                )
            })?;
        // Without optimization, `resize` writes them one by one.
        bytes.append(&mut vec![byte; count]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
