//! The phases of a base backup, as `pg_stat_progress_basebackup` shows them while it is made. What they
//! should be is the scenario's to say.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use replication_lab::wait::{Seen, until};
use replication_lab::{Result, Session};

/// The phases of a base backup, in the manual's order (Base Backup Progress Reporting).
const PHASES: [&str; 6] = [
    "initializing",
    "waiting for checkpoint to finish",
    "estimating backup size",
    "streaming database files",
    "waiting for wal archiving to finish",
    "transferring wal files",
];

/// The deadline of the polling, longer than any base backup: the end of the backup ends it.
const LOOK: Duration = Duration::from_secs(600);

/// Waits for a base backup, and returns the phases that the view showed meanwhile, in order.
pub(super) async fn phases(
    looker: &Session,
    backup: impl Future<Output = Result<()>>,
) -> Result<Vec<String>> {
    let seen = Mutex::new(Vec::new());
    let look = until("the base backup ends", LOOK, || async {
        let rows = looker.rows("SELECT phase FROM pg_stat_progress_basebackup").await?;
        let phases = rows.iter().map(|row| row.get::<_, String>(0));
        seen.lock().unwrap_or_else(PoisonError::into_inner).extend(phases);
        Ok(Seen::<()>::NotYet(format!("{} backups", rows.len())))
    });
    tokio::select! {
        made = backup => made?,
        late = look => late?,
    }
    let mut seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    seen.dedup();
    Ok(seen)
}

/// Returns whether these phases come in the manual's order, each at most once.
pub(super) fn in_order(phases: &[String]) -> bool {
    let places = phases.iter().map(|phase| PHASES.iter().position(|known| known == phase));
    let places: Option<Vec<_>> = places.collect();
    places.is_some_and(|places| places.is_sorted_by(|before, after| before < after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_may_be_missed_but_never_come_back() {
        let phases = |of: &[usize]| of.iter().map(|of| PHASES[*of].to_owned()).collect::<Vec<_>>();
        assert!(in_order(&phases(&[0, 3, 5])));
        assert!(!in_order(&phases(&[3, 0])));
        assert!(!in_order(&phases(&[3, 5, 3])));
        assert!(!in_order(&["dreaming".to_owned()]));
    }
}
