//! The directories in which local servers put their sockets. Nothing here connects.

use std::fs;

/// The default of Debian's and many other packages, and PostgreSQL's own default.
pub(super) const USUAL: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Returns the first usual directory in which a server has a socket.
pub(super) fn used() -> Option<&'static str> {
    USUAL.into_iter().find(|directory| has_socket(directory))
}

fn has_socket(directory: &str) -> bool {
    let mut entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().starts_with(".s.PGSQL."))
}
