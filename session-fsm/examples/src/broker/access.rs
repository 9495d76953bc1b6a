//! The access file, in mosquitto's format: the topics that each client may publish and subscribe to.

use std::fs;
use std::path::Path;

use mqtt5_tokio::codec::{Publish, Subscription, TopicFilter, TopicName};
use mqtt5_tokio::fsm::broker::{Grant, Permission};
use mqtt5_tokio::{Access, Admitted, BoxedFuture, Identity, Login, LoginAnswer, Qos, ReasonCode};

use super::passwords::Passwords;
use crate::broker::run::Failure;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// `None` for everybody.
    user: Option<String>,
    right: Right,
    filter: String,
    /// Whether `%c` and `%u` stand for names.
    is_pattern: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Read,
    Write,
    ReadWrite,
    Deny,
}

/// All lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or a line is wrong.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let file = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure(format!("The access file {file} cannot be read: {error}.")))?;
        Rules::parse(&text).map_err(|(line, why)| {
            Failure(format!("Line {line} of the access file {file}: {why}."))
        })
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// The number of the first wrong line, and what is wrong.
    pub fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut rules = Vec::new();
        let mut user = None;
        for (number, line) in text.lines().enumerate() {
            let wrong = |why| (number + 1, why);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let rest = rest.trim();
            let is_pattern = match word {
                "user" if rest.is_empty() => return Err(wrong("there is no name")),
                "user" => {
                    user = Some(rest.to_owned());
                    continue;
                }
                "topic" => false,
                "pattern" => true,
                _ => return Err(wrong("it begins with none of user, topic and pattern")),
            };
            let (right, filter) = match rest.split_once(char::is_whitespace) {
                Some(("read", filter)) => (Right::Read, filter),
                Some(("write", filter)) => (Right::Write, filter),
                Some(("readwrite", filter)) => (Right::ReadWrite, filter),
                Some(("deny", filter)) => (Right::Deny, filter),
                _ => (Right::ReadWrite, rest),
            };
            let filter = filter.trim();
            if TopicFilter::new(filter).is_err() {
                return Err(wrong("this is not a Topic Filter"));
            }
            // Patterns are for everybody.
            let user = if is_pattern { None } else { user.clone() };
            let filter = filter.to_owned();
            rules.push(Rule {
                user,
                right,
                filter,
                is_pattern,
            });
        }
        Ok(Rules { rules })
    }

    /// The filters of the rules that are for this client, with their rights.
    fn of<'a>(&'a self, who: &'a Identity) -> impl Iterator<Item = (Right, String)> + 'a {
        let user = who.principal.as_str();
        let for_it = move |rule: &&Rule| rule.user.as_deref().is_none_or(|name| name == user);
        self.rules.iter().filter(for_it).filter_map(move |rule| {
            if !rule.is_pattern {
                return Some((rule.right, rule.filter.clone()));
            }
            let (client, filter) = (who.client_identifier.as_str(), rule.filter.as_str());
            // A name with a wildcard or a separator would open more than its own topics.
            let is_unsafe = |name: &str| name.is_empty() || name.contains(['+', '#', '/']);
            if filter.contains("%c") && is_unsafe(client)
                || filter.contains("%u") && is_unsafe(user)
            {
                return None;
            }
            Some((rule.right, filter.replace("%c", client).replace("%u", user)))
        })
    }

    /// Whether a client may publish to a topic.
    #[must_use]
    pub fn permits_publish(&self, who: &Identity, topic: TopicName<'_>) -> bool {
        let mut may = false;
        for (right, filter) in self.of(who) {
            if TopicFilter::new(&filter).is_ok_and(|filter| filter.matches(topic)) {
                match right {
                    Right::Deny => return false,
                    Right::Write | Right::ReadWrite => may = true,
                    Right::Read => {}
                }
            }
        }
        may
    }

    /// Whether a client may subscribe to a filter: to all that the filter matches, and to nothing that is denied.
    #[must_use]
    pub fn permits_subscription(&self, who: &Identity, filter: &str) -> bool {
        let mut may = false;
        for (right, rule) in self.of(who) {
            match right {
                Right::Deny if overlap(&rule, filter) => return false,
                Right::Read | Right::ReadWrite => may |= covers(&rule, filter),
                Right::Deny | Right::Write => {}
            }
        }
        may
    }
}

/// Whether one filter matches all that another one matches (section 4.7).
fn covers(wide: &str, narrow: &str) -> bool {
    // Wildcards at the beginning do not match topics that begin with $.
    if narrow.starts_with('$') && wide.starts_with(['+', '#']) {
        return false;
    }
    let (mut wide, mut narrow) = (wide.split('/'), narrow.split('/'));
    loop {
        match (wide.next(), narrow.next()) {
            (Some("#"), _) => return true,
            (None, None) => return true,
            // `a` is covered by `a/#`, which was looked at above.
            (Some(_), None) | (None, Some(_)) | (Some(_), Some("#")) => return false,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

/// Whether there is a topic that both filters match.
fn overlap(one: &str, other: &str) -> bool {
    let hides = |wild: &str, plain: &str| plain.starts_with('$') && wild.starts_with(['+', '#']);
    if hides(one, other) || hides(other, one) {
        return false;
    }
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some("+"), _) | (_, Some("+")) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// The part of a filter that matches topics: that of a Shared Subscription is behind its name (section 4.8.2).
fn matching_part(filter: &str) -> &str {
    let shared = filter.strip_prefix("$share/");
    shared
        .and_then(|rest| rest.split_once('/'))
        .map_or(filter, |(_, part)| part)
}

/// Passwords and rules together.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Without it, clients need not log in.
    pub passwords: Option<Passwords>,
    /// Whether a client without a User Name may connect although there is a password file.
    pub anonymous: bool,
    /// Without it, all topics are allowed, except that no client may publish to those that begin with `$`.
    pub rules: Option<Rules>,
}

/// The principal of a client without a name.
const ANONYMOUS: &str = "";

impl Guard {
    async fn admit(&self, login: Login<'_>) -> Result<String, ReasonCode> {
        let connect = login.connect;
        if connect.properties.authentication_method().is_some() {
            return Err(ReasonCode::BadAuthenticationMethod);
        }
        let name = connect.user_name.as_ref().map(|it| it.as_str());
        let Some(passwords) = &self.passwords else {
            // A certificate says who it is; a name that nobody has checked does not.
            let certified = login.peer.name.as_deref();
            return Ok(certified.or(name).unwrap_or(ANONYMOUS).to_owned());
        };
        let Some(name) = name else {
            return match self.anonymous {
                true => Ok(ANONYMOUS.to_owned()),
                false => Err(ReasonCode::NotAuthorized),
            };
        };
        let password = connect.password.as_ref().map(|it| it.as_bytes());
        match passwords.are(name, password.unwrap_or_default()).await {
            true => Ok(name.to_owned()),
            false => Err(ReasonCode::BadUserNameOrPassword),
        }
    }
}

impl Access for Guard {
    fn login<'a>(&'a self, login: Login<'a>) -> BoxedFuture<'a, LoginAnswer> {
        Box::pin(async move {
            match self.admit(login).await {
                Ok(name) => LoginAnswer::Accept(Admitted::as_principal(name)),
                Err(code) => LoginAnswer::Refuse(code),
            }
        })
    }

    fn may_publish(&self, who: &Identity, publish: &Publish<'_>) -> Permission {
        let refused = Permission::Refuse(ReasonCode::NotAuthorized);
        let Some(topic) = publish.topic else {
            return refused;
        };
        let may = match &self.rules {
            // What begins with $ is the server's own (section 4.7.2).
            _ if topic.as_str().starts_with('$') => false,
            Some(rules) => rules.permits_publish(who, topic),
            None => true,
        };
        if may { Permission::Publish } else { refused }
    }

    fn may_subscribe(&self, who: &Identity, subscription: &Subscription<'_>) -> Grant {
        let filter = matching_part(subscription.filter.as_str());
        let may = self
            .rules
            .as_ref()
            .is_none_or(|rules| rules.permits_subscription(who, filter));
        match may {
            true => Grant::UpTo(Qos::ExactlyOnce),
            false => Grant::Refuse(ReasonCode::NotAuthorized),
        }
    }
}

#[cfg(test)]
mod tests;
