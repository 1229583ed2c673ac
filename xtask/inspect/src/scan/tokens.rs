//! The strings that identify a build machine, and which of them can be searched for.
//!
//! A short name, or a path that every machine has (`root`, `/tmp`), proves nothing by itself. It is
//! searched for only as part of a distinctive string, `user@host`. A longer name may still be a
//! common word, such as `debian`: [`Token::is_name`].

/// Names and paths of this machine. Unknown ones are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Host name.
    pub host: String,
    /// The user who builds.
    pub user: String,
    /// The user's home directory.
    pub home: String,
    /// The store, which contains the work directories.
    pub store: String,
    /// The checkout.
    pub checkout: String,
    /// The temporary directory.
    pub temporary: String,
}

/// A string to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The string.
    pub text: String,
    /// Its meaning, such as `host name`.
    pub what: &'static str,
    /// Whether it is a name, which a program may contain for other reasons. Any other string
    /// reveals the build location.
    pub is_name: bool,
}

/// The strings to search for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    tokens: Vec<Token>,
    ordinary: Vec<Token>,
}

/// Shorter strings occur anywhere.
const SHORTEST: usize = 5;

/// Paths that every machine has and programs know by name (FHS 3.0; glibc's `shm_open`).
const EVERYWHERE: [&str; 8] = [
    "/dev/shm",
    "/run/user",
    "/usr/local",
    "/usr/src",
    "/usr/tmp",
    "/var/cache",
    "/var/lib",
    "/var/tmp",
];

impl Tokens {
    /// The strings of a machine.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let mut tokens = Self::default();
        for (text, what) in [
            (&machine.store, "store"),
            (&machine.checkout, "checkout"),
            (&machine.home, "home directory"),
            (&machine.temporary, "temporary directory"),
        ] {
            let text = text.trim_end_matches('/');
            tokens.add(text, what, Kind::of_path(text));
        }
        let short = machine.host.split('.').next().unwrap_or_default();
        for (text, what) in [
            (machine.host.as_str(), "host name"),
            (short, "host name"),
            (machine.user.as_str(), "user name"),
        ] {
            tokens.add(text, what, Kind::Name);
        }
        if !machine.user.is_empty() && !machine.host.is_empty() {
            for host in [&machine.host, short] {
                let text = format!("{}@{host}", machine.user);
                tokens.add(&text, "user and host", Kind::Distinct);
            }
        }
        tokens
    }

    /// The strings that are searched for.
    #[must_use]
    pub fn sought(&self) -> &[Token] {
        &self.tokens
    }

    /// Strings of this machine that are not searched for, because every machine and every image has
    /// them.
    #[must_use]
    pub fn passed_over(&self) -> &[Token] {
        &self.ordinary
    }

    /// The first of these strings in a text.
    pub(crate) fn find(&self, text: &str) -> Option<&Token> {
        let mut tokens = self.tokens.iter();
        tokens.find(|token| token.positions(text.as_bytes()).next().is_some())
    }

    fn add(&mut self, text: &str, what: &'static str, kind: Kind) {
        let place = if kind == Kind::Common || text.len() < SHORTEST {
            &mut self.ordinary
        } else {
            &mut self.tokens
        };
        if !text.is_empty() && !place.iter().any(|token| token.text == text) {
            place.push(Token {
                text: text.to_owned(),
                what,
                is_name: kind == Kind::Name,
            });
        }
    }
}

/// How distinctive a string is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Common,
    Name,
    Distinct,
}

impl Kind {
    /// `/tmp` and `/root` exist on every machine.
    fn of_path(path: &str) -> Self {
        let parts = path.split('/').filter(|part| !part.is_empty());
        if parts.count() < 2 || EVERYWHERE.contains(&path) {
            Self::Common
        } else {
            Self::Distinct
        }
    }
}

impl From<&Token> for Tokens {
    fn from(token: &Token) -> Self {
        Self {
            tokens: vec![token.clone()],
            ordinary: Vec::new(),
        }
    }
}

impl Token {
    /// The offsets of whole-word matches in some bytes: `powerful` is not a leak of a host `power`.
    pub fn positions<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let goes_on =
            |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        memchr::memmem::find_iter(bytes, self.text.as_bytes()).filter(move |at| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            !goes_on(before) && !goes_on(bytes.get(at + self.text.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(machine: &Machine, sought: &[&str], passed_over: &[&str]) {
        let tokens = Tokens::of(machine);
        let texts = |tokens: &[Token]| -> Vec<String> {
            tokens.iter().map(|token| token.text.clone()).collect()
        };
        assert_eq!(texts(tokens.sought()), sought);
        assert_eq!(texts(tokens.passed_over()), passed_over);
    }

    #[test]
    fn generic_names_are_searched_together() {
        let machine = Machine {
            host: "debian".to_owned(),
            user: "root".to_owned(),
            home: "/root".to_owned(),
            store: "/root/.cache/kiln/".to_owned(),
            checkout: "/srv/kiln".to_owned(),
            temporary: "/tmp".to_owned(),
        };
        check(
            &machine,
            &["/root/.cache/kiln", "/srv/kiln", "debian", "root@debian"],
            &["/root", "/tmp", "root"],
        );
    }

    #[test]
    fn well_known_paths_are_not_leaks() {
        for place in ["/var/tmp", "/dev/shm/", "/usr/local"] {
            let machine = Machine {
                temporary: place.to_owned(),
                ..Machine::default()
            };
            check(&machine, &[], &[place.trim_end_matches('/')]);
        }
    }

    #[test]
    fn distinctive_names_are_searched_alone() {
        let machine = Machine {
            host: "anvil7.example.org".to_owned(),
            user: "wieland".to_owned(),
            home: "/home/wieland".to_owned(),
            ..Machine::default()
        };
        check(
            &machine,
            &[
                "/home/wieland",
                "anvil7.example.org",
                "anvil7",
                "wieland",
                "wieland@anvil7.example.org",
                "wieland@anvil7",
            ],
            &[],
        );
        check(&Machine::default(), &[], &[]);
    }

    #[test]
    fn only_whole_words_are_leaks() {
        let token = Token {
            text: "anvil".to_owned(),
            what: "host name",
            is_name: true,
        };
        let places = |text: &str| token.positions(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(places("anvil (anvil) x@anvil:/"), [0, 7, 16]);
        assert_eq!(places("anvils canvil anvil_x 0anvil"), [0; 0]);
    }
}
