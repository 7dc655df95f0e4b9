//! What is ticked off: by exercises that passed, or by a word that one of them typed. It ticks nothing
//! itself.

use serde::Deserialize;

/// Ticks below one title.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checklist {
    pub(crate) title: String,
    pub(crate) items: Vec<Tick>,
}

/// Something that is ticked off once all of these exercises passed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tick {
    #[serde(rename = "tick")]
    pub(crate) what: String,
    pub(crate) exercises: Vec<String>,
}

/// A tool that is ticked off once an exercise that passed typed this word. Without a word no scenario
/// uses it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tool {
    #[serde(rename = "tick")]
    pub(crate) what: String,
    pub(crate) typed: Option<String>,
}
