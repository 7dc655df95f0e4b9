//! What several scenarios do, a file for each subject. A step acts, waits or looks, and may loop; it never
//! says what a reader learns from it. What only one scenario does is in that scenario's folder.

pub(crate) mod archive;
pub(crate) mod bounds;
pub(crate) mod crash;
pub(crate) mod machine;
pub(crate) mod reads;
pub(crate) mod repeat;
pub(crate) mod shop;
pub(crate) mod shutdown;
pub(crate) mod slot;
pub(crate) mod wal;
