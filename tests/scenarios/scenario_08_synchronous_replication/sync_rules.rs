//! Rules of `synchronous_standby_names`: what is expected under each, and how one is brought into effect
//! and tried. Nothing here draws a conclusion: the scenario does.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Proof, Result, Session, stat};

use super::commits::{is_answered, wait_for_reports};
use crate::steps::shop::ORDER;
use crate::support::Lab;

/// Rules, and the expected states: with all three standbys, and without `s1`.
pub(super) const RULES: [(&str, &str); 10] = [
    (
        "FIRST 1 (s1, s2)",
        "s1 sync 1, s2 potential 2, s3 async 0, a commit is answered; without s1: s2 sync 2, s3 async 0, a commit is answered",
    ),
    (
        "FIRST 1 (S2, s1)",
        "s1 potential 2, s2 sync 1, s3 async 0, a commit is answered; without s1: s2 sync 1, s3 async 0, a commit is answered",
    ),
    (
        "FIRST 2 (s1, s2)",
        "s1 sync 1, s2 sync 2, s3 async 0, a commit is answered; without s1: s2 sync 2, s3 async 0, a commit blocks",
    ),
    (
        "FIRST 2 (s1, s2, s3)",
        "s1 sync 1, s2 sync 2, s3 potential 3, a commit is answered; without s1: s2 sync 2, s3 sync 3, a commit is answered",
    ),
    (
        "ANY 1 (s1, s2)",
        "s1 quorum 1, s2 quorum 1, s3 async 0, a commit is answered; \
         without s1: s2 quorum 1, s3 async 0, a commit is answered",
    ),
    (
        "ANY 2 (s1, s2)",
        "s1 quorum 1, s2 quorum 1, s3 async 0, a commit is answered; \
         without s1: s2 quorum 1, s3 async 0, a commit blocks",
    ),
    (
        "ANY 2 (s1, s2, s3)",
        "s1 quorum 1, s2 quorum 1, s3 quorum 1, a commit is answered; \
         without s1: s2 quorum 1, s3 quorum 1, a commit is answered",
    ),
    (
        "*",
        "sync 1, potential 1, potential 1, a commit is answered; without s1: sync 1, potential 1, a commit is answered",
    ),
    (
        "FIRST 3 (s1, s2)",
        "s1 sync 1, s2 sync 2, s3 async 0, a commit blocks; without s1: s2 sync 2, s3 async 0, a commit blocks",
    ),
    (
        "ANY 3 (s1, s2)",
        "s1 quorum 1, s2 quorum 1, s3 async 0, a commit blocks; without s1: s2 quorum 1, s3 async 0, a commit blocks",
    ),
];

const STANDBYS: &str = "SELECT string_agg(concat_ws(' ', application_name, sync_state, sync_priority), ', ' \
     ORDER BY application_name) FROM pg_stat_replication";

/// Among standbys of equal priority, the first one to connect is synchronous: its name varies.
const NAMELESS: &str = "SELECT string_agg(concat_ws(' ', sync_state, sync_priority), ', ' \
                        ORDER BY sync_state DESC) FROM pg_stat_replication";

/// Sets the rule, waits until every walsender applies it, and opens a session that applies it.
async fn rule(primary: &Node, names: &str) -> Result<Session> {
    primary.set("synchronous_standby_names", names).await?;
    let fresh = primary.session_unrecorded().await?;
    // A walsender rereads its configuration before it processes the next report of its standby.
    wait_for_reports(&fresh).await?;
    Ok(fresh)
}

/// Returns, for each of these rules, how the standbys count under it and whether a commit is answered.
pub(super) async fn under(primary: &Node, rules: &[(&str, &str)]) -> Result<Vec<String>> {
    let looker = &primary.session_unrecorded().await?;
    let mut seen = Vec::new();
    for (names, _) in rules {
        let fresh = rule(primary, names).await?;
        let sql = if *names == "*" { NAMELESS } else { STANDBYS };
        let standbys: String = fresh.value(sql).await?;
        let answered = is_answered(fresh, ORDER.to_owned(), [looker, looker]).await?;
        let commit = if answered { "a commit is answered" } else { "a commit blocks" };
        seen.push(format!("{standbys}, {commit}"));
    }
    Ok(seen)
}

/// Notes and asserts what was seen under each of these rules, with all standbys and without `s1`.
pub(super) fn judged<const N: usize>(
    lab: &Lab,
    rules: &[(&str, &str); N],
    all: &[String],
    without: &[String],
) -> [Proof; N] {
    let mut seen = all.iter().zip(without);
    rules.map(|(names, expected)| {
        let (all, without) = seen.next().unwrap_or_else(|| panic!("{names} was not tried"));
        lab.must_be(&format!("under {names}"), format!("{all}; without s1: {without}"), expected)
    })
}

/// Waits until `pg_stat_replication` has `count` rows: a stopped standby's walsender ends a moment later.
pub(super) async fn wait_for_walsenders(upstream: &Session, count: usize) -> Result<()> {
    until(&format!("{count} walsenders run"), PATIENCE, || async {
        let there = stat::replication(upstream).await?;
        let others = Seen::NotYet(format!("{there:?}"));
        Ok(if there.len() == count { Seen::Done(()) } else { others })
    })
    .await
}
