//! Reads the bare-metal tests below `guest-tests/bare/`.

use camino::{Utf8Path, Utf8PathBuf};
use plan::diagnostic::Diagnostic;

use crate::bare::{AREA, BareTest};
use crate::body::Body;
use crate::files::{BrokenFile, TestFile};
use crate::header::Header;

/// The header of a test.
const HEADER: &str = "test.toml";

/// The tests in these directories.
pub(crate) fn load(
    directories: &[Utf8PathBuf],
) -> std::io::Result<Vec<Result<TestFile, BrokenFile>>> {
    let mut tests = Vec::new();
    for directory in directories {
        let test = directory.file_name().unwrap_or_default();
        let path = directory.join(HEADER);
        let source = directory.join(format!("{test}.c"));
        let missing = [&source, &path].into_iter().find(|path| !path.is_file());
        let header = match missing {
            Some(file) => Err(vec![missing_file(file)]),
            None => read(&path, test)?,
        };
        tests.push(match header {
            Ok(header) => Ok(TestFile {
                area: AREA.to_owned(),
                test: test.to_owned(),
                path,
                header,
                golden: Vec::new(),
            }),
            Err(faults) => Err(BrokenFile {
                name: format!("{AREA}::{test}"),
                faults,
            }),
        });
    }
    Ok(tests)
}

fn read(path: &Utf8Path, program: &str) -> std::io::Result<Result<Header, Vec<Diagnostic>>> {
    let text = String::from_utf8_lossy(&fs_err::read(path)?).into_owned();
    let header = Header::parse_bare(path, &text);
    Ok(header.map(|(header, options)| Header {
        body: Body::Bare(BareTest {
            program: program.to_owned(),
            options,
        }),
        ..header
    }))
}

fn missing_file(path: &Utf8Path) -> Diagnostic {
    let name = path.file_name().unwrap_or_default();
    Diagnostic {
        path: path.to_owned(),
        text: String::new(),
        span: 0..0,
        title: format!("missing `{path}`"),
        label: format!("a bare-metal test has a file `{name}`"),
        help: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Suite;

    fn suite(files: &[(&str, &str)]) -> Suite {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for (path, text) in files {
            let path = root.join("bare").join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        Suite::load(root, &["one".to_owned(), "two".to_owned()]).unwrap()
    }

    #[test]
    fn directory_with_source_and_header_is_a_test() {
        let text =
            "# Adds.\nsmp = 2\noptions = [\"-device\", \"edu\"]\nrequires.devices = [\"edu\"]\n";
        let suite = suite(&[
            ("edu/edu.c", ""),
            ("edu/test.toml", text),
            ("lib/kiln.h", ""),
            ("lib/one/start.S", ""),
        ]);
        let [found] = &suite.tests[..] else {
            panic!("{:?}", suite.broken)
        };
        assert_eq!((found.name().as_str(), found.header.smp), ("bare::edu", 2));
        assert_eq!(found.header.description, "Adds.");
        let Body::Bare(bare) = &found.header.body else {
            panic!("{:?}", found.header.body)
        };
        assert_eq!(
            (bare.program.as_str(), bare.options.join(" ")),
            ("edu", "-device edu".into())
        );
        assert!(
            suite.broken.is_empty() && suite.ignored.is_empty(),
            "{suite:?}"
        );
        let arches = ["one".to_owned(), "two".to_owned()];
        let names = suite.select(&crate::Filter::default(), &arches);
        let names: Vec<String> = names.iter().map(crate::Selected::name).collect();
        assert_eq!(names, ["one::bare::edu", "two::bare::edu"]);
    }

    #[test]
    fn wrong_header_is_reported_with_its_place() {
        let check = |header: &str, title: &str, at: &str| {
            let suite = suite(&[("a/a.c", ""), ("a/test.toml", header)]);
            let fault = &suite.broken[0].faults[0];
            assert_eq!(fault.title, title);
            assert_eq!(&fault.text[fault.span.clone()], at);
        };
        check("smp = 0\n", "`smp` is 0", "0");
        check("# A.\n\nsmpp = 2\n", "unknown key `smpp`", "smpp");
        let only = "`slots` is not for a bare-metal test";
        check("smp = 2\nslots = 1\n", only, "slots");
        let arch = "unknown architecture `three`";
        check("arch = [\"three\"]\n", arch, "three");
    }

    #[test]
    fn missing_file_is_reported() {
        let check = |file: &str, missing: &str| {
            let suite = suite(&[(file, "")]);
            let [broken] = &suite.broken[..] else {
                panic!("{suite:?}")
            };
            assert_eq!(broken.name, "bare::a");
            let title = &broken.faults[0].title;
            assert!(title.ends_with(&format!("/bare/a/{missing}`")), "{title}");
        };
        check("a/a.c", "test.toml");
        check("a/test.toml", "a.c");
        check("a/other.c", "a.c");
    }
}
