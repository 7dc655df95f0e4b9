//! Connection strings, URIs and variables as people write them.

use pretty_assertions::assert_eq;

use super::*;

fn read(text: &str) -> Result<Target, BadTarget> {
    read_with(text, &[])
}

fn read_with(text: &str, variables: &[(&'static str, &str)]) -> Result<Target, BadTarget> {
    let me = Me { name: "me", home: Path::new("/home/me"), socket: Some("/run/postgresql") };
    let variables = variables.iter().map(|(word, value)| (*word, (*value).to_owned()));
    Target::read(text, variables, &me)
}

fn places_of(text: &str) -> Vec<String> {
    read(text).unwrap().places.iter().map(Place::to_string).collect()
}

#[test]
fn hosts_are_read_in_either_form() {
    for (text, expected) in [
        ("", &["/run/postgresql:5432"][..]),
        ("host=db", &["db:5432"]),
        ("host=a,b port=1", &["a:1", "b:1"]),
        ("host = a,b port = '1,2'", &["a:1", "b:2"]),
        ("hostaddr=10.0.0.1", &["10.0.0.1:5432"]),
        ("postgresql://", &["/run/postgresql:5432"]),
        ("postgresql:///shop", &["/run/postgresql:5432"]),
        ("postgres://a:1,b:2/shop", &["a:1", "b:2"]),
        ("postgres://u:p@[::1]:7/shop", &["::1:7"]),
        ("postgres://%2Ftmp%2Fs/shop?port=7", &["/tmp/s:7"]),
        ("postgres:///shop?host=/tmp/s", &["/tmp/s:5432"]),
    ] {
        assert_eq!(places_of(text), expected, "{text}");
    }
}

#[test]
fn user_database_and_password_are_read_in_either_form() {
    for (text, user, database, password) in [
        ("", "me", "me", ""),
        ("shop", "me", "shop", ""),
        ("user=u", "u", "u", ""),
        (r"user=u password='it\'s \\' dbname=d", "u", "d", r"it's \"),
        (r"password=a\ b user=u", "u", "u", "a b"),
        ("postgres://u:p%40%3A@h/d", "u", "d", "p@:"),
    ] {
        let target = read(text).unwrap();
        assert_eq!((target.user.as_str(), target.database.as_str()), (user, database), "{text}");
        let given = target.config.get_password().unwrap_or_default();
        assert_eq!(given, password.as_bytes(), "{text}");
        assert_eq!(target.has_password, !password.is_empty());
    }
}

#[test]
fn the_string_wins_over_the_variables() {
    let variables = [("host", "a"), ("user", "v"), ("sslmode", "require"), ("passfile", "/p")];
    let target = read_with("host=b", &variables).unwrap();
    assert_eq!(target.places[0].host, "b");
    assert_eq!((target.user.as_str(), target.tls.mode), ("v", Mode::Require));
    assert_eq!(target.passfile, Path::new("/p"));
    assert_eq!(read("").unwrap().passfile, Path::new("/home/me/.pgpass"));
}

#[test]
fn tls_parameters_have_libpqs_defaults() {
    let tls = |text: &str| read(text).map(|target| (target.tls.mode, target.tls.roots));
    let usual = Roots::Usual("/home/me/.postgresql/root.crt".into());
    assert_eq!(tls(""), Ok((Mode::Prefer, usual.clone())));
    assert_eq!(tls("postgres://h/?ssl=true"), Ok((Mode::Require, usual)));
    assert_eq!(tls("sslrootcert=system"), Ok((Mode::VerifyFull, Roots::System)));
    let file = Roots::File("/ca".into());
    assert_eq!(tls("sslmode=verify-ca sslrootcert=/ca"), Ok((Mode::VerifyCa, file)));
    assert!(tls("sslmode=require sslrootcert=system").unwrap_err().0.contains("verify-full"));
    let own = read("sslcert=/c sslkey=/k").unwrap().tls.own;
    assert_eq!(own, Some(("/c".into(), "/k".into())));
}

#[test]
fn an_invalid_string_is_refused_without_its_password() {
    for (text, part) in [
        ("host=h sslmode=maybe", "verify-full"),
        ("host=h port=none", "65535"),
        ("host=a,b,c port=1,2", "ports"),
        ("host=h hots=x", "hots"),
        ("host=h and more=x", "has no"),
        ("password='secret", "closing quote"),
        ("postgres://u:secret%4@h", "hexadecimal"),
        ("postgres://u:secret@h/?connect_timeout", "has no"),
        ("connect_timeout=soon", "seconds"),
        ("target_session_attrs=prefer-standby", "standby"),
    ] {
        let BadTarget(why) = read(text).err().unwrap();
        assert!(why.contains(part), "{text}: {why}");
        assert!(!why.contains("secret"), "{why}");
    }
}

#[test]
fn a_wait_of_zero_is_no_limit() {
    assert_eq!(read("connect_timeout=3").unwrap().patience, Some(Duration::from_secs(3)));
    assert_eq!(read("connect_timeout=0").unwrap().patience, None);
}

#[test]
fn ignored_keywords_are_accepted() {
    let target = read("host=h gssencmode=prefer client_encoding=UTF8 channel_binding=prefer");
    assert_eq!(target.unwrap().config.get_application_name(), Some("lab check"));
}

#[test]
fn every_mode_of_tls_is_read_and_system_roots_require_the_strictest() {
    for (word, mode) in [
        ("disable", Mode::Disable),
        ("allow", Mode::Allow),
        ("prefer", Mode::Prefer),
        ("require", Mode::Require),
        ("verify-ca", Mode::VerifyCa),
        ("verify-full", Mode::VerifyFull),
    ] {
        assert_eq!(read(&format!("sslmode={word}")).unwrap().tls.mode, mode);
        let system = read(&format!("sslmode={word} sslrootcert=system"));
        assert_eq!(system.is_ok(), mode == Mode::VerifyFull, "{word}");
    }
}

#[test]
fn hosts_addresses_and_ports_are_paired_in_order() {
    let place = |host: &str, address: Option<&str>, port| {
        let (host, address) = (host.to_owned(), address.map(str::to_owned));
        Place { host, address, port }
    };
    for (text, expected) in [
        (
            "host=c,a,b hostaddr=10.0.0.3,10.0.0.1,10.0.0.2 port=3,1,2",
            vec![
                place("c", Some("10.0.0.3"), 3),
                place("a", Some("10.0.0.1"), 1),
                place("b", Some("10.0.0.2"), 2),
            ],
        ),
        (
            "host=a,,b",
            vec![
                place("a", None, 5432),
                place("/run/postgresql", None, 5432),
                place("b", None, 5432),
            ],
        ),
        (
            "hostaddr=10.0.0.1,10.0.0.2 port=7",
            vec![place("10.0.0.1", Some("10.0.0.1"), 7), place("10.0.0.2", Some("10.0.0.2"), 7)],
        ),
        ("host=a,b port=,2", vec![place("a", None, 5432), place("b", None, 2)]),
        ("port=65535", vec![place("/run/postgresql", None, 65535)]),
    ] {
        assert_eq!(read(text).unwrap().places, expected, "{text}");
    }
    for text in [
        "host=a,b hostaddr=10.0.0.1",
        "host=a port=1,2",
        "host=a,b port=1,2,3",
        "host=a port=0",
        "host=a port=65536",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let nowhere = places(None, None, None, None);
    assert_eq!(nowhere, Ok(vec![place("localhost", None, 5432)]));
}

#[test]
fn a_place_is_local_where_its_host_is_a_directory_and_it_has_no_address() {
    for (text, local) in [
        ("host=/tmp", true),
        ("host=db", false),
        ("host=/tmp hostaddr=10.0.0.1", false),
        ("hostaddr=10.0.0.1", false),
    ] {
        assert_eq!(read(text).unwrap().places[0].is_local(), local, "{text}");
    }
}

#[test]
fn an_attribute_that_the_client_library_lacks_is_one_that_it_has() {
    for (wanted, known) in [
        ("any", "any"),
        ("read-write", "read-write"),
        ("read-only", "read-only"),
        ("primary", "read-write"),
        ("standby", "read-only"),
    ] {
        assert_eq!(attributes(wanted), Ok(known));
        assert!(read(&format!("target_session_attrs={wanted}")).is_ok(), "{wanted}");
    }
    let target = read("target_session_attrs=standby").unwrap();
    let attributes = target.config.get_target_session_attrs();
    assert_eq!(attributes, tokio_postgres::config::TargetSessionAttrs::ReadOnly);
}

#[test]
fn a_wait_is_whole_seconds_above_0() {
    for (text, wait) in [("1", Some(1)), ("90", Some(90)), ("0", None), ("-1", None)] {
        assert_eq!(seconds(text), Ok(wait.map(Duration::from_secs)), "{text}");
    }
    assert!(seconds("1.5").is_err() && seconds("").is_err());
    assert_eq!(read("").unwrap().patience, None);
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
    ] {
        let expected =
            expected.iter().map(|(word, value)| ((*word).to_owned(), (*value).to_owned()));
        assert_eq!(words_of_string(text), Ok(expected.collect()), "{text}");
    }
    for text in ["user", "=a", "user=a b", "a b=c", "user='a"] {
        assert!(words_of_string(text).is_err(), "{text}");
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
        ("a@b@h", &[("user", "a@b"), ("host", "h")]),
        (",/?ssl=false&&user=", &[("ssl", "false")]),
        ("", &[]),
    ] {
        let expected =
            expected.iter().map(|(word, value)| ((*word).to_owned(), (*value).to_owned()));
        assert_eq!(words_of_uri(text), Ok(expected.collect()), "{text}");
    }
    for text in ["h%", "h%4", "h%zz", "h%ff", "h/d?user"] {
        assert!(words_of_uri(text).is_err(), "{text}");
    }
    assert_eq!(decoded("%41b%c3%A9"), Ok("Abé".to_owned()));
}
