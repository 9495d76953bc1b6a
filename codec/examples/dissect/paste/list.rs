//! Lists of numbers: plain digits, arrays of many languages, Erlang's binaries, Node's buffers.

use mqtt5_codec::Role;

use super::{NotBytes, Part, Pasted};

/// A word of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word<'a> {
    /// Digits after a prefix for hexadecimal numbers.
    Hexadecimal(&'a str),
    /// Digits of which nothing tells what they are.
    Bare(&'a str),
    /// Characters that stand for themselves.
    Text(&'a str),
}

/// What is around the numbers of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing.
    Plain,
    /// Brackets of any form: numbers of a program.
    Array,
    /// The signs of Erlang's binaries.
    Binary,
    /// Something in which nothing but digits are: quotes, or the signs of Node's buffers.
    Digits,
}

/// The numbers in a text.
struct List {
    numbers: String,
    kind: Kind,
    /// The words with which the text says that it leaves some out.
    left_out: Option<String>,
}

/// Reads a list of numbers, or the two lists of a conversation.
pub(super) fn read(text: &str) -> Result<Pasted, NotBytes> {
    match sides(text)? {
        Some(pasted) => Ok(pasted),
        None => read_one(text),
    }
}

/// The bytes of a conversation, which Wireshark writes as an array for each packet: `peer0_0`,
/// `peer1_0`, `peer0_1`. Nothing if the text is something else.
fn sides(text: &str) -> Result<Option<Pasted>, NotBytes> {
    let mut arrays = text.split("char peer").skip(1).peekable();
    if arrays.peek().is_none() {
        return Ok(None);
    }
    let mut parts = [Role::Client, Role::Server].map(|sender| Part {
        bytes: Vec::new(),
        sender: Some(sender),
    });
    for array in arrays {
        let [client, server] = &mut parts;
        let side = if array.starts_with('0') {
            client
        } else {
            server
        };
        for part in read_one(array)?.parts {
            side.bytes.extend(part.bytes);
        }
    }
    Ok(Some(Pasted {
        parts: parts
            .into_iter()
            .filter(|part| !part.bytes.is_empty())
            .collect(),
        remark: Some("Read as the arrays of a conversation.".to_owned()),
    }))
}

fn read_one(text: &str) -> Result<Pasted, NotBytes> {
    let list = List::of(text);
    let content = &list.numbers;
    let words = words(content)?;
    if list.kind == Kind::Binary
        && let Some(sized) = content.split(',').find(|element| element.contains(':'))
    {
        return Err(NotBytes::NoNumber(sized.trim().to_owned()));
    }
    let mut bytes = Vec::new();
    let decimal = list.decimal(&words);
    let is_spaced = words.iter().all(|word| matches!(word, Word::Bare(_)))
        && !content.contains([',', ';', ':', '|', '-']);
    if decimal.is_none() && is_spaced {
        // White space may stand anywhere between digits.
        let digits: String = words.iter().map(|word| word.digits()).collect();
        hexadecimal(&digits, &mut bytes)?;
    } else {
        for word in &words {
            match word {
                Word::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                Word::Bare(number) if decimal.is_some() => bytes.push(decimal_byte(number)?),
                Word::Bare(digits) | Word::Hexadecimal(digits) => match digits.len() {
                    // Between separators it is a number of its own.
                    1 => hexadecimal(&format!("0{digits}"), &mut bytes)?,
                    _ => hexadecimal(digits, &mut bytes)?,
                },
            }
        }
    }
    if bytes.is_empty() {
        return Err(NotBytes::Nothing);
    }
    let mut remarks = Vec::new();
    match decimal {
        Some(Decimal::Ambiguous) => remarks.push(
            "Read as decimal numbers, because commas stand between them and none has a letter or a \
             leading zero; a list without commas is hexadecimal."
                .to_owned(),
        ),
        Some(Decimal::Clear) => remarks.push("Read as decimal numbers.".to_owned()),
        None if could_be_decimal(&words) => remarks.push(
            "Read as hexadecimal digits; decimal numbers have commas between them.".to_owned(),
        ),
        None => {}
    }
    if let Some(words) = list.left_out {
        remarks.push(format!("The text leaves bytes out: `{words}`."));
    }
    let remark = (!remarks.is_empty()).then(|| remarks.join(" "));
    Ok(Pasted::one(bytes, remark))
}

impl<'a> Word<'a> {
    /// The digits, with a sign perhaps.
    fn digits(&self) -> &'a str {
        match self {
            Word::Hexadecimal(digits) | Word::Bare(digits) => digits,
            Word::Text(_) => "",
        }
    }
}

/// Why numbers are decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decimal {
    /// They cannot be anything else.
    Clear,
    /// By the rule about commas.
    Ambiguous,
}

/// Whether hexadecimal digits could have been meant as decimal numbers.
fn could_be_decimal(words: &[Word<'_>]) -> bool {
    let is_decimal = |word: &Word<'_>| match word {
        Word::Bare(digits) => {
            digits.len() == 2
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && !digits.starts_with('0')
        }
        _ => false,
    };
    words.len() > 1 && words.iter().all(is_decimal)
}

fn decimal_byte(number: &str) -> Result<u8, NotBytes> {
    let value: i64 = number
        .parse()
        .map_err(|_| NotBytes::TooLarge(number.to_owned()))?;
    // Java's bytes have a sign.
    let value = if value < 0 { value + 256 } else { value };
    match u8::try_from(value) {
        Ok(byte) if value >= 128 || !number.starts_with('-') => Ok(byte),
        _ => Err(NotBytes::TooLarge(number.to_owned())),
    }
}

fn hexadecimal(digits: &str, bytes: &mut Vec<u8>) -> Result<(), NotBytes> {
    if let Some(character) = digits.chars().find(|digit| !digit.is_ascii_hexdigit()) {
        return Err(NotBytes::Character(character));
    }
    if digits.len() % 2 == 1 {
        let mut shown: String = digits.chars().take(20).collect();
        if digits.len() > shown.len() {
            shown.push_str("...");
        }
        return Err(NotBytes::OddDigits(shown));
    }
    let pairs = digits.as_bytes().chunks_exact(2);
    bytes.extend(pairs.filter_map(|pair| {
        let pair = str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    }));
    Ok(())
}

impl List {
    /// Finds the numbers, and leaves the program around them away.
    fn of(text: &str) -> Self {
        let mut text = without_program(text);
        let mut left_out = None;
        if let Some(start) = text.find("...") {
            let end = text[start..].find(['>', ']', '}', '\n']);
            let end = end.map_or(text.len(), |length| start + length);
            left_out = Some(text[start..end].trim().to_owned());
            text.replace_range(start..end, " ");
        }
        let (numbers, kind) = if let Some((_, after)) = text.split_once("<<") {
            let inside = after.rsplit_once(">>").map_or(after, |(inside, _)| inside);
            (inside.to_owned(), Kind::Binary)
        } else if text.contains("<Buffer") {
            let buffers = text.split("<Buffer").skip(1);
            let insides = buffers.map(|buffer| buffer.split('>').next().unwrap_or_default());
            (insides.collect::<Vec<_>>().join(" "), Kind::Digits)
        } else if let Some(numbers) = in_brackets(&text) {
            (numbers, Kind::Array)
        } else if let Some(digits) = in_quotes(&text) {
            (digits, Kind::Digits)
        } else {
            (text, Kind::Plain)
        };
        List {
            numbers,
            kind,
            left_out,
        }
    }

    /// Whether the numbers without a prefix are decimal, and why.
    fn decimal(&self, words: &[Word<'_>]) -> Option<Decimal> {
        let bare = words.iter().filter(|word| matches!(word, Word::Bare(_)));
        let bare: Vec<&str> = bare.map(Word::digits).collect();
        let is_decimal = |word: &&str| {
            let digits = word.strip_prefix('-').unwrap_or(word);
            !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        if bare.is_empty() || self.kind == Kind::Digits || !bare.iter().all(is_decimal) {
            return None;
        }
        if self.kind == Kind::Binary || bare.len() < words.len() {
            return Some(Decimal::Clear);
        }
        let is_array = self.kind == Kind::Array;
        let has_signs = bare.iter().any(|word| word.starts_with('-'));
        let is_short = bare.iter().all(|word| word.len() <= 3);
        if !is_array && (words.len() < 2 || !is_short && !has_signs) {
            return None;
        }
        // Pairs of digits have an even number of them.
        let is_uneven = bare.iter().any(|word| word.len() % 2 == 1);
        let has_zeros = bare
            .iter()
            .any(|word| word.len() > 1 && word.starts_with('0'));
        let is_list = is_array || self.numbers.contains(',');
        match (is_uneven || has_signs, is_list && !has_zeros) {
            (true, _) => Some(Decimal::Clear),
            (false, true) if bare.iter().all(|word| word.len() == 2) => Some(Decimal::Ambiguous),
            (false, true) => Some(Decimal::Clear),
            (false, false) => None,
        }
    }
}

/// What is in the innermost of the brackets that hold numbers.
fn in_brackets(text: &str) -> Option<String> {
    // In a declaration the length comes first: `[u8; 2] = [16, 2]`, `p[2] = {16, 2}`. Of several
    // declarations the first counts; the others hold lengths.
    let value = text.split_once('=').map_or(text, |(_, value)| value);
    [('{', '}'), ('[', ']'), ('(', ')')]
        .iter()
        .find_map(|&(open, close)| {
            let groups: Vec<&str> = value
                .split(open)
                .skip(1)
                .filter_map(|group| Some(group.split_once(close)?.0))
                .filter(|group| is_numbers(group))
                .collect();
            (!groups.is_empty()).then(|| groups.join(", "))
        })
}

/// The digits in quotes, as in `bytes.fromhex("10 02")`.
fn in_quotes(text: &str) -> Option<String> {
    let quoted: Vec<&str> = text
        .split(['"', '\'', '`'])
        .skip(1)
        .step_by(2)
        .filter(|part| !part.is_empty() && is_numbers(part))
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" "))
}

/// Whether nothing but numbers is in a text, in any notation.
fn is_numbers(text: &str) -> bool {
    words(text).is_ok_and(|words| {
        words.iter().any(|word| !matches!(word, Word::Text(_)))
            && words.iter().all(|word| match word {
                Word::Hexadecimal(_) => true,
                Word::Bare(digits) => digits
                    .strip_prefix('-')
                    .unwrap_or(digits)
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit()),
                Word::Text(_) => true,
            })
    })
}

/// Takes away what stands beside numbers in programs: comments, and words of Java and Kotlin.
fn without_program(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        result.push_str(before);
        result.push(' ');
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    result.push_str(rest);
    let lines = result
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    text.replace("(byte)", "").replace(".toByte()", "")
}

/// Takes a list apart.
fn words(content: &str) -> Result<Vec<Word<'_>>, NotBytes> {
    let mut words = Vec::new();
    let mut rest = content.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            // A text among the numbers, as Erlang and Elixir have it.
            let inside = &rest[1..];
            let end = inside.find('"').ok_or(NotBytes::Character('"'))?;
            words.push(Word::Text(&inside[..end]));
            rest = &inside[end + 1..];
        } else if is_separator(first) {
            rest = &rest[first.len_utf8()..];
        } else {
            let is_inside = |(index, character): (usize, char)| {
                let is_sign = index == 0 && character == '-';
                (is_separator(character) || character == '(' || character == '"') && !is_sign
            };
            let end = rest.char_indices().find(|&place| is_inside(place));
            let end = end.map_or(rest.len(), |(index, _)| index.max(first.len_utf8()));
            split_word(&rest[..end], &mut words)?;
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, ',' | ';' | ':' | '|' | '_')
}

/// Takes a word apart that has no separators in it but hyphens and prefixes.
fn split_word<'a>(word: &'a str, words: &mut Vec<Word<'a>>) -> Result<(), NotBytes> {
    let (sign, unsigned) = match word.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, word),
    };
    let unsigned = unsigned
        .strip_suffix("u8")
        .or_else(|| unsigned.strip_suffix(['u', 'U']))
        .unwrap_or(unsigned);
    if sign && !unsigned.contains('-') && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        words.push(Word::Bare(&word[..1 + unsigned.len()]));
        return Ok(());
    }
    for part in unsigned.split('-').filter(|part| !part.is_empty()) {
        let prefix = ["0x", "0X", "16#", "%", "$", "x", "X"]
            .into_iter()
            .find(|prefix| part.starts_with(prefix));
        let Some(prefix) = prefix else {
            match part.strip_suffix(['h', 'H']) {
                Some(digits) => words.push(Word::Hexadecimal(digits)),
                None => words.push(Word::Bare(part)),
            }
            continue;
        };
        // It may stand before each byte without a separator: `0x100x02`, `x10x02`, `%10%02`.
        for digits in part.split(prefix).skip(1) {
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(NotBytes::NoNumber(part.to_owned()));
            }
            words.push(Word::Hexadecimal(digits));
        }
    }
    Ok(())
}
