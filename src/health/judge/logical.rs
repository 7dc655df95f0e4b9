//! Judges logical replication: whether subscriptions apply, and whether slots can be synchronized for a
//! failover (17 and later). Its subscribers are no standbys: `standbys.rs` lists them.

use crate::health::finding::{Finding, Severity, Unit};
use crate::health::observation::{Observation, Subscription};

/// Judges the subscriptions of this server, and what a failover of slots depends on, where it is set.
pub(super) fn logical(seen: &Observation) -> Vec<Finding> {
    let subscriptions = seen.subscriptions.iter().map(subscription);
    let sync = seen.slot_sync.as_deref().map(|causes| {
        let works = "slot synchronization is on, and works";
        let fails = "slot synchronization is on, and cannot work";
        blocked("slot_sync", causes, works, fails)
    });
    let slots = seen.standby_slots.as_deref().map(|causes| {
        let works = "the slots in synchronized_standby_slots are used";
        let fails = "logical walsenders of failover slots wait for synchronized_standby_slots";
        blocked("standby_slots", causes, works, fails)
    });
    subscriptions.chain(sync).chain(slots).collect()
}

fn subscription(subscription: &Subscription) -> Finding {
    let name = subscription.name.as_str();
    let errors = match subscription.errors.filter(|errors| *errors > 0) {
        Some(errors) => {
            format!("; errors while applying, since the statistics were reset: {errors}")
        }
        None => String::new(),
    };
    let (severity, state) = match (subscription.enabled, subscription.applies) {
        (true, true) => (Severity::Ok, "applies changes"),
        (true, false) => {
            (Severity::Warning, "is enabled, and no worker applies its changes: see the log")
        }
        (false, _) => (Severity::Warning, "is disabled"),
    };
    let sentence = format!("subscription {name} {state}{errors}");
    let finding = Finding::new("subscription", severity, sentence).of(name);
    finding.counting("subscription_applies", u64::from(severity == Severity::Ok), Unit::Count)
}

fn blocked(name: &'static str, causes: &[String], works: &str, fails: &str) -> Finding {
    match causes.is_empty() {
        true => Finding::new(name, Severity::Ok, works),
        false => Finding::new(name, Severity::Warning, format!("{fails}: {}", causes.join("; "))),
    }
}
