//! The guest of a host: what runs on it, as far as the host must know. The caller that creates a
//! host describes its guest; nothing here knows which program that is.

use std::path::PathBuf;

/// The server that a host is for.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// The port that it listens on in a container.
    pub(crate) port: u16,
    /// The file name of its Unix socket, in the home directory of the host.
    pub(crate) socket: String,
    /// The directories of its programs: searched before those of `PATH`.
    pub(crate) programs: Vec<PathBuf>,
    /// The directories of the libraries that its programs bring along: searched before the system's.
    pub(crate) libraries: Vec<PathBuf>,
    /// Returns the variables of every script, given the home directory of the host.
    pub(crate) environment: fn(home: &str) -> Vec<(&'static str, String)>,
    /// The lines for `sh` that end it in whatever state it is: `$home` is the host's home
    /// directory, and `$3` is `now` where another process created it.
    pub(crate) quit: &'static str,
}
