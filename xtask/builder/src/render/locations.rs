//! Renders the availability of the locations of sources.

use fetch::{Availability, LocationCheck};
use serde_json::{Value, json};

use xtask::output::{Color, Style};

/// One line per location, with the file name at its first one. The answers of URLs are below a
/// failed one.
pub(crate) fn table(style: Style, checks: &[LocationCheck]) -> String {
    let width = checks.iter().map(|check| check.file.len()).max();
    let width = width.unwrap_or(0).max(4);
    let heading = format!("{:<9}  {:<width$}  location", "state", "file");
    let mut lines = vec![style.paint(Color::Bold, &heading)];
    let mut previous = "";
    for check in checks {
        let (color, state) = match check.availability {
            Availability::Available(_) => (Color::Green, "available"),
            Availability::Unavailable(_) => (Color::Red, "failed"),
            Availability::NotAsked => (Color::Red, "unchecked"),
        };
        let state = style.paint(color, &format!("{state:<9}"));
        let file = if check.file == previous {
            ""
        } else {
            &check.file
        };
        previous = &check.file;
        lines.push(format!("{state}  {file:<width$}  {}", check.location));
        if let Availability::Unavailable(tries) = &check.availability {
            let answers = tries
                .iter()
                .map(|one| format!("    {}: {}", one.url, one.why));
            lines.extend(answers);
        }
    }
    lines.join("\n")
}

/// The same for programs, one object per location.
pub(crate) fn json(check: &LocationCheck) -> Value {
    let (state, url, answers) = match &check.availability {
        Availability::Available(url) => ("available", Some(url), Vec::new()),
        Availability::NotAsked => ("not-asked", None, Vec::new()),
        Availability::Unavailable(tries) => {
            let answer = |one: &fetch::Attempt| json!({"url": one.url, "why": one.why});
            ("failed", None, tries.iter().map(answer).collect())
        }
    };
    json!({
        "reason": "location", "file": check.file, "location": check.location.to_string(),
        "state": state, "url": url, "answers": answers,
    })
}

#[cfg(test)]
mod tests {
    use fetch::Attempt;
    use plan::source::Location;

    use super::*;

    #[test]
    fn each_state_of_a_location_is_shown() {
        let check = |file: &str, location: &str, availability| LocationCheck {
            file: file.to_owned(),
            location: Location::parse(location).unwrap(),
            availability,
        };
        let lost = Attempt {
            url: "http://mirror.example/pool/a.tar".to_owned(),
            why: "HTTP status 404".to_owned(),
            hint: None,
        };
        let checks = [
            check(
                "a.tar",
                "debian:pool/a.tar",
                Availability::Unavailable(vec![lost]),
            ),
            check(
                "a.tar",
                "https://a.example/a.tar",
                Availability::Available("https://a.example/a.tar".to_owned()),
            ),
            check("bb.tar", "debian:pool/bb.tar", Availability::NotAsked),
        ];
        let style = Style {
            color: false,
            interactive: false,
        };
        insta::assert_snapshot!(table(style, &checks), @r"
        state      file    location
        failed     a.tar   debian:pool/a.tar
            http://mirror.example/pool/a.tar: HTTP status 404
        available          https://a.example/a.tar
        unchecked  bb.tar  debian:pool/bb.tar
        ");
        insta::assert_snapshot!(json(&checks[0]), @r#"{"answers":[{"url":"http://mirror.example/pool/a.tar","why":"HTTP status 404"}],"file":"a.tar","location":"debian:pool/a.tar","reason":"location","state":"failed","url":null}"#);
    }
}
