//! A setting of a server, changed while it runs. Nothing here knows which settings exist: the
//! server reports an unknown one.

use super::Node;
use crate::error::Result;
use crate::wait::{PATIENCE, Seen, until};

impl Node {
    /// Changes a setting by `ALTER SYSTEM` and a reload, and waits until it is in effect (manual:
    /// Setting Parameters). `value` is written as `SHOW` shows it.
    ///
    /// A session that is opened afterwards has the value, because the postmaster signals all
    /// processes before it starts another one. A setting that needs a restart never takes effect
    /// here.
    ///
    /// # Errors
    ///
    /// The server refuses the name or the value, or still shows another value at the deadline.
    pub async fn set(&self, name: &str, value: &str) -> Result<()> {
        let looker = self.session_unrecorded().await?;
        let session = self.session().await?;
        let literal = value.replace('\'', "''");
        session.run(&format!("ALTER SYSTEM SET {name} = '{literal}'")).await?;
        session.run("SELECT pg_reload_conf()").await?;
        until(&format!("{name} is {value:?}"), PATIENCE, || async {
            let shown: String = looker.value_unrecorded(&format!("SHOW {name}")).await?;
            Ok(if shown == value { Seen::Done(()) } else { Seen::NotYet(shown) })
        })
        .await?;
        // One session shows the value before the postmaster has signalled every process: it does so
        // before it starts a new one.
        self.session_unrecorded().await.map(drop)
    }
}
