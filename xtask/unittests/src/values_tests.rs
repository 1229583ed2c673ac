use proptest::prelude::*;

use super::*;

fn variables() -> BTreeMap<String, String> {
    let pairs = [
        ("MAX_SMP", "4"),
        ("TARGET", "qemu"),
        ("TWO", "-a  -b"),
        ("EMPTY", ""),
    ];
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Returns the result, or the reason of a failure.
fn read<T>(
    text: &str,
    read: impl FnOnce(&str, Scope<'_>) -> Result<T, ShellError>,
) -> Result<T, String> {
    let variables = variables();
    let scope = Scope {
        variables: &variables,
        now: 1_700_000_000,
    };
    read(text, scope).map_err(|error| match error {
        ShellError::Unsupported { what, .. } => format!("unsupported: {what}"),
        ShellError::Malformed { what, .. } => format!("malformed: {what}"),
    })
}

#[test]
fn words_are_read_as_by_a_shell() {
    let check = |text: &str, expect: &[&str]| {
        assert_eq!(
            read(text, words).as_deref(),
            Ok(expect.map_owned().as_slice()),
            "{text}"
        );
    };
    check("", &[]);
    check("-cpu max,+svm -m 4g", &["-cpu", "max,+svm", "-m", "4g"]);
    check(
        "-append 'a b' \"c  d\" e\\ f",
        &["-append", "a b", "c  d", "e f"],
    );
    check("a # the rest is a comment", &["a"]);
    check("a#b", &["a#b"]);
    check("-a \\\n-b \n", &["-a", "-b"]);
    check("\"10000000 `date +%s`\"", &["10000000 1700000000"]);
    check(
        "\"x date=$(date --date=\"2006-06-17 UTC\" +%s)\"",
        &["x date=1150502400"],
    );
    check("$((($MAX_SMP < 8)?$MAX_SMP:8))", &["4"]);
    check(
        "$(((MAX_SMP > 2) ? 1 + 2 * 3 : 8)),threads=4",
        &["7,threads=4"],
    );
    // Only an unquoted expansion is split.
    check(
        "x$TWO$EMPTY \"$TWO\" $EMPTY \"\" $UNSET",
        &["x-a", "-b", "-a  -b", ""],
    );
    check("${MAX_SMP}x $ \"\\$TWO \\x\"", &["4x", "$", "$TWO \\x"]);
    check("ept_access* ?x [y]", &["ept_access*", "?x", "[y]"]);
}

trait Owned {
    fn map_owned(&self) -> Vec<String>;
}

impl Owned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|&text| text.to_owned()).collect()
    }
}

#[test]
fn commands_are_never_run() {
    let check = |text: &str, expect: &str| {
        assert_eq!(read(text, words), Err(expect.to_owned()), "{text}");
    };
    check("$(touch x)", "unsupported: it runs `touch x`");
    check("`uname -r`", "unsupported: it runs `uname -r`");
    check("\"$(date +%Y)\"", "unsupported: it runs `date +%Y`");
    check(
        "$(date --date=tomorrow +%s)",
        "unsupported: it runs `date --date=tomorrow +%s`",
    );
    check("a; b", "unsupported: `;` outside of quotes");
    check("a && b", "unsupported: `&` outside of quotes");
    check("a > b", "unsupported: `>` outside of quotes");
    check("{a,b}", "unsupported: `{` outside of quotes");
    check("a\nb", "unsupported: it is more than one command");
    check("$1", "unsupported: `$1` is a variable of a shell");
    check("${A:-b}", "unsupported: `${A:-b}` is more than a variable");
    check("$((1 << 2))", "malformed: expected a number in arithmetic");
    check("$((010))", "unsupported: the number `010`");
    check("$((1 / 0))", "malformed: `1 / 0` has no value");
    check("'a", "malformed: a `'` is not closed");
    check("\"a", "malformed: a `\"` is not closed");
    check("`a", "malformed: a backtick is not closed");
    check("$(a", "malformed: a `(` is not closed");
    check("a\\", "malformed: it ends in a backslash");
}

#[test]
fn conditions_compare_strings_and_numbers() {
    let check = |text: &str, expect: bool| {
        assert_eq!(read(text, condition::holds), Ok(expect), "{text}");
    };
    check("[[ \"$TARGET\" != qemu ]]", false);
    check("[[ $TARGET == qemu ]] && [[ \"$CONFIG_EFI\" = y ]]", false);
    check("[[ $TARGET == qemu && ( -z $EFI || x = y ) ]]", true);
    check("[ \"$TARGET\" = qemu ] || [ ! -n \"\" ]", true);
    check("! [[ $MAX_SMP -lt 4 ]]", true);
    check("[[ MAX_SMP -ge 5 ]]", false);
    check("([[ a ]] && [[ ! \"\" ]])", true);
    check("[[ \"&&\" = '&&' ]]", true);
}

#[test]
fn other_conditions_are_refused() {
    let check = |text: &str, expect: &str| {
        assert_eq!(
            read(text, condition::holds),
            Err(expect.to_owned()),
            "{text}"
        );
    };
    check("grep -q x /proc/cpuinfo", "unsupported: it runs `grep`");
    check("[[ -f /etc/passwd ]]", "unsupported: `-f` in a condition");
    check("[[ a =~ b ]]", "unsupported: `=~` in a condition");
    check("[[ a = b* ]]", "unsupported: the pattern `b*`");
    check("[[ $(id -u) -eq 0 ]]", "unsupported: it runs `id -u`");
    check(
        "[ $EMPTY = a ]",
        "unsupported: an empty word without quotes in `[ … ]`",
    );
    check("[[ a ]]; true", "unsupported: `;` outside of quotes");
    check("[[ a = ]]", "malformed: a condition ends too early");
    check("[[ a", "malformed: expected `]]`");
    check("[[ a ]] &&", "malformed: it ends too early");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a \"'`$(){}\\\\\\n#;&|\\[\\]!=x0-9]{0,24}") {
        let _ = read(&text, words);
        let _ = read(&text, condition::holds);
    }
}
