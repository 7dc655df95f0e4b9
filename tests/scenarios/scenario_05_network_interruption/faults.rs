//! Kinds of interruption, and many short ones. The primary removes no WAL here that the standby needs.

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::ledger::Outcome;
use replication_lab::record::Reading;
use replication_lab::sampler::STEP;
use replication_lab::workload::orders;
use replication_lab::{Sampler, Topology, Writers};
use rstest::{Context, rstest};

use super::interruption::{Kind, reactions};
use super::pair::{impatient, most, passed, same_orders};
use crate::steps::repeat::times;
use crate::steps::shop::shop;
use crate::support::{Lab, exercise, scenario};

/// The kind of interruption decides how it is noticed: a reset ends the connection at both ends, a silent link ends
/// by timeouts, and a slow link does not end the connection.
///
/// Method: each kind in turn on one pair, with a row inserted meanwhile; watch the process at each end of
/// the connection, its log, and whether the row arrives.
#[apply(exercise)]
#[rstest]
fn kinds(#[context] test: Context) {
    let about =
        "Seven kinds of interruption: how each end reacts, and whether a row arrives meanwhile";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with wal_sender_timeout and wal_receiver_timeout of 2 seconds");
        let pair = lab.start(impatient(Topology::pair())).await?;
        shop(&pair.primary().session().await?, 100).await?;

        let on = |kind: Kind| reactions(lab, &pair, kind);
        let cut = lab.must_be(Kind::Cut.name(), on(Kind::Cut).await?, SILENCE);
        let reset = lab.must_be(Kind::Reset.name(), on(Kind::Reset).await?, RESET);
        let frozen = lab.must_be(Kind::Frozen.name(), on(Kind::Frozen).await?, FROZEN);
        let slow = lab.must_be(Kind::Slow.name(), on(Kind::Slow).await?, SLOW);
        let far = lab.must_be(Kind::Far.name(), on(Kind::Far).await?, SLOW);
        let (there, back) = (Kind::TowardsStandby, Kind::TowardsPrimary);
        let there = lab.must_be(there.name(), on(there).await?, NO_WAL);
        let back = lab.must_be(back.name(), on(back).await?, NO_REPORTS);

        lab.step("After all of them: the standby streams, and has the primary's orders");
        let whole = same_orders(lab, &pair, &pair.primary().session().await?).await?;

        lab.learn(
            "A silent connection is ended by wal_sender_timeout and wal_receiver_timeout: nothing else \
             notices a cut link or a frozen standby.",
            [&cut, &frozen],
        );
        lab.learn("A reset ends the connection at both ends, before any timeout.", [&reset]);
        lab.learn("A slow link causes lag; it does not end the connection.", [&slow, &far]);
        lab.learn(
            "A link that is cut in one direction ends, too: the side that receives nothing reaches its \
             timeout and closes the connection, and the other side sees that.",
            [&there, &back],
        );
        lab.learn("After each kind the standby connects again by itself.", [&whole]);
        Ok(())
    });
}

/// Cuts that are shorter than the timeouts do not end the connection, and no order is lost.
///
/// Method: writers place orders and record every answer in a ledger; ten cuts, each shorter than any
/// timeout; compare the ledger with both servers.
#[apply(exercise)]
#[rstest]
fn flapping(#[context] test: Context) {
    let about = "Ten short cuts under write load: no order is lost, and none is there twice";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair, and two clients that place orders");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, reader) = (pair.primary().session().await?, pair.standby()?.session().await?);
        shop(&writer, 100).await?;
        let process: i32 = writer.value("SELECT pid FROM pg_stat_replication").await?;
        let sampler = Sampler::start(pair.primary(), STEP).await?;
        let writers = Writers::start(&pair, 2);

        lab.step("Ten cuts: during each the clients place twenty orders");
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
        let bytes = cuts.iter().sum::<u64>();
        let silent = lab.must_be("bytes that passed during the ten cuts", bytes, 0_u64);

        lab.step("The clients stop: their ledger is compared with both servers");
        let ledger = writers.stop().await?;
        wait_for_no_lag(&writer, "standby1").await?;
        let samples = sampler.stop().await?;
        lab.key_figure("peak lag", most(samples.peak("standby1")));
        lab.measure("lag", samples.lag("standby1"));
        lab.key_figure("orders acked", Reading::Count(ledger.count(Outcome::Acked)));
        let unclear = ledger.count(Outcome::Failed) + ledger.count(Outcome::Unknown);
        lab.must_be("orders that failed, or whose outcome is unknown", unclear, 0_u64);
        let seen = in_words(ledger.compare(orders(&writer).await?).wrong());
        let primary = lab.must_be("orders on the primary against the ledger", seen, NONE_WRONG);
        let seen = in_words(ledger.compare(orders(&reader).await?).wrong());
        let standby = lab.must_be("orders on the standby against the ledger", seen, NONE_WRONG);
        let now: i32 = writer.value("SELECT pid FROM pg_stat_replication").await?;
        let same = lab.must_be("is it still the same walsender process", now == process, true);

        lab.learn(
            "A cut that is shorter than wal_sender_timeout and wal_receiver_timeout does not end the \
             connection.",
            [&silent, &same],
        );
        lab.learn(
            "After the cuts every acknowledged order is on both servers, once.",
            [&primary, &standby],
        );
        Ok(())
    });
}

const NONE_WRONG: &str = "lost: 0, unexpected: 0, duplicated: 0";

/// Names the three counts of [`wrong`](replication_lab::ledger::Verdict::wrong).
fn in_words([lost, unexpected, duplicated]: [u64; 3]) -> String {
    format!("lost: {lost}, unexpected: {unexpected}, duplicated: {duplicated}")
}

const SILENCE: &str = "walsender: ended by its timeout; walreceiver: ended by its timeout; \
                       row on the standby: no";
const RESET: &str = "walsender: ended by the other side; walreceiver: ended by the other side; \
                     row on the standby: yes";
const FROZEN: &str = "walsender: ended by its timeout; walreceiver: frozen; row on the standby: no";
const SLOW: &str = "walsender: streams; walreceiver: streams; \
                    row on the standby: late, as the link is slow";
const NO_WAL: &str = "walsender: ended by the other side; walreceiver: ended by its timeout; \
                      row on the standby: no";
const NO_REPORTS: &str = "walsender: ended by its timeout; walreceiver: ended by the other side; \
                          row on the standby: yes";
