//! Kinds of interruption, and interruptions that are short. The primary removes no WAL here that the
//! standby needs.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::ledger::Outcome;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::workload::orders;
use replication_lab::{Sampler, Topology, Writers};
use rstest::{Context, rstest};

use super::interruption::{Kind, suffered};
use super::pair::{impatient, most, passed, same_orders};
use crate::steps::repeat::times;
use crate::steps::shop::shop;
use crate::support::{Lab, scenario};

/// What is wrong with a network decides who notices: a reset tells both ends, silence is noticed by
/// timeouts, slowness not at all.
///
/// Method: each kind in turn on one pair; a row is written meanwhile; look at the processes at both ends
/// of the connection, at what they logged, and where the row is.
#[rstest]
fn kinds(#[context] test: Context) {
    let about = "Kinds of interruption: what each end makes of it, and whether a row gets through";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair where both ends give up after two silent seconds");
        let pair = lab.start(impatient(Topology::pair())).await?;
        shop(&pair.primary().session().await?, 100).await?;

        lab.step("One kind after the other, and healed each time");
        let on = |kind: Kind| suffered(lab, &pair, kind);
        let cut = lab.must_be(Kind::Cut.name(), on(Kind::Cut).await?, SILENCE);
        let reset = lab.must_be(Kind::Reset.name(), on(Kind::Reset).await?, RESET);
        let frozen = lab.must_be(Kind::Frozen.name(), on(Kind::Frozen).await?, FROZEN);
        let slow = lab.must_be(Kind::Slow.name(), on(Kind::Slow).await?, SLOW);
        let far = lab.must_be(Kind::Far.name(), on(Kind::Far).await?, SLOW);
        let (there, back) = (Kind::TowardsStandby, Kind::TowardsPrimary);
        let there = lab.must_be(there.name(), on(there).await?, NO_WAL);
        let back = lab.must_be(back.name(), on(back).await?, NO_REPORTS);
        let whole = same_orders(lab, &pair, &pair.primary().session().await?).await?;

        lab.learn("Silence is noticed by timeouts alone.", [&cut, &frozen]);
        lab.learn("A reset is told to both ends.", [&reset]);
        lab.learn("A network that is slow or far away is no error: there is lag.", [&slow, &far]);
        lab.learn(
            "One silent way is enough: the end that hears nothing gives up, and the other one is told.",
            [&there, &back],
        );
        lab.learn("After each of them the standby comes back by itself.", [&whole]);
        Ok(())
    });
}

/// A network that flaps costs nothing but time.
///
/// Method: writers place orders and note what they are told; ten cuts, each shorter than any timeout;
/// compare the ledger with both servers.
#[rstest]
fn flapping(#[context] test: Context) {
    let about = "Ten short cuts under write load: nothing is lost, and nothing is there twice";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, and writers at work");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = (pair.primary().session().await?, pair.standby()?.session().await?);
        shop(&writer, 100).await?;
        let process: i32 = writer.value("SELECT pid FROM pg_stat_replication").await?;
        let sampler = Sampler::start(pair.primary(), STEP).await?;
        let writers = Writers::start(&pair, 2);

        lab.step("Ten cuts; orders go on through each of them");
        let link = pair.link("standby1")?;
        let cuts = times(10, |_| async {
            let (cut, before) = (link.cut(), passed(link));
            writers.wait_for_acks(writers.acked() + 20).await?;
            let bytes = passed(link) - before;
            cut.heal();
            pair.wait_for_catchup("standby1").await?;
            Ok(bytes)
        })
        .await?;
        let silent = lab.must_be("bytes that passed while it was cut, each time", cuts, [0; 10]);

        lab.step("The writers stop");
        let ledger = writers.stop().await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let samples = sampler.stop().await?;
        lab.key_figure("peak lag", most(samples.peak("standby1")));
        lab.measure("lag", samples.lag("standby1"));
        lab.key_figure("orders acked", Reading::Count(ledger.count(Outcome::Acked)));
        let unclear = ledger.count(Outcome::Failed) + ledger.count(Outcome::Unknown);
        lab.must_be("orders that failed, or whose outcome is unknown", unclear, 0_u64);
        let seen = ledger.compare(orders(&writer).await?);
        let primary =
            lab.must_be("on the primary: lost, unexpected, twice", seen.wrong(), [0_u64; 3]);
        let seen = ledger.compare(orders(&reader).await?);
        let standby =
            lab.must_be("on the standby: lost, unexpected, twice", seen.wrong(), [0_u64; 3]);
        let now: i32 = writer.value("SELECT pid FROM pg_stat_replication").await?;
        let same = lab.must_be("is it still the same walsender", now == process, true);

        lab.learn(
            "A cut that is shorter than the timeouts does not end the connection.",
            [&silent, &same],
        );
        lab.learn("Nothing is lost, and nothing is there twice.", [&primary, &standby]);
        Ok(())
    });
}

const SILENCE: &str = "walsender gave up waiting; walreceiver gave up waiting; row arrived: no";
const RESET: &str = "walsender was told; walreceiver was told; row arrived: yes";
const FROZEN: &str = "walsender gave up waiting; walreceiver nothing; row arrived: no";
const SLOW: &str = "walsender streams on; walreceiver streams on; row arrived: late";
const NO_WAL: &str = "walsender was told; walreceiver gave up waiting; row arrived: no";
const NO_REPORTS: &str = "walsender gave up waiting; walreceiver was told; row arrived: yes";
