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
