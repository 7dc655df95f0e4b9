//! What came of a verb: what it did, and what to type next. Plain text, and how names stand in it; it
//! prints nothing.

/// What a verb did.
#[derive(Default)]
pub(super) struct Answer {
    /// What was typed into servers and shells for it, a line each.
    pub(super) typed: String,
    /// In PostgreSQL's words.
    pub(super) did: String,
    /// What to look at, or to type, next.
    pub(super) next: String,
}

/// What came of a verb; an error is one line.
pub(super) type Answered = Result<Answer, String>;

impl Answer {
    #[expect(clippy::unnecessary_wraps, reason = "it is how a verb ends that was done")]
    pub(super) fn new(did: impl Into<String>, next: impl Into<String>) -> Answered {
        Ok(Self { did: did.into(), next: next.into(), ..Self::default() })
    }
}

/// Names as a person reads them.
pub(super) fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
