//! A password that no `Debug` text shows, and so no assertion and no log. It is generated for one
//! cluster and removed with it.

use std::fmt;

use rand::Rng as _;
use rand::distr::Alphanumeric;

/// A password.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Creates a random password of 24 letters and digits.
    pub(crate) fn random() -> Self {
        Self(rand::rng().sample_iter(Alphanumeric).take(24).map(char::from).collect())
    }

    pub(crate) fn known(text: String) -> Self {
        Self(text)
    }

    /// Returns the password in plain text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
