//! The lab's own guarantees.
