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
