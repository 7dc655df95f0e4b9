//! Every exercise has two entry points: a test of `cargo test`, and the program `lab-scenarios`, which
//! an installed `lab` runs outside of a checkout. Both have the same names and the same two arguments.

/// Makes a test an exercise of the program, too: `#[apply(exercise)]` above `#[rstest]`.
///
/// The test stays as it is written. The program has no test harness, so it gets the body as a function
/// of its own, once for each case.
macro_rules! exercise {
    (
        $(#[doc = $doc:expr])* #[rstest]
        fn $name:ident(#[context] $test:ident: Context) $body:block
    ) => {
        $(#[doc = $doc])* #[rstest]
        fn $name(#[context] $test: Context) $body

        #[cfg(not(test))]
        const _: () = {
            fn body($test: Context) $body
            inventory::submit! {
                crate::support::Exercise {
                    module: module_path!(), name: stringify!($name), cases: &[(None, body)],
                }
            }
        };
    };
    (
        $(#[doc = $doc:expr])* #[rstest] $(#[case::$case:ident($($value:expr),+)])+
        fn $name:ident(#[context] $test:ident: Context, $(#[case] $arg:ident: $type:ty),+) $body:block
    ) => {
        $(#[doc = $doc])* #[rstest] $(#[case::$case($($value),+)])+
        fn $name(#[context] $test: Context, $(#[case] $arg: $type),+) $body

        #[cfg(not(test))]
        const _: () = {
            fn body($test: Context, $($arg: $type),+) $body
            inventory::submit! {
                crate::support::Exercise {
                    module: module_path!(), name: stringify!($name),
                    cases: &[$((Some(stringify!($case)), |test| body(test, $($value),+))),+],
                }
            }
        };
    };
}

pub(crate) use exercise;

/// The name of a case, none where a test has no cases, and its body.
#[cfg(not(test))]
pub(crate) type Case = (Option<&'static str>, fn(rstest::Context));

/// An exercise of the program: a test with its cases.
#[cfg(not(test))]
pub(crate) struct Exercise {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) cases: &'static [Case],
}

#[cfg(not(test))]
inventory::collect!(Exercise);
