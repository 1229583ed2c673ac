//! Surroundings as data, and what they change for a process.

use std::time::Duration;

use camino::Utf8Path;
use host::process::Command;

use super::surroundings::{Entrance, Surroundings};

#[test]
fn seed_decides_everything() {
    assert_eq!(Surroundings::of(7), Surroundings::of(7));
    let (one, other) = (Surroundings::of(7), Surroundings::of(8));
    assert_ne!(one.host_name, other.host_name);
    assert_ne!(one.user, other.user);
    let area = Utf8Path::new("/area");
    let length = |surroundings: &Surroundings| surroundings.directory(area).as_str().len();
    assert_ne!(length(&one), length(&other));
    insta::assert_snapshot!(
        one.command_line(
            &Entrance::Bubblewrap("/usr/bin/bwrap".into()),
            &["xtask".to_owned(), "rebuild".to_owned()],
        )
        .join(" ")
    );
}

#[test]
fn process_in_the_surroundings_sees_them() {
    let surroundings = Surroundings::of(7);
    let Some(program) = host::tools::find("bwrap") else {
        return;
    };
    let script = "id -u; uname -n; umask; echo $HOME $TZ $LC_ALL ${PATH%%:*}";
    let argv = ["sh", "-c", script].map(str::to_owned);
    let line = surroundings.command_line(&Entrance::Bubblewrap(program), &argv);
    let path = ["/usr/bin".into(), "/bin".into()];
    let output = Command::from_argv(&line)
        .envs(surroundings.environment(Utf8Path::new("/poison"), &path))
        .output(Duration::from_secs(20))
        .unwrap();
    let expect = format!(
        "{}\n{}\n0077\n{} {} {} /poison\n",
        surroundings.user,
        surroundings.host_name,
        surroundings.home,
        surroundings.zone,
        surroundings.locale
    );
    assert_eq!(output.stdout_text(), expect, "{}", output.stderr_text());
}
