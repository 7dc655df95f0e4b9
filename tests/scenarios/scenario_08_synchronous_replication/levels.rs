//! The levels of `synchronous_commit`: what a commit waits for, and how long. No server stops here.

use std::time::Duration;

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::record::Reading;
use rstest::{Context, rstest};

use super::commits::{
    Commit, SYNC_REP, at_each_level, commit_times, is_answered, is_answered_alone, is_flushed,
    session_at, told, wait_for_reports, wait_for_sync_rep,
};
use super::pair::{NO_RULE, PAUSE, RELOAD, RESUME, counts, synchronous_pair};
use crate::steps::shop::{ORDER, ORDERS};
use crate::support::{Lab, scenario};

const ONE_WAY: Duration = Duration::from_millis(20);

/// Each level of `synchronous_commit` waits for something else.
///
/// Method: hold back one thing after the other, the primary's WAL writer, the standby's walreceiver, its
/// replay, and commit at each level; then without a rule. What tells `on` from `remote_write` is a crash
/// of the standby's operating system, which the lab cannot bring about.
#[rstest]
fn what_a_commit_waits_for(#[context] test: Context) {
    let about = "What a commit waits for at each level of synchronous_commit";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby");
        let pair = synchronous_pair(lab).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        let looker = &primary.session_unrecorded().await?;

        lab.step("A commit at each level, while nobody else flushes WAL on the primary");
        let held = primary.freeze_processes("walwriter").await?;
        let flushed = at_each_level(primary, |session| is_flushed(session, looker)).await?;
        held.thaw().await?;

        lab.step("The same while the standby receives nothing");
        let held = standby.freeze_processes("walreceiver").await?;
        let alone = at_each_level(primary, |session| is_answered_alone(session, looker)).await?;
        held.thaw().await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("The same while the standby receives, and replays nothing");
        reader.run(PAUSE).await?;
        let unseen = at_each_level(primary, |session| is_answered(session, looker)).await?;
        reader.run(RESUME).await?;

        lab.step("What they wait for");
        let [off, local, write, on, apply] = told(flushed, alone, unseen);
        let off = lab.must_be("off", &off, "nothing");
        let local = lab.must_be("local", &local, "the primary's disk");
        let write = lab.must_be("remote_write", &write, RECEIPT);
        let on = lab.must_be("on", &on, RECEIPT);
        let apply = lab.must_be("remote_apply", &apply, REPLAY);

        lab.step("Without a rule, while the standby receives nothing");
        let held = standby.freeze_processes("walreceiver").await?;
        writer.run(NO_RULE).await?;
        writer.run(RELOAD).await?;
        let free = Commit::of(session_at(primary, "on").await?, ORDER).answer().await;
        let free = lab.must_be("on: is it answered", free.result.is_ok(), true);
        held.thaw().await?;

        lab.learn("off waits for nothing, not even for the primary's own disk.", [&off]);
        lab.learn("local waits for the primary's own disk, and for nobody else.", [&local]);
        lab.learn(
            "remote_write and on wait until the standby has received the commit, not until a read \
             there shows it.",
            [&write, &on],
        );
        lab.learn("remote_apply waits until a read there shows it.", [&apply]);
        lab.learn("Without a rule on waits as local does: that is asynchronous.", [&free, &local]);
        Ok(())
    });
}

/// Over a slow link a commit that waits for the standby takes the round trip at least.
///
/// Method: time the commits of one client at each level, over a direct link and over one that takes
/// 20 ms each way. What `local` waits for is what a commit of an asynchronous pair waits for.
#[rstest]
fn commit_levels(#[context] test: Context) {
    let about = "How long a commit takes at each level, over a direct link and over a slow one";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby");
        let pair = synchronous_pair(lab).await?;
        let primary = pair.primary();

        lab.step("Over a direct link");
        let times = commit_times(lab, primary, "direct link", lab.scaled(100)).await?;
        let [_, asynchronous, _, synchronous, _] = times.map(|times| times.median);
        lab.key_figure("asynchronous write time", asynchronous);
        lab.key_figure("synchronous write time", synchronous);
        let impact = Reading::impact(asynchronous, synchronous);
        lab.key_figure("impact of synchronous commits", impact);

        lab.step("Over a slow link");
        let slow = pair.link("standby1")?.delay(ONE_WAY);
        let times = commit_times(lab, primary, "slow link", lab.scaled(10)).await?;
        slow.heal();
        let [_, asynchronous, _, synchronous, _] = times.map(|times| times.median);
        lab.key_figure("synchronous write time, slow link", synchronous);
        let impact = Reading::impact(asynchronous, synchronous);
        lab.key_figure("impact of synchronous commits, slow link", impact);
        let [_, _, write, on, apply] = times.map(|times| times.shortest >= ONE_WAY * 2);
        let write = lab.must_be("remote_write: did every commit take at least 40 ms", write, true);
        let on = lab.must_be("on: did every commit take at least 40 ms", on, true);
        let apply = lab.must_be("remote_apply: did every commit take at least 40 ms", apply, true);

        lab.learn(
            "A commit that waits for the standby waits for the network, there and back.",
            [&write, &on, &apply],
        );
        Ok(())
    });
}

/// A read on the standby sees every commit that was answered at `remote_apply`.
///
/// Method: pause replay and commit at `on` and at `remote_apply`; resume, and read at once.
#[rstest]
fn remote_apply(#[context] test: Context) {
    let about = "remote_apply reads its own writes on the standby, on does not";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, where replay is paused");
        let pair = synchronous_pair(lab).await?;
        let primary = pair.primary();
        let (writer, reader) = (primary.session().await?, pair.standby()?.session().await?);
        let looker = primary.session_unrecorded().await?;
        reader.run(PAUSE).await?;

        lab.step("A commit at on");
        session_at(primary, "on").await?.run(ORDER).await?;
        let missed = lab.must_be("orders on each", counts(&writer, &reader).await?, [21, 20]);

        lab.step("A commit at remote_apply, which the standby has flushed");
        let commit = Commit::of(session_at(primary, "remote_apply").await?, ORDER);
        wait_for_sync_rep(&looker).await?;
        wait_for_reports(&looker).await?;
        wait_for_reports(&looker).await?;
        let seen = wait_for_sync_rep(&looker).await?;
        let waits = lab.must_be("what it waits for", &seen, SYNC_REP);
        let hidden =
            lab.must_be("orders on each meanwhile", counts(&writer, &reader).await?, [21, 20]);

        lab.step("Replay goes on");
        reader.run(RESUME).await?;
        commit.answer().await.result?;
        let orders = reader.count(ORDERS).await?;
        let seen = lab.must_be("orders on the standby once it is answered", orders, 22_u64);

        lab.learn("A commit at on is answered before a read on the standby shows it.", [&missed]);
        lab.learn(
            "One at remote_apply is not, and nobody sees it before: who reads on the standby after \
             the answer sees it.",
            [&waits, &hidden, &seen],
        );
        Ok(())
    });
}

const RECEIPT: &str = "the primary's disk, the standby to receive";
const REPLAY: &str = "the primary's disk, the standby to receive, the standby to replay";
