//! The rules of `synchronous_standby_names`, and the standbys that count under each. Nothing here is
//! measured.

use replication_lab::{Shutdown, Topology};
use rstest::{Context, rstest};

use super::sync_rules::{RULES, judged, under, wait_for_followers};
use crate::support::{Lab, scenario};

/// The rule says who counts, in which order, and how many of them: with too few a commit blocks.
///
/// Method: three standbys, one rule after the other, a commit under each; stop the first standby, and the
/// same again. A commit that blocks is one that all standbys have confirmed, and that still waits.
#[rstest]
fn who_counts(#[context] test: Context) {
    let about = "Who counts under a rule, and who takes over or blocks without the first standby";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A primary with three standbys");
        let three = Topology::alone().standby("s1").standby("s2").standby("s3");
        let cluster = lab.start(three).await?;
        let (primary, first) = (cluster.primary(), cluster.node("s1")?);
        let writer = primary.session().await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(10)").await?;

        lab.step("One rule after the other, with all three standbys, and then without the first");
        let all = under(primary, &RULES).await?;
        first.stop(Shutdown::Fast).await?;
        wait_for_followers(&primary.session_unrecorded().await?, 2).await?;
        let without = under(primary, &RULES).await?;

        lab.step("How each standby counts, with its priority, and what becomes of a commit");
        let [one, case, two, two_of_three, any, both, most, star, short, short_any] =
            judged(lab, &RULES, &all, &without);

        lab.learn(
            "FIRST counts standbys in the order of the rule, and the next one takes over.",
            [&one, &two_of_three],
        );
        lab.learn("ANY knows no order: each standby that it names is quorum, and so many of them must confirm.", [&any, &both, &most]);
        lab.learn("A rule that wants all that it names blocks when one is gone.", [&two, &both]);
        lab.learn("* means every standby, each with the same priority.", [&star]);
        lab.learn("Names compare without case.", [&case]);
        lab.learn(
            "A rule that wants more standbys than it names is accepted, and blocks with all of them there.",
            [&short, &short_any],
        );
        Ok(())
    });
}
