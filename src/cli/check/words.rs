//! Reads a connection string or URI into its parameters, as libpq does (manual: Connection Strings). Pure: it knows
//! the names of parameters, not their meaning.

use std::collections::BTreeMap;

/// The parameters of a connection, by their names. A value may be empty: it then hides the variable of the
/// environment, as in libpq.
pub(super) type Words = BTreeMap<String, String>;

/// Why a connection string is invalid. The sentence never contains the value of a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadTarget(pub(super) String);

/// The names of all parameters of libpq up to version 19.
const NAMES: [&str; 52] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_ca_file",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Reads the string of a command line: a URI, a list of parameters, or the name of a database.
///
/// # Errors
///
/// The string is malformed, or names an unknown parameter. The sentence never contains a password.
pub(super) fn words_of(text: &str) -> Result<Words, BadTarget> {
    let uri = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match uri {
        Some(rest) => words_of_uri(rest),
        None if text.is_empty() => Ok(Words::new()),
        // One word alone is the database's name.
        None if !text.contains('=') => Ok(Words::from([("dbname".to_owned(), text.to_owned())])),
        None => words_of_string(text),
    }
}

/// Adds a parameter; of two values, the later one counts. `requiressl` is an old name of `sslmode`.
///
/// # Errors
///
/// No version of libpq has a parameter of this name.
pub(super) fn set(words: &mut Words, name: &str, value: String) -> Result<(), BadTarget> {
    let (name, value) = match name {
        "requiressl" if value.starts_with('1') => ("sslmode", "require".to_owned()),
        "requiressl" => ("sslmode", "prefer".to_owned()),
        name => (name, value),
    };
    if !NAMES.contains(&name) {
        return Err(BadTarget(format!("there is no connection parameter {name:?}")));
    }
    words.insert(name.to_owned(), value);
    Ok(())
}

/// Reads `host=a user='b c'`, with libpq's rules for blanks around `=`, quotes and backslashes.
fn words_of_string(text: &str) -> Result<Words, BadTarget> {
    let mut words = Words::new();
    let mut rest = text;
    while !rest.trim_start().is_empty() {
        let (word, after) = rest
            .split_once('=')
            .ok_or_else(|| BadTarget("a word in the connection string has no \"=\"".to_owned()))?;
        let word = word.trim();
        if word.is_empty() || word.contains(char::is_whitespace) {
            return Err(BadTarget("a word in the connection string has no \"=\"".into()));
        }
        let (value, after) = value(after.trim_start()).ok_or_else(|| {
            BadTarget(format!("the quoted value of {word:?} has no closing quote"))
        })?;
        set(&mut words, word, value)?;
        rest = after;
    }
    Ok(words)
}

/// Reads a value, and returns it with the text after it; `None` where a quote is not closed.
fn value(text: &str) -> Option<(String, &str)> {
    let (quoted, text) = text.strip_prefix('\'').map_or((false, text), |text| (true, text));
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, character)| character)),
            '\'' if quoted => return Some((value, text.get(at + 1..)?)),
            space if !quoted && space.is_whitespace() => return Some((value, text.get(at..)?)),
            other => value.push(other),
        }
    }
    (!quoted).then_some((value, ""))
}

/// Reads `user:password@host:port,host:port/database?word=value&…`, each part percent-encoded.
fn words_of_uri(rest: &str) -> Result<Words, BadTarget> {
    let mut words = Words::new();
    // As in libpq, a user ends at the first "@" before any "/", and a password at the same "@".
    let credentials = rest.split('/').next().and_then(|before| before.split_once('@'));
    let (who, rest) = match credentials {
        Some((who, _)) => (who, rest.get(who.len() + 1..).unwrap_or_default()),
        None => ("", rest),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (hosts, rest) = rest.split_at(end);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let (hosts, ports) = servers(hosts)?;
    let database = path.strip_prefix('/').unwrap_or_default();
    for (word, value) in [
        ("user", user),
        ("password", password),
        ("host", &hosts),
        ("port", &ports),
        ("dbname", database),
    ] {
        if !value.is_empty() {
            set(&mut words, word, decoded(value)?)?;
        }
    }
    // Only the end of the query may be an empty parameter.
    let pairs = query.strip_suffix('&').unwrap_or(query).split('&');
    for pair in pairs.filter(|_| !query.is_empty()) {
        let (word, value) =
            pair.split_once('=').filter(|(_, value)| !value.contains('=')).ok_or_else(|| {
                BadTarget("a parameter in the URI needs exactly one \"=\"".to_owned())
            })?;
        match (decoded(word)?.as_str(), decoded(value)?) {
            ("ssl", value) if value == "true" => set(&mut words, "sslmode", "require".to_owned())?,
            (word, value) => set(&mut words, word, value)?,
        }
    }
    Ok(words)
}

/// Splits `host:port,[host]:port` into a list of hosts and a list of ports. An empty item stays: it is the default.
fn servers(text: &str) -> Result<(String, String), BadTarget> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for server in text.split(',') {
        let (host, port) = match server.strip_prefix('[') {
            Some(address) => {
                let (host, rest) = address
                    .split_once(']')
                    .filter(|(host, rest)| !host.is_empty() && (rest.is_empty() || rest.starts_with(':')))
                    .ok_or_else(|| {
                        BadTarget("an address in brackets in the URI is not closed, is empty, or is followed by something else than a port".to_owned())
                    })?;
                (host, rest.strip_prefix(':').unwrap_or_default())
            }
            None => server.split_once(':').unwrap_or((server, "")),
        };
        hosts.push(host);
        ports.push(port);
    }
    Ok((hosts.join(","), ports.join(",")))
}

fn decoded(text: &str) -> Result<String, BadTarget> {
    let bad = || {
        let rule = "a \"%\" in the URI is not followed by two hexadecimal digits of a character";
        BadTarget(rule.to_owned())
    };
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'%' => {
                let digits = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
                let digits = std::str::from_utf8(&digits).map_err(|_| bad())?;
                u8::from_str_radix(digits, 16).ok().filter(|byte| *byte != 0).ok_or_else(bad)?
            }
            other => other,
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn pairs(expected: &[(&str, &str)]) -> Words {
        expected.iter().map(|(word, value)| ((*word).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_end_where_their_quotes_or_blanks_say() {
        for (text, expected) in [
            ("user=a dbname=b", &[("user", "a"), ("dbname", "b")][..]),
            ("user='a b'dbname=c", &[("user", "a b"), ("dbname", "c")]),
            ("user = 'a'  dbname\t=\nb", &[("user", "a"), ("dbname", "b")]),
            (r"user=a\ b\'c", &[("user", "a b'c")]),
            ("user=a'b", &[("user", "a'b")]),
            ("user= dbname=b", &[("user", "dbname=b")]),
            ("user=''", &[("user", "")]),
            ("requiressl=1", &[("sslmode", "require")]),
            ("sslmode=require requiressl=0", &[("sslmode", "prefer")]),
            ("shop", &[("dbname", "shop")]),
            ("", &[]),
        ] {
            assert_eq!(words_of(text), Ok(pairs(expected)), "{text}");
        }
        for text in ["=a", "user=a b", "a b=c", "user='a", "sslroot=a"] {
            assert!(words_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_part_of_a_uri_is_decoded() {
        for (text, expected) in [
            (
                "u%20v:p%25@a:1,[::1]:2/d%2Fe?options=-c%20x&sslmode=require",
                &[
                    ("user", "u v"),
                    ("password", "p%"),
                    ("host", "a,::1"),
                    ("port", "1,2"),
                    ("dbname", "d/e"),
                    ("options", "-c x"),
                    ("sslmode", "require"),
                ][..],
            ),
            ("[fe80::1]", &[("host", "fe80::1")]),
            ("a@h?sslmode=allow", &[("user", "a"), ("host", "h"), ("sslmode", "allow")]),
            ("h?ssl=true", &[("host", "h"), ("sslmode", "require")]),
            ("h?requiressl=1", &[("host", "h"), ("sslmode", "require")]),
            ("?host=/s&user=&", &[("host", "/s"), ("user", "")]),
            ("", &[]),
        ] {
            assert_eq!(words_of_uri(text), Ok(pairs(expected)), "{text}");
        }
        for text in [
            "h%",
            "h%4",
            "h%zz",
            "h%ff",
            "h%00",
            "h/d?user",
            "h/d?user=a=b",
            "h?&user=a",
            "h?user=a&&dbname=b",
            "h?ssl=false",
            "h?x=1",
        ] {
            assert!(words_of_uri(text).is_err(), "{text}");
        }
        assert_eq!(decoded("%41b%c3%A9"), Ok("Abé".to_owned()));
    }

    #[test]
    fn an_empty_item_in_the_servers_of_a_uri_stays() {
        for (text, hosts, ports) in [
            ("a,b:2", "a,b", ",2"),
            ("a:1,b", "a,b", "1,"),
            (",b:2", ",b", ",2"),
            (",", ",", ","),
            ("a:,b", "a,b", ","),
        ] {
            assert_eq!(servers(text), Ok((hosts.to_owned(), ports.to_owned())), "{text}");
        }
        for text in ["[::1", "[]:1", "[::1]x"] {
            assert!(servers(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_parameter_and_never_a_password() {
        for (text, part) in [
            ("host=h hots=x", "hots"),
            ("host=h and more=x", "has no"),
            ("password='secret", "closing quote"),
            ("postgres://u:secret%4@h", "hexadecimal"),
            ("postgres://u:secret@h/?connect_timeout", "exactly one"),
            ("postgres://u:secret@h/?hots=1", "hots"),
        ] {
            let BadTarget(why) = words_of(text).unwrap_err();
            assert!(why.contains(part) && !why.contains("secret"), "{text}: {why}");
        }
    }
}
