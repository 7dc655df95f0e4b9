//! The levels of `synchronous_commit`: what a commit waits for, and how long it takes. No server stops
//! here.

use std::time::Duration;

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_no_lag;
use replication_lab::record::Reading;
use rstest::{Context, rstest};

use super::commits::{
    Commit, SYNC_REP, at_each_level, commit_times, is_answered, is_answered_unconfirmed,
    is_flushed, session_at, summed_up, wait_for_reports, wait_for_sync_rep,
};
use super::pair::{NO_RULE, PAUSE, RELOAD, RESUME, synchronous_pair};
use crate::steps::shop::{ORDER, ORDERS};
use crate::support::{Lab, exercise, scenario};

const ONE_WAY: Duration = Duration::from_millis(20);

/// Each level of `synchronous_commit` waits for something else (manual: `synchronous_commit`).
///
/// Method: hold back one process after the other, the primary's WAL writer, the standby's walreceiver, its
/// replay, and commit at each level; then without a rule. A walreceiver that is frozen neither writes nor
/// flushes: `remote_write` and `on` look alike here, and [`durability`](super::durability) separates them.
#[apply(exercise)]
#[rstest]
fn what_a_commit_waits_for(#[context] test: Context) {
    let about = "What a commit waits for at each level of synchronous_commit";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby");
        let pair = synchronous_pair(lab).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (writer, reader) = (primary.session().await?, standby.session().await?);
        let looker = &primary.session_unrecorded().await?;
        let two = [looker, &writer];

        lab.step("The primary's WAL writer is frozen: a commit at each level");
        let held = primary.freeze_processes("walwriter").await?;
        let asked = |session, order| is_flushed(session, order, looker);
        let flushed = at_each_level(lab, primary, FLUSHED, asked).await?;
        held.thaw().await?;

        lab.step("The walreceiver is frozen: a commit at each level");
        let held = standby.freeze_processes("walreceiver").await?;
        let asked = |session, order| is_answered_unconfirmed(session, order, two);
        let unreceived = at_each_level(lab, primary, UNRECEIVED, asked).await?;
        held.thaw().await?;
        wait_for_no_lag(&writer, "standby1").await?;

        lab.step("Replay is paused: a commit at each level");
        reader.run(PAUSE).await?;
        let asked = |session, order| is_answered(session, order, two);
        let unreplayed = at_each_level(lab, primary, UNREPLAYED, asked).await?;
        reader.run(RESUME).await?;

        lab.step("What a commit at each level waits for");
        let [off, local, write, on, apply] = summed_up(flushed, unreceived, unreplayed);
        let off = lab.must_be("a commit at off waits for", &off, "nothing");
        let local = lab.must_be("a commit at local waits for", &local, "flush on the primary");
        let write = lab.must_be("a commit at remote_write waits for", &write, RECEIPT);
        let on = lab.must_be("a commit at on waits for", &on, RECEIPT);
        let apply = lab.must_be("a commit at remote_apply waits for", &apply, REPLAY);

        lab.step("The rule is emptied, and the walreceiver is frozen: a commit at on");
        let held = standby.freeze_processes("walreceiver").await?;
        writer.run(NO_RULE).await?;
        writer.run(RELOAD).await?;
        let free = Commit::of(session_at(primary, "on").await?, ORDER).answer().await;
        let free =
            lab.must_be("at on, without a rule: is the commit answered", free.result.is_ok(), true);
        held.thaw().await?;

        lab.learn(
            "A commit at off waits neither for the primary's flush nor for a standby.",
            [&off],
        );
        lab.learn("A commit at local waits for the primary's flush, and for no standby.", [&local]);
        lab.learn(
            "With a synchronous standby, a commit at remote_write or on also waits until the standby \
             has received it, and not for its replay. Both wait for the walreceiver; remote_write for \
             its write, on for its flush: see the exercise remote_write.",
            [&write, &on],
        );
        lab.learn(
            "With a synchronous standby, a commit at remote_apply also waits until the standby has \
             replayed it.",
            [&apply],
        );
        lab.learn(
            "While synchronous_standby_names is empty, a commit at on waits for no standby: \
             replication is asynchronous.",
            [&free],
        );
        Ok(())
    });
}

/// A commit that waits for the standby takes at least one round trip of the link.
///
/// Method: time the commits of one client at each level, over a direct link and over one with a delay of
/// 20 ms each way. `local` stands for an asynchronous pair: its commit waits for the same.
#[apply(exercise)]
#[rstest]
fn commit_levels(#[context] test: Context) {
    let about = "How long a commit takes at each level, over a direct link and with a delay of 20 ms each way";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby");
        let pair = synchronous_pair(lab).await?;
        let primary = pair.primary();

        lab.step(
            "Direct link: one client commits at each level, and each level is compared with local",
        );
        let times = commit_times(lab, primary, "direct link", lab.scaled(100)).await?;
        let [_, asynchronous, _, synchronous, _] = times.map(|times| times.median);
        lab.key_figure("median commit without waiting for the standby (local)", asynchronous);
        lab.key_figure("median commit that waits for the standby (on)", synchronous);
        let impact = Reading::impact(asynchronous, synchronous);
        lab.key_figure("on compared with local", impact);

        lab.step("Delayed link, 20 ms each way: the same commits, compared with local again");
        let slow = pair.link("standby1")?.delay(ONE_WAY);
        let times = commit_times(lab, primary, "delayed link", lab.scaled(10)).await?;
        slow.heal();
        let [_, asynchronous, _, synchronous, _] = times.map(|times| times.median);
        lab.key_figure("median commit that waits for the standby (on), delayed link", synchronous);
        let impact = Reading::impact(asynchronous, synchronous);
        lab.key_figure("on compared with local, delayed link", impact);
        let [_, _, write, on, apply] = times.map(|times| times.shortest >= ONE_WAY * 2);
        let at = |level| format!("at {level}, delayed link: did every commit take at least 40 ms");
        let write = lab.must_be(&at("remote_write"), write, true);
        let on = lab.must_be(&at("on"), on, true);
        let apply = lab.must_be(&at("remote_apply"), apply, true);

        lab.learn(
            "With a synchronous standby, a commit at remote_write, on or remote_apply takes at least one \
             round trip to that standby.",
            [&write, &on, &apply],
        );
        Ok(())
    });
}

/// A read on the synchronous standby sees every commit that was answered at `remote_apply`.
///
/// Method: pause replay and commit at `on` and at `remote_apply`; resume, and read after the answer.
#[apply(exercise)]
#[rstest]
fn remote_apply(#[context] test: Context) {
    let about = "After the answer to a commit at remote_apply a read on the standby sees it; at on it may not";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, where replay is paused");
        let pair = synchronous_pair(lab).await?;
        let primary = pair.primary();
        let (writer, reader) = (primary.session().await?, pair.standby()?.session().await?);
        let looker = primary.session_unrecorded().await?;
        reader.run(PAUSE).await?;

        lab.step("A commit at on");
        session_at(primary, "on").await?.run(ORDER).await?;
        let orders = writer.count(ORDERS).await?;
        let answered = lab.must_be("orders on the primary after the answer", orders, 21_u64);
        let orders = reader.count(ORDERS).await?;
        let missed = lab.must_be("orders on the standby after the answer", orders, 20_u64);

        lab.step("A commit at remote_apply, once the standby has flushed it");
        let commit = Commit::of(session_at(primary, "remote_apply").await?, ORDER);
        wait_for_sync_rep(&looker).await?;
        wait_for_reports(&looker).await?;
        wait_for_reports(&looker).await?;
        let seen = wait_for_sync_rep(&looker).await?;
        let waits = lab.must_be("wait event of the commit", &seen, SYNC_REP);
        let orders = writer.count(ORDERS).await?;
        let hidden = lab.must_be("orders on the primary while it waits", orders, 21_u64);

        lab.step("Replay is resumed, and the commit is answered");
        reader.run(RESUME).await?;
        commit.answer().await.result?;
        let orders = reader.count(ORDERS).await?;
        let seen = lab.must_be("orders on the standby after this answer", orders, 22_u64);

        lab.learn(
            "A commit at on can be answered before a read on the standby shows it.",
            [&answered, &missed],
        );
        lab.learn(
            "A commit at remote_apply is answered once its synchronous standby has replayed it: a read \
             there after the answer shows it.",
            [&waits, &seen],
        );
        lab.learn(
            "While it waits, other sessions on the primary do not see the commit either.",
            [&waits, &hidden],
        );
        Ok(())
    });
}

const FLUSHED: &str = "is its WAL flushed on the primary when it is answered";
const UNRECEIVED: &str = "is it answered while the standby receives nothing";
const UNREPLAYED: &str = "is it answered while the standby replays nothing";

const RECEIPT: &str = "flush on the primary, receipt on the standby";
const REPLAY: &str = "flush on the primary, receipt on the standby, replay on the standby";
