//! Facts: values that are the same on every run of a PostgreSQL version. No floats, durations, WAL
//! positions or times are among them: those are readings.

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;

use crate::server_message::ServerMessage;
use crate::wal::Timeline;

/// The value of a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// A yes or a no.
    Bool(bool),
    /// A number of things that the test itself caused.
    Count(u64),
    /// A name, a state, an SQLSTATE, a message.
    Text(String),
    /// Several values, in order.
    List(Vec<Fact>),
}

macro_rules! facts {
    ($($from:ty, $value:ident => $fact:expr;)*) => {
        $(impl From<$from> for Fact {
            fn from($value: $from) -> Self {
                $fact
            }
        })*
    };
}

facts! {
    bool, value => Self::Bool(value);
    u32, value => Self::Count(value.into());
    u64, value => Self::Count(value);
    &str, value => Self::Text(value.to_owned());
    String, value => Self::Text(value);
    &String, value => Self::Text(value.clone());
    Timeline, value => Self::Count(value.0.into());
    &SqlState, value => Self::Text(value.code().to_owned());
    ServerMessage, value => Self::Text(value.to_string());
    &ServerMessage, value => Self::Text(value.to_string());
}

impl<A: Into<Fact>, B: Into<Fact>> From<(A, B)> for Fact {
    fn from((one, other): (A, B)) -> Self {
        Self::List(vec![one.into(), other.into()])
    }
}

/// A value that may be absent, such as that of a null column, becomes `none`.
impl<T: Into<Fact>> From<Option<T>> for Fact {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(|| Self::Text("none".to_owned()), Into::into)
    }
}

impl<T: Into<Fact>> From<Vec<T>> for Fact {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Fact>, const N: usize> From<[T; N]> for Fact {
    fn from(values: [T; N]) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(true) => f.write_str("yes"),
            Self::Bool(false) => f.write_str("no"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Text(text) => f.write_str(text),
            Self::List(facts) => {
                let words: Vec<_> = facts.iter().map(ToString::to_string).collect();
                f.write_str(&words.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn every_kind_of_value_has_its_kind_of_fact() {
        let text = |text: &str| Fact::Text(text.to_owned());
        let owned = "c".to_owned();
        let line = ServerMessage::from_log("2026-01-01 00:00:00 UTC [7] LOG:  ready");
        for (fact, expected, shown) in [
            (Fact::from(true), Fact::Bool(true), "yes"),
            (Fact::from(false), Fact::Bool(false), "no"),
            (Fact::from(7_u32), Fact::Count(7), "7"),
            (Fact::from(8_000_000_000_u64), Fact::Count(8_000_000_000), "8000000000"),
            (Fact::from("a"), text("a"), "a"),
            (Fact::from("b".to_owned()), text("b"), "b"),
            (Fact::from(&owned), text("c"), "c"),
            (Fact::from(Timeline(3)), Fact::Count(3), "3"),
            (Fact::from(&SqlState::UNDEFINED_TABLE), text("42P01"), "42P01"),
            (Fact::from(&line), text("LOG:  ready"), "LOG:  ready"),
            (Fact::from(line.clone()), text("LOG:  ready"), "LOG:  ready"),
            (Fact::from(Some(4_u64)), Fact::Count(4), "4"),
            (Fact::from(None::<u64>), text("none"), "none"),
        ] {
            assert_eq!(fact, expected);
            assert_eq!(fact.to_string(), shown);
        }
    }

    #[test]
    fn a_list_keeps_the_order_of_its_values() {
        let counts = |counts: &[u64]| Fact::List(counts.iter().copied().map(Fact::Count).collect());
        assert_eq!(Fact::from(vec![2_u64, 9, 1, 5]), counts(&[2, 9, 1, 5]));
        assert_eq!(Fact::from([2_u64, 9, 1, 5]), counts(&[2, 9, 1, 5]));
        assert_eq!(Fact::from((2_u64, 9_u64)), counts(&[2, 9]));
        let mixed = Fact::from((true, vec!["b", "c", "a"]));
        assert_eq!(mixed.to_string(), "yes, b, c, a");
    }
}
