//! A password that shows itself in no `Debug` text, and so in no assertion and no log. It is made up
//! for one cluster and goes with it.

use std::fmt;

use rand::Rng as _;
use rand::distr::Alphanumeric;

/// A password.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// One that nobody needs to remember.
    pub(crate) fn random() -> Self {
        Self(rand::rng().sample_iter(Alphanumeric).take(24).map(char::from).collect())
    }

    pub(crate) fn known(text: String) -> Self {
        Self(text)
    }

    /// The password itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
