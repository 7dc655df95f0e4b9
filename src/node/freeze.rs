//! A server, or one kind of its processes, that is stopped and keeps its sockets (SIGSTOP). The
//! kernel goes on accepting and acknowledging for it, so that only PostgreSQL's own timeouts
//! notice. The host still runs commands, and the dead man's switch.

use super::Node;
use crate::error::{Error, Result};
use crate::host::Held;
use crate::host::script::Script;
use crate::record::event::Event;
use crate::record::notebook::Notebook;

/// Stops the processes `$PIDS`, and the children of `$POSTMASTER` if there is one; the postmaster
/// is stopped first, so that it starts no further process. Prints a line once none of them runs,
/// which only `/proc` shows, and continues them when its input ends. It runs in the host's process
/// group and ignores the signals that end the group.
const FREEZE: &str = r#"trap '' HUP INT TERM QUIT PIPE
children() {
    if [ -d /proc/self ]
    then sed -n "s/^\([0-9]*\) (.*) [^ ]* $1 .*/\1/p" /proc/[0-9]*/stat 2>/dev/null
    else ps -A -o pid= -o ppid= | awk -v of="$1" '$2 == of { print $1 }'
    fi
}
runs() {
    for pid in $PIDS
    do grep -q '^State:[[:space:]]*[RSDIWP]' "/proc/$pid/status" 2>/dev/null && return 0
    done
    return 1
}
kill -STOP $PIDS || { kill -CONT $PIDS; exit 1; }
[ -z "$POSTMASTER" ] || PIDS="$PIDS $(children "$POSTMASTER")"
kill -STOP $PIDS
tries=0
while runs && [ $tries -lt 500 ]
do sleep 0.01; tries=$((tries + 1))
done
if runs
then kill -CONT $PIDS; echo "a process of $PIDS does not stop" >&2; exit 1
fi
echo frozen
read -r _
kill -CONT $PIDS
echo thawed"#;

/// A frozen server, or frozen processes, for as long as this value lives. Dropping it thaws them;
/// so does the end of this process.
#[must_use = "what is frozen thaws when this is dropped"]
#[derive(Debug)]
pub struct Frozen {
    held: Option<Held>,
    what: String,
    notebook: Notebook,
}

impl Frozen {
    /// Thaws, and waits until every process was sent SIGCONT. Dropping the value does not wait.
    ///
    /// # Errors
    ///
    /// The host does not answer.
    pub async fn thaw(mut self) -> Result<()> {
        match self.held.take() {
            Some(held) => held.release().await,
            None => Ok(()),
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.notebook.note(Event::Heal { what: std::mem::take(&mut self.what) });
    }
}

impl Node {
    /// Freezes the whole server: it answers no client, and no client is disconnected.
    ///
    /// # Errors
    ///
    /// The server does not run, or a process of it does not stop.
    pub async fn freeze(&self) -> Result<Frozen> {
        let postmaster = self.postmaster().await?.to_string();
        let script = Script::new(FREEZE).with("POSTMASTER", postmaster.as_str());
        self.frozen("the server", script.with("PIDS", postmaster)).await
    }

    /// Freezes the server's processes of one kind, by the name in the column `backend_type` of
    /// `pg_stat_activity`: `walreceiver`, `walsender`, `checkpointer` (manual: The Cumulative
    /// Statistics System).
    ///
    /// # Errors
    ///
    /// There is no process of that kind: the error has the kinds that there are.
    pub async fn freeze_processes(&self, backend_type: &str) -> Result<Frozen> {
        const SQL: &str = "SELECT backend_type, string_agg(pid::text, ' ') AS pids \
                           FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
                           AND backend_type IS NOT NULL GROUP BY backend_type ORDER BY backend_type";
        let mut kinds = Vec::new();
        for row in self.session_unrecorded().await?.rows_unrecorded(SQL).await? {
            let text = |column| row.try_get::<_, String>(column);
            let failed = |source| Error::sql(SQL, source).on(self.name());
            let (kind, pids) =
                (text("backend_type").map_err(failed)?, text("pids").map_err(failed)?);
            if kind == backend_type {
                let script = Script::new(FREEZE).with("POSTMASTER", "").with("PIDS", pids);
                return self.frozen(backend_type, script).await;
            }
            kinds.push(kind);
        }
        let act = format!("looking for a process of kind {backend_type:?}");
        Err(Error::not_found(act, kinds.join(", ")).on(self.name()))
    }

    async fn frozen(&self, what: &str, script: Script) -> Result<Frozen> {
        let what = format!("{what} of {} frozen", self.name());
        let notebook = self.notebook().clone();
        let held = self.host().hold(&script).await.map_err(|error| error.on(self.name()))?;
        notebook.note(Event::Fault { what: what.clone() });
        Ok(Frozen { held: Some(held), what, notebook })
    }
}
