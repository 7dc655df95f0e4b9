//! The order in which two commits become visible, on the primary and on a standby. Nothing here is measured.

use macro_rules_attribute::apply;
use replication_lab::{Direction, Topology};
use rstest::{Context, rstest};

use super::commit_order::{ORDERS_SEEN, wait_for_orders, wait_for_sync_rep};
use crate::steps::shop::{sessions, shop};
use crate::support::{Lab, exercise, scenario};

const ORDER_A: &str = "INSERT INTO orders (user_id, product, amount) VALUES (1, 1, 1001)";
const ORDER_B: &str = "INSERT INTO orders (user_id, product, amount) VALUES (1, 1, 1002)";

/// A primary and its standby can show two commits in different orders: each shows one that the other does
/// not show yet.
///
/// Method: the standby's reports are cut off, so that a commit waits for them: the standby has replayed it, and
/// the primary does not show it yet. Meanwhile a second session commits with `synchronous_commit = local`.
#[apply(exercise)]
#[rstest]
fn long_fork(#[context] test: Context) {
    let about = "Two commits, and two servers that show them in different orders: the standby shows the first \
                 one without the second, and the primary the second one without the first";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby and 20 orders");
        let pair = lab.start(Topology::pair().synchronous("standby1")).await?;
        let (writer, on_standby) = sessions(&pair).await?;
        let on_primary = pair.primary().session().await?;
        let other = pair.primary().session().await?;
        shop(&writer, 10).await?;
        other.run("SET synchronous_commit = local").await?;

        lab.step(
            "The reports of the standby are cut off: WAL arrives there, and its answers do not",
        );
        let cut = pair.link("standby1")?.cut_one_way(Direction::ToUpstream);
        let meanwhile = async {
            let event = wait_for_sync_rep(&on_primary).await?;
            let waits = lab.must_be("wait event of the commit of order A", &event, "IPC: SyncRep");

            lab.step("Order A waits for the standby. The standby has replayed it");
            let seen = wait_for_orders(&on_standby, "A").await?;
            let first = lab.must_be("new orders that the standby shows", &seen, "A");
            let seen: String = on_primary.value(ORDERS_SEEN).await?;
            let hidden = lab.must_be("new orders that the primary shows", &seen, "none");

            lab.step("Order B is committed in another session, with synchronous_commit = local");
            other.run(ORDER_B).await?;
            let seen: String = on_primary.value(ORDERS_SEEN).await?;
            let second = lab.must_be("new orders that the primary shows after B", &seen, "B");
            let seen = wait_for_orders(&on_standby, "A, B").await?;
            let name = "new orders that the standby shows once it has replayed B";
            let wal_order = lab.must_be(name, &seen, "A, B");

            lab.step("The reports of the standby arrive again");
            cut.heal();
            Ok::<_, replication_lab::Error>([waits, first, hidden, second, wal_order])
        };
        let (answered, seen) = tokio::join!(writer.run(ORDER_A), meanwhile);
        answered?;
        let [waits, first, hidden, second, wal_order] = seen?;
        let seen: String = on_primary.value(ORDERS_SEEN).await?;
        let both = lab.must_be("new orders that the primary shows at the end", &seen, "A, B");

        lab.learn(
            "A primary shows a commit when its wait for the synchronous standby has ended; a standby shows it as \
             soon as it has replayed it. So a standby can show a commit before its primary does.",
            [&waits, &first, &hidden],
        );
        lab.learn(
            "A standby shows commits in the order of the WAL: A, then A and B. The primary can show them in \
             another order: B, then A and B. So a reader on the standby can see A without B, and after it a \
             reader on the primary B without A.",
            [&first, &second, &wal_order, &both],
        );
        Ok(())
    });
}
