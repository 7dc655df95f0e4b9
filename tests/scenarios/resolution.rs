//! The ways out of a split brain. Each makes the diverged server follow the other one; they differ
//! in what becomes of its rows, and in what they copy.

use replication_lab::{Cluster, Result, Session, Shutdown};

/// How the diverged primary is brought back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resolution {
    /// Everything anew, with `pg_basebackup`.
    Rebuild,
    /// Only what differs, with `pg_rewind`.
    Rewind,
    /// The rows that only it has are copied first, then it is rewound.
    Salvage,
}

impl Resolution {
    /// Stops the diverged primary and makes it a standby of `survivor`, whose link is led there
    /// already. It is not started.
    pub(crate) async fn apply(self, pair: &Cluster, survivor: &Session) -> Result<()> {
        let diverged = pair.primary();
        if let Self::Salvage = self {
            let session = diverged.session().await?;
            for row in session.rows("SELECT name FROM products WHERE id > 1000").await? {
                let name: String = row.get(0);
                survivor.execute(SALVAGE, &[&name]).await?;
            }
        }
        diverged.stop(Shutdown::Fast).await?;
        match self {
            Self::Rebuild => pair.rebuild("primary").await,
            Self::Rewind | Self::Salvage => {
                survivor.run("CHECKPOINT").await?;
                pair.rewind("primary").await?;
                pair.follow("primary").await
            }
        }
    }
}

const SALVAGE: &str = "INSERT INTO products (name, price) VALUES ($1, 1)";
