//! The rules of `synchronous_standby_names`, and which standbys are synchronous under each. Nothing here
//! is measured.

use macro_rules_attribute::apply;
use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};

use super::sync_rules::{RULES, judged, under, wait_for_walsenders};
use crate::support::{Lab, exercise, scenario};

/// The rule names the standbys that count, their order, and how many must confirm a commit; with fewer of
/// them connected a commit blocks (manual: `synchronous_standby_names`).
///
/// Method: three standbys, one rule after the other, a commit under each; stop `s1`, and repeat. A commit
/// blocks if every connected standby has confirmed it and it still waits; it is then cancelled.
#[apply(exercise)]
#[rstest]
fn who_counts(#[context] test: Context) {
    let about = "Which standbys are synchronous under a rule, and what changes when the first standby stops";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with three standbys");
        let three = Topology::alone().standby("s1").standby("s2").standby("s3");
        let cluster = lab.start(three).await?;
        let (primary, first) = (cluster.primary(), cluster.node("s1")?);
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(10)").await?;

        lab.step("Each rule with all three standbys, and again after s1 has stopped");
        let all = under(primary, &RULES).await?;
        first.stop(Shutdown::Fast).await?;
        wait_for_walsenders(&primary.session_unrecorded().await?, 2).await?;
        let without = under(primary, &RULES).await?;

        lab.step("sync_state and sync_priority of each standby under each rule, and whether a commit is answered");
        let [one, case, two, two_of_three, any, both, most, star, short, short_any] =
            judged(lab, &RULES, &all, &without);

        lab.learn(
            "FIRST chooses standbys in the order of the rule; when one stops, the next one in the rule \
             becomes synchronous.",
            [&one, &two_of_three],
        );
        lab.learn(
            "ANY knows no order: every standby that it names shows sync_state quorum, and a commit \
             waits for the given number of them.",
            [&any, &both, &most],
        );
        lab.learn(
            "A rule that requires all the standbys it names blocks commits when one of them is missing.",
            [&two, &both],
        );
        lab.learn("* matches every standby, each with the same priority.", [&star]);
        lab.learn("Names of standbys in a rule match regardless of case.", [&case]);
        lab.learn(
            "A rule that requires more standbys than it names is accepted, and every commit blocks under \
             it, although all named standbys are connected.",
            [&short, &short_any],
        );
        Ok(())
    });
}
