//! Finds a service in the text of a service file, as libpq does (manual: The Connection Service File). Pure: the
//! caller reads the files.

use super::words::{BadTarget, Words, set};

/// Returns the parameters of the first section `[name]` of a file; `None` where the file has no such section.
///
/// # Errors
///
/// A line of the section is malformed or is not supported here.
pub(super) fn service(file: &str, name: &str) -> Result<Option<Words>, BadTarget> {
    let header = format!("[{name}]");
    let lines = file.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut section = lines.skip_while(|(_, line)| !line.starts_with(&header));
    if section.next().is_none() {
        return Ok(None);
    }
    let mut words = Words::new();
    for (index, line) in section.take_while(|(_, line)| !line.starts_with('[')) {
        let bad = |why: &str| BadTarget(format!("line {} of the service file: {why}", index + 1));
        if line.starts_with("ldap") {
            return Err(bad("a look-up by LDAP is not supported here"));
        }
        let (word, value) = line.split_once('=').ok_or_else(|| bad("it has no \"=\""))?;
        if word == "service" || word == "servicefile" {
            return Err(bad("a service cannot name another one"));
        }
        // Of two values in a section, the first one counts.
        if !words.contains_key(word) {
            set(&mut words, word, value.to_owned()).map_err(|BadTarget(why)| bad(&why))?;
        }
    }
    Ok(Some(words))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const FILE: &str = "# all\n[a]\nhost=h1\n\n[b] # the second\n  port=7 \nport=8\n#user=x\npassword=a = b\n[b]\nuser=u\n";

    #[test]
    fn a_service_is_the_first_section_of_its_name() {
        let of = |name: &str| service(FILE, name).unwrap();
        let pairs = |expected: &[(&str, &str)]| {
            Some(
                expected.iter().map(|(w, v)| ((*w).to_owned(), (*v).to_owned())).collect::<Words>(),
            )
        };
        assert_eq!(of("a"), pairs(&[("host", "h1")]));
        assert_eq!(of("b"), pairs(&[("port", "7"), ("password", "a = b")]));
        assert_eq!(of("c"), None);
    }

    #[test]
    fn a_malformed_line_of_the_section_is_refused_with_its_number() {
        for (line, part) in [
            ("host", "no \"=\""),
            ("hots=x", "hots"),
            ("host =x", "\"host \""),
            ("service=b", "another"),
            ("ldap://h/x", "not supported here"),
        ] {
            let file = format!("[x]\nnonsense\n[a]\n{line}\n");
            let BadTarget(why) = service(&file, "a").unwrap_err();
            assert!(why.contains(part) && why.contains("line 4"), "{line}: {why}");
        }
        assert!(service("[a]\n[b]\nnonsense", "a").unwrap().is_some());
    }
}
