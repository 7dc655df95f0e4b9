//! Fencing: an old primary is kept from taking writes, before another server is promoted. Nothing
//! here promotes a server. A fence works through the machine of the old primary, which must answer;
//! it never relies on a network cut.

use super::Node;
use crate::error::Result;

impl Node {
    /// Makes sure that the server does not run and takes no writes: crashes it if it runs, and
    /// writes `standby.signal`, with which it opens read-only when it is started again (manual:
    /// Standby Server Operation). Afterwards, rewind or rebuild it.
    ///
    /// # Errors
    ///
    /// The host does not answer, or the server's processes do not exit in time.
    pub async fn fence(&self) -> Result<()> {
        if self.exit_status().await?.is_none() {
            self.crash().await?;
        }
        self.run(": >\"$PGDATA/standby.signal\"").await.map(drop)
    }
}
