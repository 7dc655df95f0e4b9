//! Renders the findings for monitoring systems: plugin output for Nagios, text for Prometheus, JSON. Pure:
//! it judges nothing.

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::json;

use crate::health::finding::{Figure, Finding, Severity, Unit, worst};

/// The output format.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// A status line with performance data, then one line for each finding (Nagios, Icinga, …)
    Nagios,
    /// Text in Prometheus's exposition format, for a textfile collector
    Prometheus,
    /// One JSON object
    Json,
}

/// The result of a check.
pub(super) struct Report {
    /// The server that was judged; `None` where none was reached.
    pub(super) server: Option<String>,
    /// The labels of every Prometheus series: `server` is one of them.
    pub(super) labels: Vec<(String, String)>,
    pub(super) findings: Vec<Finding>,
    pub(super) took: Duration,
}

impl Report {
    /// Returns the exit code of a Nagios plugin.
    pub(super) fn exit_code(&self) -> u8 {
        match worst(&self.findings) {
            Severity::None | Severity::Ok | Severity::Info => 0,
            Severity::Warning => 1,
            Severity::Critical => 2,
            Severity::Unknown => 3,
        }
    }

    pub(super) fn text(&self, format: Format) -> String {
        match format {
            Format::Nagios => self.nagios(),
            Format::Prometheus => self.prometheus(),
            Format::Json => self.json(),
        }
    }

    /// Returns the worst severity that Nagios knows: it has neither NONE nor INFO.
    fn state(&self) -> Severity {
        match worst(&self.findings) {
            Severity::None | Severity::Info => Severity::Ok,
            other => other,
        }
    }

    fn nagios(&self) -> String {
        // The status line: all problems, or the state of replication where there is none.
        let is_shown = |finding: &&Finding| match worst(&self.findings) {
            Severity::None | Severity::Ok => {
                ["role", "standbys", "receiver"].contains(&finding.name)
            }
            _ => finding.severity > Severity::Ok,
        };
        let mut shown: Vec<_> = self.findings.iter().filter(is_shown).collect();
        shown.sort_by_key(|finding| std::cmp::Reverse(finding.severity.max(Severity::Ok)));
        let shown: Vec<_> = shown.iter().map(|finding| one_line(&finding.sentence)).collect();
        let figures = self.findings.iter().filter_map(|finding| {
            finding.figure.as_ref().map(|figure| performance(finding.subject.as_deref(), figure))
        });
        let mut figures: Vec<_> = figures.collect();
        figures.push(format!("'duration'={:.3}s;;;0", self.took.as_secs_f64()));
        let mut text =
            format!("REPLICATION {} - {} | {}", self.state(), shown.join("; "), figures.join(" "));
        for finding in &self.findings {
            let sentence = one_line(&finding.sentence);
            let _ =
                write!(text, "\n{:<8} {}: {sentence}", finding.severity.to_string(), finding.name);
        }
        text + "\n"
    }

    fn prometheus(&self) -> String {
        let mut text = String::new();
        let up = f64::from(u8::from(self.server.is_some()));
        let help = "Whether the server was reached and judged.";
        self.family(&mut text, "up", help, [(Vec::new(), up)]);
        let help = "How long the check took.";
        let took = [(Vec::new(), self.took.as_secs_f64())];
        self.family(&mut text, "check_duration_seconds", help, took);
        let states = self.findings.iter().map(|finding| {
            let subject = finding.subject.as_deref().unwrap_or_default();
            (vec![("check", finding.name), ("subject", subject)], code(finding.severity))
        });
        let help = "0 is NONE (nothing to judge), OK or INFO, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.";
        self.family(&mut text, "check_state", help, states);
        let mut done: Vec<&str> = Vec::new();
        for figure in self.findings.iter().filter_map(|finding| finding.figure.as_ref()) {
            if done.contains(&figure.name) {
                continue;
            }
            done.push(figure.name);
            let samples = self.findings.iter().filter_map(|finding| {
                let same = finding.figure.as_ref().filter(|other| other.name == figure.name)?;
                let subject = finding.subject.as_deref().map(|subject| (label(same.name), subject));
                Some((subject.into_iter().collect(), same.value))
            });
            let name = format!("{}{}", figure.name, suffix(figure.unit));
            self.family(&mut text, &name, help_of(figure.name), samples);
        }
        text
    }

    /// Writes the samples of one family. Prometheus refuses a file in which two samples have the same
    /// labels: the greater value is written.
    fn family<'a>(
        &self,
        text: &mut String,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, f64)>,
    ) {
        let _ = writeln!(text, "# HELP pg_replication_{name} {help}");
        let _ = writeln!(text, "# TYPE pg_replication_{name} gauge");
        let mut written: Vec<(String, f64)> = Vec::new();
        for (own, value) in samples {
            let all = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels = labelled(&all.chain(own).collect::<Vec<_>>());
            match written.iter_mut().find(|(known, _)| *known == labels) {
                Some((_, greatest)) => *greatest = greatest.max(value),
                None => written.push((labels, value)),
            }
        }
        for (labels, value) in written {
            let _ = writeln!(text, "pg_replication_{name}{labels} {value}");
        }
    }

    fn json(&self) -> String {
        let object = json!({
            "state": worst(&self.findings),
            "exit_code": self.exit_code(),
            "server": self.server,
            "duration_seconds": self.took.as_secs_f64(),
            "findings": self.findings,
        });
        format!("{object:#}\n")
    }
}

/// Removes line breaks and the bar from a sentence: in a plugin's output they separate its parts.
fn one_line(sentence: &str) -> String {
    sentence.replace('|', "/").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `'label'=value[UOM];[warn];[crit];[min]` (Monitoring Plugins Development Guidelines).
fn performance(subject: Option<&str>, figure: &Figure) -> String {
    let label =
        subject.map_or(figure.name.to_owned(), |subject| format!("{} {subject}", figure.name));
    let label = label.replace('\'', "''").replace(['=', '|'], "_");
    let unit = match figure.unit {
        Unit::Bytes => "B",
        Unit::Seconds => "s",
        Unit::Percent => "%",
        Unit::Files | Unit::Transactions | Unit::Count => "",
    };
    let levels =
        figure.levels.map(|levels| (levels.warning.to_string(), levels.critical.to_string()));
    let (warning, critical) = levels.unwrap_or_default();
    format!("'{label}'={}{unit};{warning};{critical};0", figure.value)
}

fn code(severity: Severity) -> f64 {
    match severity {
        Severity::None | Severity::Ok | Severity::Info => 0.0,
        Severity::Warning => 1.0,
        Severity::Critical => 2.0,
        Severity::Unknown => 3.0,
    }
}

fn labelled(labels: &[(&str, &str)]) -> String {
    let escaped =
        |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    let pairs: Vec<_> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

fn label(figure: &str) -> &'static str {
    if figure.starts_with("slot") { "slot_name" } else { "application_name" }
}

fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "_bytes",
        Unit::Seconds => "_seconds",
        Unit::Files => "_files",
        Unit::Transactions => "_transactions",
        Unit::Percent => "_percent",
        Unit::Count => "",
    }
}

fn help_of(figure: &str) -> &'static str {
    match figure {
        "is_replica" => "Whether the server is in recovery.",
        "standby_streaming" => "Whether the standby streams.",
        "standby_lag" => "WAL that the standby has not replayed.",
        "standby_lag_time" => "For how long WAL has waited to be replayed on the standby.",
        "standby_flush_lag" => "WAL that the standby has not flushed to its disk.",
        "client_lag" => "WAL that a client that is no standby has not written.",
        "commit_wait" => "For how long WAL has waited for the synchronous standbys.",
        "standbys_streaming" => "Standbys that stream from this server.",
        "slot_active" => "Whether the slot is active.",
        "slot_retained" => "WAL that the slot retains.",
        "slot_used" => "Share of max_slot_wal_keep_size that the WAL of the slot takes.",
        "slot_ready" => "Whether the copy of the primary's slot is ready for a failover.",
        "slot_spilled" => "Large transactions that the slot has spilled to files.",
        "synchronous_standbys" => "Synchronous standbys that stream.",
        "archiver_failing" => "Whether the last attempt to archive a WAL file failed.",
        "subscription_applies" => "Whether a worker applies the changes of the subscription.",
        "archive_waiting" => "WAL files that wait to be archived.",
        "archive_age" => "For how long the oldest WAL file has waited to be archived.",
        "archive_feed" => "Age of the last transaction that was replayed from an archive.",
        "receiver_silence" => "Time since the upstream's last message to the walreceiver.",
        "replay_paused" => "Whether replay is paused.",
        "replay_lag" => "WAL of the upstream that this standby has not replayed.",
        "replay_lag_time" => "For how long WAL has waited to be replayed on this standby.",
        "oldest_transaction" => "Age of the oldest transaction.",
        "oldest_prepared" => "Age of the oldest prepared transaction.",
        "oldest_xmin" => "Age of the oldest xmin that holds back vacuum, in transactions.",
        _ => "See lab check --help.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::finding::Levels;

    fn finding(name: &'static str, severity: Severity, subject: Option<&str>) -> Finding {
        let levels = Some(Levels { info: Some(1), warning: 10, critical: 100 });
        let figure = Figure { name: "standby_lag", value: 7.0, unit: Unit::Bytes, levels };
        Finding {
            name,
            subject: subject.map(str::to_owned),
            severity,
            sentence: format!("{name} | is so"),
            figure: Some(figure).filter(|_| subject.is_some()),
        }
    }

    fn report(findings: Vec<Finding>) -> Report {
        let labels = vec![("server".to_owned(), "h:1".to_owned())];
        let took = Duration::from_millis(12);
        Report { server: Some("h:1".to_owned()), labels, findings, took }
    }

    #[test]
    fn the_worst_finding_is_the_exit_code() {
        for (severity, code, state) in [
            (Severity::None, 0, "REPLICATION OK -"),
            (Severity::Ok, 0, "REPLICATION OK -"),
            (Severity::Info, 0, "REPLICATION OK -"),
            (Severity::Warning, 1, "REPLICATION WARNING -"),
            (Severity::Critical, 2, "REPLICATION CRITICAL -"),
            (Severity::Unknown, 3, "REPLICATION UNKNOWN -"),
        ] {
            let report =
                report(vec![finding("role", Severity::Ok, None), finding("x", severity, None)]);
            assert_eq!(report.exit_code(), code);
            assert!(report.text(Format::Nagios).starts_with(state), "{severity}");
        }
    }

    #[test]
    fn a_plugin_shows_the_worst_first_with_performance_data() {
        let ours = finding("lag", Severity::Warning, Some("it's"));
        let report = report(vec![ours, finding("slot", Severity::Critical, None)]);
        assert_eq!(
            report.text(Format::Nagios),
            "REPLICATION CRITICAL - slot / is so; lag / is so | \
             'standby_lag it''s'=7B;10;100;0 'duration'=0.012s;;;0\n\
             WARNING  lag: lag / is so\nCRITICAL slot: slot / is so\n"
        );
    }

    #[test]
    fn a_metric_has_its_help_once_and_its_labels_escaped() {
        let two = ["a", "b\"c"].map(|name| finding("lag", Severity::Info, Some(name)));
        let text = report(two.to_vec()).text(Format::Prometheus);
        let lag: Vec<_> = text.lines().filter(|line| line.contains("lag_bytes")).collect();
        let expected = [
            "# HELP pg_replication_standby_lag_bytes WAL that the standby has not replayed.",
            "# TYPE pg_replication_standby_lag_bytes gauge",
            "pg_replication_standby_lag_bytes{server=\"h:1\",application_name=\"a\"} 7",
            "pg_replication_standby_lag_bytes{server=\"h:1\",application_name=\"b\\\"c\"} 7",
        ];
        assert_eq!(lag, expected);
        assert!(text.contains("pg_replication_up{server=\"h:1\"} 1\n"), "{text}");
    }

    /// Two findings with one subject, as two attempts at one address: Prometheus refuses the same series twice.
    #[test]
    fn no_series_is_written_twice_and_the_worst_value_stays() {
        let twice = |first, second| {
            report(vec![
                finding("connection", first, Some("a")),
                finding("connection", second, Some("a")),
            ])
        };
        for (first, second) in
            [(Severity::Critical, Severity::Warning), (Severity::Warning, Severity::Critical)]
        {
            let text = twice(first, second).text(Format::Prometheus);
            let mut series: Vec<_> = text
                .lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(|line| line.rsplit_once(' '))
                .map(|(series, _)| series)
                .collect();
            let all = series.len();
            series.sort_unstable();
            series.dedup();
            assert_eq!(all, series.len(), "{text}");
            assert!(text.contains("check=\"connection\",subject=\"a\"} 2\n"), "{text}");
        }
    }

    /// The dashboard and the alert rules name series that a check can write.
    #[test]
    fn the_dashboard_and_the_alert_rules_name_known_series() {
        const TEXTS: [&str; 2] = [
            include_str!("../../../fixtures/grafana/replication.json"),
            include_str!("../../../fixtures/prometheus/alerts.yml"),
        ];
        let series = regex::Regex::new(r"pg_replication_([a-z_]+)").unwrap();
        for text in TEXTS {
            let names: Vec<_> =
                series.captures_iter(text).map(|found| found[1].to_owned()).collect();
            assert!(names.len() >= 5, "{names:?}");
            for name in names {
                let units = [
                    Unit::Bytes,
                    Unit::Seconds,
                    Unit::Files,
                    Unit::Transactions,
                    Unit::Percent,
                    Unit::Count,
                ];
                let figure =
                    units.into_iter().find_map(|unit| name.strip_suffix(suffix(unit))).unwrap();
                let own = ["up", "check_state"].contains(&name.as_str());
                assert!(own || help_of(figure) != help_of("other"), "{name}");
            }
        }
    }

    #[test]
    fn an_object_has_everything() {
        let text = report(vec![finding("lag", Severity::Info, Some("a"))]).text(Format::Json);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&object["state"], &object["exit_code"]), (&json!("INFO"), &json!(0)));
        assert_eq!(object["findings"][0]["figure"]["value"], json!(7.0));
        assert_eq!(object["findings"][0]["figure"]["unit"], json!("bytes"));
    }

    fn figured(name: &'static str, subject: Option<&str>, unit: Unit) -> Finding {
        let figure = Figure { name, value: 2.5, unit, levels: None };
        Finding { figure: Some(figure), ..finding("check", Severity::Ok, subject) }
    }

    #[test]
    fn without_a_problem_a_plugin_shows_the_state_of_replication() {
        let finding = |name, severity| Finding { figure: None, ..finding(name, severity, None) };
        let names = ["slot_active", "receiver", "role", "lag", "standbys"];
        let all = |severity| report(names.map(|name| finding(name, severity)).to_vec());
        for severity in [Severity::None, Severity::Ok] {
            let text = all(severity).text(Format::Nagios);
            let first = text.lines().next();
            let expected = "REPLICATION OK - receiver / is so; role / is so; standbys / is so | \
                            'duration'=0.012s;;;0";
            assert_eq!(first, Some(expected));
        }
        let mixed = report(vec![
            finding("role", Severity::Ok),
            finding("lag", Severity::Info),
            finding("slot", Severity::Warning),
            finding("archiver", Severity::Unknown),
        ]);
        let text = mixed.text(Format::Nagios);
        let shown = "REPLICATION WARNING - slot / is so; archiver / is so; lag / is so | ";
        assert!(text.starts_with(shown), "{text}");
    }

    #[test]
    fn performance_data_has_its_unit_its_levels_and_a_label_without_separators() {
        for (unit, shown) in [
            (Unit::Bytes, "2.5B"),
            (Unit::Seconds, "2.5s"),
            (Unit::Files, "2.5"),
            (Unit::Percent, "2.5%"),
            (Unit::Transactions, "2.5"),
            (Unit::Count, "2.5"),
        ] {
            let figure = Figure { name: "f", value: 2.5, unit, levels: None };
            assert_eq!(performance(None, &figure), format!("'f'={shown};;;0"));
        }
        let levels = Some(Levels { info: Some(1), warning: 10, critical: 100 });
        let figure = Figure { name: "f", value: 7.0, unit: Unit::Bytes, levels };
        assert_eq!(performance(Some("a=b|c'd"), &figure), "'f a_b_c''d'=7B;10;100;0");
    }

    /// Compares the whole text: a family's name, its help and its labels are what a dashboard queries.
    #[test]
    fn every_figure_has_its_own_family_with_its_unit_and_label() {
        for (name, unit, family, label) in [
            ("is_replica", Unit::Count, "is_replica", "application_name"),
            ("standby_streaming", Unit::Count, "standby_streaming", "application_name"),
            ("standby_lag", Unit::Bytes, "standby_lag_bytes", "application_name"),
            ("slot_active", Unit::Count, "slot_active", "slot_name"),
            ("slot_retained", Unit::Bytes, "slot_retained_bytes", "slot_name"),
            ("archive_waiting", Unit::Files, "archive_waiting_files", "application_name"),
            ("receiver_silence", Unit::Seconds, "receiver_silence_seconds", "application_name"),
            ("oldest_xmin", Unit::Transactions, "oldest_xmin_transactions", "application_name"),
            ("slot_used", Unit::Percent, "slot_used_percent", "slot_name"),
            ("standby_lag_time", Unit::Seconds, "standby_lag_time_seconds", "application_name"),
        ] {
            let text = report(vec![figured(name, Some("s"), unit)]).text(Format::Prometheus);
            let own: Vec<_> = text.lines().skip_while(|line| !line.contains(family)).collect();
            let prefix = format!("pg_replication_{family}");
            let help = help_of(name);
            assert_eq!(
                own,
                [
                    format!("# HELP {prefix} {help}"),
                    format!("# TYPE {prefix} gauge"),
                    format!("{prefix}{{server=\"h:1\",{label}=\"s\"}} 2.5"),
                ]
            );
        }
        let names = [
            "is_replica",
            "standby_streaming",
            "standby_lag",
            "standbys_streaming",
            "slot_active",
            "slot_retained",
            "synchronous_standbys",
            "archiver_failing",
            "archive_waiting",
            "receiver_silence",
            "replay_paused",
            "replay_lag",
            "oldest_xmin",
            "standby_lag_time",
            "standby_flush_lag",
            "client_lag",
            "commit_wait",
            "slot_used",
            "slot_ready",
            "slot_spilled",
            "archive_age",
            "archive_feed",
            "replay_lag_time",
            "oldest_transaction",
            "oldest_prepared",
            "subscription_applies",
        ];
        let helps: std::collections::BTreeSet<_> =
            names.into_iter().chain(["other"]).map(help_of).collect();
        assert_eq!(helps.len(), names.len() + 1);
    }

    #[test]
    fn a_server_that_was_not_reached_is_down_and_every_severity_has_its_code() {
        let severities = [
            (Severity::None, "0"),
            (Severity::Ok, "0"),
            (Severity::Info, "0"),
            (Severity::Warning, "1"),
            (Severity::Critical, "2"),
            (Severity::Unknown, "3"),
        ];
        for (severity, code) in severities {
            let report = Report { server: None, ..report(vec![finding("x", severity, None)]) };
            let text = report.text(Format::Prometheus);
            let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
            let state = format!(
                "pg_replication_check_state{{server=\"h:1\",check=\"x\",subject=\"\"}} {code}"
            );
            let took = "pg_replication_check_duration_seconds{server=\"h:1\"} 0.012";
            assert_eq!(samples, ["pg_replication_up{server=\"h:1\"} 0", took, &state]);
        }
        assert_eq!(labelled(&[("a", "b\\c\"d\ne")]), "{a=\"b\\\\c\\\"d\\ne\"}");
        assert_eq!(labelled(&[]), "");
    }
}
