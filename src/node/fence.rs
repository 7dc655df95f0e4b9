//! Fencing: a server that may believe it is the primary is kept from taking writes, before another one
//! is promoted. Nothing here promotes anybody, and a network is never trusted to do it.

use super::Node;
use crate::error::Result;

impl Node {
    /// Makes sure that the server does not run, and that it takes no writes if somebody who has not
    /// heard starts it again: with `standby.signal` it opens read-only (manual: Standby Server
    /// Operation). A rewind or a rebuild makes it useful again.
    pub async fn fence(&self) -> Result<()> {
        if self.exit_status().await?.is_none() {
            self.crash().await?;
        }
        self.run(": >\"$PGDATA/standby.signal\"").await.map(drop)
    }
}
