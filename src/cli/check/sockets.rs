//! The directories in which local servers put their sockets. Nothing here connects.

use std::path::Path;

/// The default of Debian's and many other packages, and PostgreSQL's own default.
pub(super) const USUAL: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Returns the directory in which psql would look for the local server with this port. Packages differ in the
/// default that is compiled into libpq: it is the usual directory that has the socket, else the first that exists.
pub(super) fn directory(port: u16) -> String {
    let has_socket =
        |directory: &&str| Path::new(directory).join(format!(".s.PGSQL.{port}")).exists();
    let found = USUAL.into_iter().find(has_socket);
    let found = found.or_else(|| USUAL.into_iter().find(|directory| Path::new(directory).is_dir()));
    found.unwrap_or("/tmp").to_owned()
}
