//! The password file: lines of a name, a colon, and a hash by Argon2id in the PHC format.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::broker::run::Failure;

/// How many passwords are checked at once: each takes 19 MiB for some 20 milliseconds.
const AT_ONCE: usize = 2;
/// Longer ones are not hashed.
const LONGEST: usize = 1 << 10;

/// Names and hashes.
#[derive(Clone, Debug)]
pub struct Passwords {
    hashes: Arc<HashMap<String, String>>,
    at_once: Arc<Semaphore>,
    /// For names that there are not, so that the answer takes as long.
    nobody: Arc<str>,
}

impl Passwords {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or a line is not one.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure(format!(
                "The password file {} cannot be read: {error}.",
                path.display()
            ))
        })?;
        Passwords::parse(&text).map_err(|line| {
            let file = path.display();
            Failure(format!("Line {line} of the password file {file} is not a name, a colon and a hash by Argon2."))
        })
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// The number of the first wrong line.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut hashes = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) = line.split_once(':').ok_or(number + 1)?;
            if name.is_empty() || PasswordHash::new(hash).is_err() || !hash.starts_with("$argon2") {
                return Err(number + 1);
            }
            hashes.insert(name.to_owned(), hash.to_owned());
        }
        let nobody = hash(b"nobody").map_err(|_| 0_usize)?;
        Ok(Passwords {
            hashes: Arc::new(hashes),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            nobody: nobody.into(),
        })
    }

    /// Whether this is the password of the user. Takes as long for a name that there is not.
    pub async fn are(&self, name: &str, password: &[u8]) -> bool {
        if password.len() > LONGEST {
            return false;
        }
        let Ok(permit) = self.at_once.clone().acquire_owned().await else {
            return false;
        };
        let known = self.hashes.get(name).cloned();
        let (is_known, hash) = (
            known.is_some(),
            known.unwrap_or_else(|| self.nobody.to_string()),
        );
        let password = password.to_vec();
        let verified = spawn_blocking(move || {
            let hash = PasswordHash::new(&hash);
            let is_right =
                hash.is_ok_and(|hash| Argon2::default().verify_password(&password, &hash).is_ok());
            drop(permit);
            is_right
        });
        verified.await.unwrap_or(false) && is_known
    }
}

/// The hash of a password, for a line of the file.
///
/// # Errors
///
/// The system has no random numbers.
pub fn hash(password: &[u8]) -> Result<String, Failure> {
    let hashed = Argon2::default().hash_password(password);
    hashed
        .map(|hash| hash.to_string())
        .map_err(|error| Failure(format!("The password cannot be hashed: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_of_the_user_is_right() {
        let line = format!("# a comment\n\nalice:{}\n", hash(b"secret").unwrap());
        let passwords = Passwords::parse(&line).unwrap();
        assert!(passwords.are("alice", b"secret").await);
        assert!(!passwords.are("alice", b"Secret").await);
        assert!(!passwords.are("bob", b"secret").await);
        assert!(!passwords.are("nobody", b"nobody").await);
        assert!(!passwords.are("alice", &[b'x'; 100_000]).await);
    }

    #[test]
    fn a_password_in_the_clear_is_not_a_line() {
        assert_eq!(Passwords::parse("\nalice:secret").unwrap_err(), 2);
        assert_eq!(Passwords::parse("alice").unwrap_err(), 1);
    }
}
