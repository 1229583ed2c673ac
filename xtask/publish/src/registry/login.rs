//! Authentication at a registry: a password (RFC 7617), or a token that its token server issues for
//! one (distribution.github.io/distribution/spec/auth/token).

use std::cell::RefCell;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use host::env::RegistryLogin;
use net::{Answer, Client, HttpError, Method, Payload, Request};
use serde::Deserialize;

/// The credentials, and the last accepted header.
#[derive(Clone)]
pub(super) struct Login {
    /// `Basic …` with the user and the password.
    basic: Option<String>,
    /// The header that the registry accepted last.
    proof: RefCell<Option<String>>,
}

impl fmt::Debug for Login {
    /// Hides the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

impl Login {
    pub(super) fn new(login: &RegistryLogin) -> Self {
        let both = login.user.as_ref().zip(login.password.as_ref());
        let basic = both.map(|(user, password)| {
            format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
        });
        let proof = RefCell::new(None);
        Self { basic, proof }
    }

    /// The header for the next request.
    pub(super) fn header(&self) -> Option<(&'static str, String)> {
        let proof = self.proof.borrow().clone();
        proof.map(|proof| ("authorization", proof))
    }

    /// Obtains the credentials that a refused request lacked. Returns `false` if there are none. A
    /// `secure` registry cannot redirect a client to an insecure token server.
    pub(super) fn prove(
        &self,
        client: &Client,
        refusal: &Answer,
        secure: bool,
    ) -> Result<bool, HttpError> {
        let challenge = refusal.headers.get("www-authenticate");
        let challenge = challenge.map_or("", String::as_str);
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        let proof = if scheme.eq_ignore_ascii_case("bearer") {
            self.token(client, rest, secure)?
        } else {
            self.basic.clone()
        };
        let found = proof.is_some();
        self.proof.replace(proof);
        Ok(found)
    }

    fn token(
        &self,
        client: &Client,
        challenge: &str,
        secure: bool,
    ) -> Result<Option<String>, HttpError> {
        let value = |name: &str| parameter(challenge, name);
        let Some(realm) = value("realm").filter(|url| !secure || url.starts_with("https://"))
        else {
            return Ok(None);
        };
        let words = ["service", "scope"].map(|name| value(name).map(|its| format!("{name}={its}")));
        let words: Vec<String> = words.into_iter().flatten().collect();
        let joint = if realm.contains('?') { '&' } else { '?' };
        let basic = self.basic.clone();
        let answer = client.send(&Request {
            method: Method::Get,
            url: format!("{realm}{joint}{}", words.join("&")),
            shown: realm.to_owned(),
            headers: basic
                .map(|basic| ("authorization", basic))
                .into_iter()
                .collect(),
            payload: Payload::Empty,
        })?;
        let token = serde_json::from_slice::<Token>(&answer.body).ok();
        let token = token.filter(|_| answer.is_success());
        Ok(token.map(|token| format!("Bearer {}", token.token)))
    }
}

/// `name="value"` in a challenge (RFC 9110, 11.6.1).
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = challenge;
    while let Some((key, tail)) = rest.split_once("=\"") {
        let (value, tail) = tail.split_once('"')?;
        if key
            .trim_start_matches([' ', ','])
            .eq_ignore_ascii_case(name)
        {
            return Some(value);
        }
        rest = tail;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::parameter;

    #[test]
    fn challenge_parameters_may_contain_commas() {
        let challenge = r#"realm="https://a.example/token",service="a.example", scope="repository:a/b:pull,push""#;
        assert_eq!(
            parameter(challenge, "realm"),
            Some("https://a.example/token")
        );
        assert_eq!(
            parameter(challenge, "scope"),
            Some("repository:a/b:pull,push")
        );
        assert_eq!(parameter(challenge, "error"), None);
        assert_eq!(parameter("realm=\"cut", "realm"), None);
    }
}
