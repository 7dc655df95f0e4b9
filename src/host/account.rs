//! The account that local servers run under. Nothing here changes the account of this process: each
//! command names the account.

use nix::unistd::{Uid, User};

use crate::error::{Error, Result};

/// The accounts that usually exist, the preferred one first.
const KNOWN: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// The account that servers run under where this process is root: PostgreSQL refuses to run as
/// root.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) name: String,
}

impl Account {
    /// Returns the account; none where this process is not root: servers then run as its own user.
    ///
    /// # Errors
    ///
    /// This process is root, and none of the known accounts exists.
    ///
    /// # Errors
    ///
    /// This process is root, and none of the known accounts exists.
    pub(crate) fn for_servers() -> Result<Option<Self>> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let user = KNOWN.iter().find_map(|name| User::from_name(name).ok().flatten());
        let account =
            |user: User| Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), name: user.name };
        user.map(|user| Some(account(user))).ok_or_else(|| {
            let act = "looking for a user to run servers as, because PostgreSQL refuses root";
            Error::missing(act, format!("no user of these: {}", KNOWN.join(", ")))
                .remedy("run useradd --system postgres, or do not run as root")
        })
    }
}
