//! The answer to a verb: what it did, and what to type next. Plain text; nothing is printed here.

/// The answer to a verb.
#[derive(Default)]
pub(super) struct Answer {
    /// What was typed into servers and shells for it, one line each.
    pub(super) typed: String,
    /// What happened, in PostgreSQL's words.
    pub(super) did: String,
    /// What to observe, or to type, next.
    pub(super) next: String,
}

/// The result of a verb; an error is one line.
pub(super) type Answered = Result<Answer, String>;

impl Answer {
    #[expect(clippy::unnecessary_wraps, reason = "every verb returns an Answered")]
    pub(super) fn new(did: impl Into<String>, next: impl Into<String>) -> Answered {
        Ok(Self { did: did.into(), next: next.into(), ..Self::default() })
    }
}

/// Returns names as a person reads them.
pub(super) fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
