//! Claims of the learner's notebook: a sentence, the verdict on it, and its proofs, by runs or by
//! arithmetic. Nothing here reads a run.

use serde::Deserialize;

use super::arithmetic::Reckoned;

/// A sentence of the learner's notebook that a run can prove or disprove.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claim {
    pub(crate) says: String,
    pub(crate) verdict: Verdict,
    #[serde(default)]
    pub(crate) proofs: Vec<Proof>,
    /// What the sentence's own figures give.
    #[serde(default)]
    pub(crate) reckoned: Vec<Reckoned>,
    /// Lines of the notebook that say the same in other words.
    #[serde(default)]
    pub(crate) lines: Vec<String>,
}

/// The verdict on a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Verdict {
    #[serde(rename = "holds")]
    Holds,
    /// True, but not the whole truth.
    #[serde(rename = "holds in part")]
    Partly,
    #[serde(rename = "does not hold")]
    Wrong,
    /// A figure of one machine on one day; the figure of this run stands beside it.
    #[serde(rename = "differs by run")]
    Figure,
}

/// A part of an exercise that proves a sentence.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Proof {
    pub(crate) exercise: String,
    pub(crate) evidence: Evidence,
}

/// The kind of evidence.
#[derive(Clone, Debug)]
pub(crate) enum Evidence {
    /// The learning that begins with this text.
    Learned(String),
    /// The fact or the figure with this name.
    Seen(String),
}

/// A proof as written in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    exercise: String,
    learned: Option<String>,
    seen: Option<String>,
}

impl TryFrom<Written> for Proof {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let evidence = match (written.learned, written.seen) {
            (Some(begin), None) => Evidence::Learned(begin),
            (None, Some(name)) => Evidence::Seen(name),
            _ => return Err("an exercise proves something by either `learned` or `seen`"),
        };
        Ok(Self { exercise: written.exercise, evidence })
    }
}
