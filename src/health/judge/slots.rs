//! Judges the replication slots: whether each is used, whether its WAL is available, and what it retains. A
//! slot that is beyond use retains nothing.

use crate::health::finding::{Expected, Finding, Severity, Thresholds, Unit, bytes};
use crate::health::observation::Observation;
use crate::stat::rows::Slot;

/// Judges every slot that is not excluded.
pub(super) fn slots(
    seen: &Observation,
    thresholds: &Thresholds,
    expected: &Expected,
) -> Vec<Finding> {
    let excluded = |slot: &&Slot| {
        expected.excluded_slots.iter().any(|pattern| pattern.matches(&slot.slot_name))
    };
    let slots: Vec<_> = seen.slots.iter().filter(|slot| !excluded(slot)).collect();
    if slots.is_empty() {
        let sentence = match seen.slots.len() {
            0 => "this server has no replication slot".to_owned(),
            all => format!("the replication slots of this server are excluded: {all}"),
        };
        return vec![Finding::new("slot_active", Severity::None, sentence)];
    }
    slots.into_iter().flat_map(|slot| of_slot(slot, seen.in_recovery, thresholds)).collect()
}

fn of_slot(slot: &Slot, in_recovery: bool, thresholds: &Thresholds) -> Vec<Finding> {
    let name = slot.slot_name.as_str();
    let spilled = slot.spilled.map(|spilled| {
        let sentence = format!("slot {name} has spilled {} of large transactions", bytes(spilled));
        let finding = Finding::new("slot_spilled", Severity::Ok, sentence).of(name);
        finding.counting("slot_spilled", spilled, Unit::Bytes)
    });
    let ready = slot.synced.then(|| ready(slot));
    let used = used(slot, thresholds);
    [Some(active(slot, in_recovery)), Some(wal(slot)), Some(retained(slot, thresholds))]
        .into_iter()
        .chain([used, ready, spilled])
        .flatten()
        .collect()
}

fn active(slot: &Slot, in_recovery: bool) -> Finding {
    let name = slot.slot_name.as_str();
    let (severity, state) = if slot.active {
        (Severity::Ok, "is active")
    } else if slot.is_beyond_use() {
        (Severity::None, "is beyond use")
    } else if slot.synced {
        // From 17 on a standby can have copies of its primary's slots: inactive until a promotion.
        (Severity::Ok, "is synchronized from the primary")
    } else if !slot.logical && slot.restart_lsn.is_none() {
        (Severity::Ok, "is inactive, and has reserved no WAL")
    } else if !slot.logical && in_recovery {
        (Severity::Ok, "is inactive, on a standby")
    } else {
        (Severity::Warning, "is inactive")
    };
    let finding = Finding::new("slot_active", severity, format!("slot {name} {state}")).of(name);
    finding.counting("slot_active", u64::from(slot.active), Unit::Count)
}

fn wal(slot: &Slot) -> Finding {
    let name = slot.slot_name.as_str();
    let advice = match (slot.logical, slot.synced) {
        (true, true) => "the standby creates its copy again once the primary's slot is valid",
        (true, false) => "create it again, and copy the data of its subscriber again",
        (false, _) => "its standby must be rebuilt or fed from a WAL archive; then create it again",
    };
    let (severity, sentence) = match (slot.wal_status.as_deref(), slot.invalidation.as_deref()) {
        (_, Some(reason)) => {
            (Severity::Critical, format!("slot {name} is invalid ({reason}): {advice}"))
        }
        (Some("lost"), None) => (Severity::Critical, format!("slot {name} is lost: {advice}")),
        (Some("unreserved"), None) => {
            let means = "the next checkpoint may remove WAL that it retains";
            (Severity::Critical, format!("slot {name} is unreserved: {means}"))
        }
        (Some(status), None) => {
            let means = "the WAL that it retains is available";
            (Severity::Ok, format!("slot {name} is {status}: {means}"))
        }
        (None, None) => (Severity::None, format!("slot {name} has reserved no WAL")),
    };
    Finding::new("slot_wal", severity, sentence).of(name)
}

fn retained(slot: &Slot, thresholds: &Thresholds) -> Finding {
    let (name, levels) = (slot.slot_name.as_str(), thresholds.slot_retained);
    let reserves_none = slot.restart_lsn.is_none().then_some(0);
    let Some(retained) = slot.retained().or(reserves_none) else {
        let sentence = format!(
            "the WAL that slot {name} retains is unknown: this server has neither received nor replayed WAL"
        );
        return Finding::new("slot_retained", Severity::Unknown, sentence).of(name);
    };
    let severity = levels.judge(retained);
    let sentence = format!("slot {name} retains {} of WAL", bytes(retained));
    let sentence = sentence + &levels.above(severity, bytes);
    let finding = Finding::new("slot_retained", severity, sentence).of(name);
    finding.with("slot_retained", retained, Unit::Bytes, Some(levels))
}

/// Judges how much of `max_slot_wal_keep_size` a slot's WAL takes; null without a limit.
fn used(slot: &Slot, thresholds: &Thresholds) -> Option<Finding> {
    let (name, levels) = (slot.slot_name.as_str(), thresholds.slot_used);
    let (safe, retained) = (slot.safe_wal_size?, slot.retained()?);
    let left = u64::try_from(safe).unwrap_or(0);
    let used = (retained * 100).checked_div(retained + left).unwrap_or(0);
    let severity = levels.judge(used);
    let sentence = format!(
        "slot {name} takes {used} % of the WAL that it may retain: {} are left{}",
        bytes(left),
        levels.above(severity, |level| format!("{level} %"))
    );
    let finding = Finding::new("slot_used", severity, sentence).of(name);
    Some(finding.with("slot_used", used, Unit::Percent, Some(levels)))
}

/// Judges a standby's copy of a slot of its primary: whether a client could use it after a promotion.
fn ready(slot: &Slot) -> Finding {
    let name = slot.slot_name.as_str();
    let (severity, state) = if slot.is_beyond_use() {
        (Severity::Warning, "is not ready for a failover: it is beyond use")
    } else if slot.temporary {
        (Severity::Warning, "is not ready for a failover: it has not been synchronized yet")
    } else {
        (Severity::Ok, "is ready for a failover")
    };
    let finding = Finding::new("slot_ready", severity, format!("slot {name} {state}")).of(name);
    finding.counting("slot_ready", u64::from(severity == Severity::Ok), Unit::Count)
}
