//! The file of a record: its name, its format, and the reader. Nothing here writes a record: the
//! notebook appends to it line by line.

use serde::Deserialize;
use serde_json::Value;

use super::event::{Begin, Entry, Event, FORMAT};
use super::older::in_current_format;
use crate::error::{Error, Result, Why};

/// Returns the name of the file that the record of a page is written to.
pub fn file_name(page: &str, major: u16, host: &str) -> String {
    format!("{page}.pg{major}-{host}.ndjson")
}

/// A record that has been read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The events in order; the first entry is that of [`Record::begin`].
    pub entries: Vec<Entry>,
    /// The numbers of the lines, from 1 on, whose event this lab does not know.
    pub skipped: Vec<usize>,
}

impl Record {
    /// Reads the text of a record.
    ///
    /// A last line without its end of line is that of a killed run and is left out. An unknown
    /// event is skipped and listed in [`Record::skipped`].
    ///
    /// # Errors
    ///
    /// The text does not begin with a `begin` event, is in a newer format, or has a line that is
    /// not an entry.
    pub fn read(text: &str) -> Result<Self> {
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let mut record = Self { entries: Vec::new(), skipped: Vec::new() };
        for (number, line) in (1..).zip(whole.lines()) {
            let bad = |source| Error::new("reading a record", Why::RecordLine { number, source });
            let line: Value = serde_json::from_str(line).map_err(bad)?;
            if number == 1 {
                check_format(&line)?;
            }
            let line: Line = serde_json::from_value(in_current_format(line)).map_err(bad)?;
            match serde_json::from_value(line.event) {
                Ok(event) => record.entries.push(Entry::new(line.at_ms, event)),
                Err(source) if number == 1 => return Err(bad(source)),
                Err(_) => record.skipped.push(number),
            }
        }
        record.begin()?;
        Ok(record)
    }

    /// Returns the head of the record.
    ///
    /// # Errors
    ///
    /// The record does not begin with one. A record that was read with [`read`](Self::read) does.
    pub fn begin(&self) -> Result<&Begin> {
        match self.entries.first().map(|entry| &entry.event) {
            Some(Event::Begin(begin)) => Ok(begin),
            _ => Err(Error::new("reading a record", Why::RecordWithoutBegin)),
        }
    }
}

/// A line whose event may be unknown.
#[derive(Deserialize)]
struct Line {
    at_ms: u64,
    event: Value,
}

/// Refuses a newer format before the head is decoded: the fields of the head may have changed.
fn check_format(head: &Value) -> Result<()> {
    let format = head.get("format").or_else(|| head.pointer("/event/begin/format"));
    match format.and_then(Value::as_u64) {
        Some(format) if format > u64::from(FORMAT) => {
            Err(Error::new("reading a record", Why::NewerRecord { format, known: FORMAT }))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::event::Outcome;
    use crate::record::fact::Fact;
    use crate::record::reading::Reading;

    fn begin(format: u32) -> String {
        let begin = Begin { format, ..Begin::new("p", "17.0") };
        line(Event::Begin(begin))
    }

    fn line(event: Event) -> String {
        serde_json::to_string(&Entry::new(7, event)).unwrap() + "\n"
    }

    fn measure(name: &str, reading: Reading, key: bool) -> Event {
        Event::Measure { name: name.into(), reading, key }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for event in [
            Event::Ready { server_version: "17.5".into() },
            Event::Fact { name: "rows".into(), value: Fact::from(vec![true, false]) },
            Event::Fact { name: "rows".into(), value: Fact::from(["a", "b"]) },
            measure("took", Duration::from_millis(2).into(), true),
            measure("r", Reading::Rate(1.5, "rows".into()), false),
            measure("p", Reading::Percent(-12.5), false),
            Event::End(Outcome::Passed),
            Event::End(Outcome::Failed),
        ] {
            let record = Record::read(&(begin(FORMAT) + &line(event.clone()))).unwrap();
            assert_eq!((&record.entries[1], record.skipped), (&Entry::new(7, event), vec![]));
        }
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_a_torn_middle_one_is_named() {
        assert_eq!(Record::read(&(begin(FORMAT) + "{\"at_ms\":3,\"ev")).unwrap().entries.len(), 1);
        let torn = Record::read(&(begin(FORMAT) + "{\"at_ms\":3,\"ev\n" + &begin(FORMAT)));
        assert!(torn.unwrap_err().to_string().contains("line 2 "));
    }

    #[test]
    fn an_event_that_is_not_known_is_skipped_and_counted() {
        let unknown = "{\"at_ms\":1,\"event\":{\"teleport\":{\"to\":\"Mars\"}}}\n";
        let text = begin(FORMAT) + unknown + &line(Event::End(Outcome::Passed));
        let record = Record::read(&text).unwrap();
        assert_eq!((record.entries.len(), record.skipped), (2, vec![2]));
    }

    #[test]
    fn a_newer_format_and_a_record_without_a_head_are_refused() {
        let newer = Record::read(&(begin(FORMAT + 1) + "{}\n")).unwrap_err();
        assert!(newer.to_string().contains("read it with a newer lab"), "{newer}");
        for text in ["", "{\"at_ms\":1,\"event\":{\"end\":\"passed\"}}\n"] {
            let headless = Record::read(text).unwrap_err().to_string();
            assert!(headless.contains("does not begin with"), "{headless}");
        }
    }

    /// Reads the forms in `fixtures/records`.
    #[test]
    fn older_formats_are_read() {
        let text = "{\"at_ms\":0,\"event\":\"begin\",\"format\":2,\"page\":\"p\",\"about\":\"a\",\
                    \"postgres\":\"17\",\"host\":\"local\",\"alone\":true,\"started\":1}\n\
                    {\"at_ms\":1,\"event\":\"fact\",\"name\":\"rows\",\"value\":[1000,true,[\"a\"]]}\n\
                    {\"at_ms\":2,\"event\":\"end\",\"passed\":false}\n";
        let record = Record::read(text).unwrap();
        assert_eq!(record.begin().unwrap().format, 2);
        let rows = Fact::List(vec![Fact::Count(1000), Fact::Bool(true), Fact::from(vec!["a"])]);
        let fact = Event::Fact { name: "rows".into(), value: rows };
        assert_eq!(record.entries[1], Entry::new(1, fact));
        assert_eq!(record.entries[2], Entry::new(2, Event::End(Outcome::Failed)));
    }

    #[test]
    fn the_name_of_a_file_has_the_page_the_version_and_the_host() {
        let name = file_name("scenario_04_manual_failover@promote", 17, "local");
        assert_eq!(name, "scenario_04_manual_failover@promote.pg17-local.ndjson");
    }

    /// Reads heads in both places where a format is written, of which the first is that of formats 1 and 2.
    #[test]
    fn a_newer_format_is_refused_wherever_a_head_writes_it() {
        for (head, refused) in [
            (format!("{{\"at_ms\":0,\"event\":\"begin\",\"format\":{}}}\n", FORMAT + 1), true),
            (format!("{{\"event\":{{\"begin\":{{\"format\":{}}}}}}}\n", FORMAT + 1), true),
            (begin(FORMAT), false),
            (begin(FORMAT - 1), false),
        ] {
            match Record::read(&head) {
                Err(error) => {
                    let newer = format!("a record in format {}; this lab", FORMAT + 1);
                    assert!(refused && error.to_string().contains(&newer), "{head}: {error}");
                }
                Ok(record) => assert_eq!((refused, record.entries.len()), (false, 1), "{head}"),
            }
        }
    }

    #[test]
    fn every_kind_of_value_of_an_older_fact_is_read() {
        let head = "{\"at_ms\":0,\"event\":\"begin\",\"format\":1,\"page\":\"p\",\"about\":\"a\",\
                    \"postgres\":\"17\",\"host\":\"local\",\"alone\":true,\"started\":1}\n";
        for (value, expected) in [
            ("7", Fact::Count(7)),
            ("false", Fact::Bool(false)),
            ("\"a\"", Fact::Text("a".into())),
            ("[3,1,[2]]", Fact::List(vec![3_u64.into(), 1_u64.into(), Fact::from([2_u64])])),
        ] {
            let fact = format!(
                "{{\"at_ms\":9,\"event\":\"fact\",\"name\":\"rows\",\"value\":{value}}}\n\
                 {{\"at_ms\":10,\"event\":\"step\",\"title\":\"Two\"}}\n\
                 {{\"at_ms\":11,\"event\":\"end\",\"passed\":true}}\n"
            );
            let record = Record::read(&(head.to_owned() + &fact)).unwrap();
            let events = [
                Entry::new(9, Event::Fact { name: "rows".into(), value: expected }),
                Entry::new(10, Event::Step { title: "Two".into() }),
                Entry::new(11, Event::End(Outcome::Passed)),
            ];
            assert_eq!(record.entries[1..], events, "{value}");
            assert_eq!(record.skipped, [0; 0], "{value}");
        }
    }

    #[test]
    fn a_head_that_is_not_understood_is_named_by_its_line() {
        let head = "{\"at_ms\":0,\"event\":{\"begin\":{\"format\":3}}}\n";
        let error = Record::read(head).unwrap_err();
        assert!(error.to_string().contains("line 1 is not an entry"), "{error}");
        assert!(format!("{error:?}").contains("missing field `page`"), "{error:?}");
    }
}
