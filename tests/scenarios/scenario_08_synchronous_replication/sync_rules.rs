//! Rules of `synchronous_standby_names`: what must be seen under each, and bringing one into effect to
//! see it. What a reader learns from them is the scenario's to say.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Proof, Result, Session, stat};

use super::commits::{is_answered, wait_for_reports};
use crate::support::Lab;

/// Rules, and what must be seen under each with all of three standbys, and without the first.
pub(super) const RULES: [(&str, &str); 10] = [
    (
        "FIRST 1 (s1, s2)",
        "s1 sync 1, s2 potential 2, s3 async 0, commits; without s1: s2 sync 2, s3 async 0, commits",
    ),
    (
        "FIRST 1 (S2, s1)",
        "s1 potential 2, s2 sync 1, s3 async 0, commits; without s1: s2 sync 1, s3 async 0, commits",
    ),
    (
        "FIRST 2 (s1, s2)",
        "s1 sync 1, s2 sync 2, s3 async 0, commits; without s1: s2 sync 2, s3 async 0, blocks",
    ),
    (
        "FIRST 2 (s1, s2, s3)",
        "s1 sync 1, s2 sync 2, s3 potential 3, commits; without s1: s2 sync 2, s3 sync 3, commits",
    ),
    (
        "ANY 1 (s1, s2)",
        "s1 quorum 1, s2 quorum 1, s3 async 0, commits; \
         without s1: s2 quorum 1, s3 async 0, commits",
    ),
    (
        "ANY 2 (s1, s2)",
        "s1 quorum 1, s2 quorum 1, s3 async 0, commits; \
         without s1: s2 quorum 1, s3 async 0, blocks",
    ),
    (
        "ANY 2 (s1, s2, s3)",
        "s1 quorum 1, s2 quorum 1, s3 quorum 1, commits; \
         without s1: s2 quorum 1, s3 quorum 1, commits",
    ),
    ("*", "sync 1, potential 1, potential 1, commits; without s1: sync 1, potential 1, commits"),
    (
        "FIRST 3 (s1, s2)",
        "s1 sync 1, s2 sync 2, s3 async 0, blocks; without s1: s2 sync 2, s3 async 0, blocks",
    ),
    (
        "ANY 3 (s1, s2)",
        "s1 quorum 1, s2 quorum 1, s3 async 0, blocks; without s1: s2 quorum 1, s3 async 0, blocks",
    ),
];

const STANDBYS: &str = "SELECT string_agg(concat_ws(' ', application_name, sync_state, sync_priority), ', ' \
     ORDER BY application_name) FROM pg_stat_replication";

/// Of standbys with one priority the one that connected first counts, whoever that was.
const NAMELESS: &str = "SELECT string_agg(concat_ws(' ', sync_state, sync_priority), ', ' \
                        ORDER BY sync_state DESC) FROM pg_stat_replication";

/// Makes this the rule, waits until every process of the primary goes by it, and gives a session that
/// does.
async fn rule(primary: &Node, names: &str) -> Result<Session> {
    primary.set("synchronous_standby_names", names).await?;
    let fresh = primary.session_unrecorded().await?;
    // A walsender reads its configuration before it reads the next report.
    wait_for_reports(&fresh).await?;
    Ok(fresh)
}

/// What becomes of the standbys, and of a commit, under each of these rules.
pub(super) async fn under(primary: &Node, rules: &[(&str, &str)]) -> Result<Vec<String>> {
    let quiet = primary.session_unrecorded().await?;
    let mut seen = Vec::new();
    for (names, _) in rules {
        let fresh = rule(primary, names).await?;
        let sql = if *names == "*" { NAMELESS } else { STANDBYS };
        let standbys: String = fresh.value(sql).await?;
        let commits = is_answered(fresh, &quiet).await?;
        seen.push(format!("{standbys}, {}", if commits { "commits" } else { "blocks" }));
    }
    Ok(seen)
}

/// Notes and asserts what was seen under each of these rules: with all standbys, and without the first.
pub(super) fn judged<const N: usize>(
    lab: &Lab,
    rules: &[(&str, &str); N],
    all: &[String],
    without: &[String],
) -> [Proof; N] {
    let mut seen = all.iter().zip(without);
    rules.map(|(names, expected)| {
        let (all, without) = seen.next().unwrap_or_else(|| panic!("{names} was not tried"));
        lab.must_be(names, format!("{all}; without s1: {without}"), expected)
    })
}

/// Waits until a server has so many walsenders: those of servers that stopped are gone.
pub(super) async fn wait_for_followers(upstream: &Session, count: usize) -> Result<()> {
    until(&format!("{count} standbys are connected"), PATIENCE, || async {
        let there = stat::replication(upstream).await?;
        let others = Seen::NotYet(format!("{there:?}"));
        Ok(if there.len() == count { Seen::Done(()) } else { others })
    })
    .await
}
