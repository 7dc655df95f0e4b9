//! Items that are ticked: by exercises that passed, or by a word that one of them typed. Nothing
//! here ticks an item.

use serde::Deserialize;

/// Items below one title.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checklist {
    pub(crate) title: String,
    pub(crate) items: Vec<Tick>,
}

/// An item that is ticked once all of these exercises passed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tick {
    #[serde(rename = "tick")]
    pub(crate) what: String,
    pub(crate) exercises: Vec<String>,
}

/// A tool that is ticked once an exercise that passed typed this word. Without a word no scenario
/// uses it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tool {
    #[serde(rename = "tick")]
    pub(crate) what: String,
    pub(crate) typed: Option<String>,
}
