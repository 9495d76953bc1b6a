//! The text format of the vectors.

use mqtt5_codec::{Role, ViolationClass};

use super::{Case, Expectation};
use crate::standard::{has_section, statements};

/// Line number and message.
type Fault = (usize, String);

/// The keys of a case, in the order in which they must stand.
const KEYS: [&str; 9] = [
    "case",
    "statements",
    "sender",
    "bytes",
    "expect",
    "offset",
    "statement",
    "reencodes",
    "why",
];

/// One line `key: value`.
struct Field<'t> {
    line: usize,
    key: &'t str,
    value: &'t str,
}

pub(super) fn cases(text: &str) -> Result<Vec<Case>, Fault> {
    let mut cases = Vec::new();
    let mut fields: Vec<Field<'_>> = Vec::new();
    for (index, content) in text.lines().enumerate() {
        let line = index + 1;
        if content.trim().is_empty() {
            if !fields.is_empty() {
                cases.push(case(&fields)?);
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
        cases.push(case(&fields)?);
    }
    Ok(cases)
}

fn case(fields: &[Field<'_>]) -> Result<Case, Fault> {
    check_keys(fields)?;
    let first_line = fields[0].line;
    let optional = |key: &str| fields.iter().find(|field| field.key == key);
    let required =
        |key: &str| optional(key).ok_or_else(|| (first_line, format!("the case has no `{key}`")));

    let expect_field = required("expect")?;
    let expect = expectation(expect_field)?;
    let is_reject = matches!(expect, Expectation::Reject { .. });
    for (key, fits) in [
        ("offset", is_reject),
        ("statement", is_reject),
        ("reencodes", expect == Expectation::Accept),
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
        check_statements(field)?;
    }
    check_sections(required("why")?)?;
    let bytes = bytes(required("bytes")?)?;
    let offset = optional("offset").map(|field| number(field, field.value));
    let offset = offset.transpose()?;
    if let Some(offset) = offset.filter(|&offset| offset > bytes.len()) {
        return Err((first_line, format!("offset {offset} is behind the input")));
    }
    Ok(Case {
        name: required("case")?.value.to_owned(),
        line: first_line,
        statements: optional("statements").map_or_else(Vec::new, |field| {
            field.value.split_whitespace().map(str::to_owned).collect()
        }),
        sender: sender(required("sender")?)?,
        bytes,
        expect,
        offset,
        statement: statement.map(str::to_owned),
        reencodes: optional("reencodes").map(self::bytes).transpose()?,
        why: required("why")?.value.to_owned(),
    })
}

/// Every key is known, stands once, and stands in order.
fn check_keys(fields: &[Field<'_>]) -> Result<(), Fault> {
    let mut next = 0;
    for field in fields {
        let Some(position) = KEYS.iter().position(|&key| key == field.key) else {
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
fn check_statements(field: &Field<'_>) -> Result<(), Fault> {
    let mut labels = field.value.split_whitespace();
    match labels.find(|label| !statements().contains_key(label) && field.value != "none") {
        Some(label) => Err((field.line, format!("there is no statement `{label}`"))),
        None => Ok(()),
    }
}

/// The reason ends with the sections of the standard, in parentheses.
fn check_sections(field: &Field<'_>) -> Result<(), Fault> {
    let sections = field.value.strip_suffix(')');
    let sections = sections.and_then(|text| Some(text.rsplit_once(" (")?.1));
    let sections =
        sections.ok_or_else(|| (field.line, "the reason names no section".to_owned()))?;
    match sections.split(", ").find(|number| !has_section(number)) {
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

fn expectation(field: &Field<'_>) -> Result<Expectation, Fault> {
    let words: Vec<&str> = field.value.split(' ').collect();
    match words[..] {
        ["accept"] => Ok(Expectation::Accept),
        ["incomplete", needed] => Ok(Expectation::Incomplete {
            needed: number(field, needed)?,
        }),
        ["reject", class, code] => {
            let class = match class {
                "malformed" => ViolationClass::Malformed,
                "protocol" => ViolationClass::Protocol,
                other => return Err((field.line, format!("`{other}` is not a class of errors"))),
            };
            let reason_code = code
                .strip_prefix("0x")
                .filter(|digits| digits.len() == 2)
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or_else(|| (field.line, format!("`{code}` is not a Reason Code")))?;
            Ok(Expectation::Reject { class, reason_code })
        }
        _ => Err((field.line, format!("`{}` is not a verdict", field.value))),
    }
}

fn number(field: &Field<'_>, digits: &str) -> Result<usize, Fault> {
    digits
        .parse()
        .map_err(|_| (field.line, format!("`{digits}` is not a number")))
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
        bytes.resize(bytes.len() + count, byte);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{VectorError, read};
    use super::*;

    const CASE: &str = "\
# A comment.

case: ping
statements: MQTT-2.1.3-1 MQTT-3.12.4-1
sender: client
bytes: C1  00*3
expect: reject malformed 0x81
offset: 0
statement: MQTT-2.1.3-1
why: a flag (2.1.3)
";

    fn error_of(text: &str) -> (usize, String) {
        let VectorError {
            file,
            line,
            message,
        } = read(Path::new("some.txt"), text).expect_err("the text is wrong");
        assert_eq!(file, Path::new("some.txt"));
        (line, message)
    }

    #[test]
    fn reads_every_key() {
        let cases = read(Path::new("some.txt"), CASE).expect("the text is right");
        let expected = Case {
            name: "ping".to_owned(),
            line: 3,
            statements: vec!["MQTT-2.1.3-1".to_owned(), "MQTT-3.12.4-1".to_owned()],
            sender: Some(Role::Client),
            bytes: vec![0xC1, 0, 0, 0],
            expect: Expectation::Reject {
                class: ViolationClass::Malformed,
                reason_code: 0x81,
            },
            offset: Some(0),
            statement: Some("MQTT-2.1.3-1".to_owned()),
            reencodes: None,
            why: "a flag (2.1.3)".to_owned(),
        };
        assert_eq!(cases, [expected]);
    }

    #[test]
    fn names_the_line_of_a_mistake() {
        for (right, wrong, line, message) in [
            ("sender: client", "sender: me", 5, "`me` is not a sender"),
            ("C1  00*3", "C1 +1", 6, "`+1` is not a byte or a run of one"),
            ("C1  00*3", "C1 00*x", 6, "`x` is not a number"),
            (
                "reject malformed 0x81",
                "perhaps",
                7,
                "`perhaps` is not a verdict",
            ),
            ("0x81", "81", 7, "`81` is not a Reason Code"),
            ("offset: 0", "offset: 5", 3, "offset 5 is behind the input"),
            (
                "offset: 0",
                "sender: either",
                8,
                "`sender` is repeated or out of order",
            ),
            ("offset: 0", "remark: none", 8, "there is no key `remark`"),
            ("offset: 0", "offset", 8, "`offset` is not `key: value`"),
            ("why: a flag (2.1.3)\n", "", 3, "the case has no `why`"),
            (" (2.1.3)", "", 10, "the reason names no section"),
            ("(2.1.3)", "(T19.4)", 10, "there is no section `T19.4`"),
            (
                "(2.1.3)",
                "(2.1.3, 2.1.9)",
                10,
                "there is no section `2.1.9`",
            ),
            (
                "MQTT-2.1.3-1 MQTT",
                "MAL-06 MQTT",
                4,
                "there is no statement `MAL-06`",
            ),
            (
                "statement: MQTT-2.1.3-1",
                "statement: MQTT-2.1.3-9",
                9,
                "there is no statement `MQTT-2.1.3-9`",
            ),
            (
                "statement: MQTT-2.1.3-1\n",
                "",
                3,
                "the case has no `statement`",
            ),
            (
                "reject malformed 0x81",
                "accept",
                8,
                "`offset` does not go with `expect: accept`",
            ),
        ] {
            let text = CASE.replace(right, wrong);
            assert_ne!(text, CASE);
            assert_eq!(error_of(&text), (line, message.to_owned()));
        }
    }
}
