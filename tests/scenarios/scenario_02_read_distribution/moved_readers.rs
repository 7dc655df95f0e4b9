//! Reads that are moved from the primary to its standby while the primary takes writes, and which server
//! executed what. No learning is drawn from a time.

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::record::Reading;
use replication_lab::{Cluster, Node, Proof, Result, Session, Topology};
use rstest::{Context, rstest};

use super::executed::{READ, READ_FUNCTION, Work, wait_for_insertions, wait_for_reads, work};
use crate::steps::machine::cores;
use crate::steps::shop::{ORDERS, sessions};
use crate::support::{Lab, exercise, scenario};

/// Readers that are moved to the standby leave the primary its writes alone.
///
/// Method: four readers of a fixed number of reads beside a writer, first on the primary, then on the standby;
/// compare what each server counted: calls of a function, and inserted rows (manual: The Cumulative
/// Statistics System).
#[apply(exercise)]
#[rstest]
fn offload(#[context] test: Context) {
    let about = "Readers are moved from the primary to the standby while the primary takes writes: which server \
                 executed the reads, and which the writes. Both servers share the CPU cores of one machine: the \
                 figures show no relief of a primary that has a machine of its own";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a shop full of orders; each read is a call of a function, which servers count");
        let pair = lab.start(Topology::pair().set("track_functions", "all")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = sessions(&pair).await?;
        writer.run_file("fixtures/sql/shop.sql").await?;
        let users = lab.scaled(2000);
        writer.run(&format!("SELECT fill_shop({users})")).await?;
        writer.run(READ_FUNCTION).await?;
        writer.run("VACUUM ANALYZE").await?;
        pair.wait_for_catchup("standby1").await?;
        cores(lab);
        let filled = wait_for_insertions(&writer, users * 2).await?;

        lab.step("Four readers on the primary, each with 25 reads; a writer places orders until they are done");
        primary.session().await?.run(READ).await?;
        let before = work(&pair, primary).await?;
        figures(lab, "readers on the primary", &before);
        let [first_reads, no_reads] =
            must_have_read(lab, &pair, "readers on the primary", [101, 0]).await?;

        lab.step("The same readers on the standby; the writer stays on the primary");
        standby.session().await?.run(READ).await?;
        let after = work(&pair, standby).await?;
        figures(lab, "readers on the standby", &after);
        let [no_more_reads, moved_reads] =
            must_have_read(lab, &pair, "readers on the standby", [101, 101]).await?;

        lab.step("The rows that clients inserted, as each server counted them");
        let placed = before.placed + after.placed;
        wait_for_no_lag(&writer, "standby1").await?;
        let inserted = wait_for_insertions(&writer, filled + placed).await? - filled;
        let name = "are the rows that the primary counted as inserted those of the writer";
        let written = lab.must_be(name, inserted == placed, true);
        let inserted = wait_for_insertions(&reader, 0).await?;
        let name = "rows that the standby counted as inserted into orders";
        let replayed = lab.must_be(name, inserted, 0_u64);
        let same = writer.count(ORDERS).await? == reader.count(ORDERS).await?;
        let same = lab.must_be("does the standby have as many orders as the primary", same, true);

        lab.learn(
            "After readers are moved to the standby, the primary executes none of their reads, and still every \
             write.",
            [&first_reads, &no_reads, &no_more_reads, &moved_reads, &written, &replayed],
        );
        lab.learn(
            "A standby has its rows by replay. n_tup_ins does not count those: it shows which server executed \
             the statements of clients.",
            [&written, &replayed, &same],
        );
        Ok(())
    });
}

/// Notes the speed of the readers and of the writer beside them.
fn figures(lab: &Lab, readers: &str, work: &Work) {
    let reads = Reading::rate(work.reads, work.took, "reads");
    lab.key_figure(&format!("reads, {readers}"), reads);
    let orders = Reading::rate(work.placed, work.took, "orders");
    lab.key_figure(&format!("orders placed meanwhile, {readers}"), orders);
}

/// Asserts how many reads the primary and the standby have counted since the start.
async fn must_have_read(
    lab: &Lab,
    pair: &Cluster,
    readers: &str,
    [primary, standby]: [u64; 2],
) -> Result<[Proof; 2]> {
    Ok([
        must_have_executed(lab, pair.primary(), readers, primary).await?,
        must_have_executed(lab, pair.standby()?, readers, standby).await?,
    ])
}

/// Asserts how many reads a server has counted since its start.
async fn must_have_executed(lab: &Lab, node: &Node, readers: &str, reads: u64) -> Result<Proof> {
    let session: Session = node.session().await?;
    let name = format!("reads that {} has executed so far, {readers}", node.name());
    Ok(lab.must_be(&name, wait_for_reads(&session, reads).await?, reads))
}
