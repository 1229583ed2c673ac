//! Parses `qmp_wait EVENT key=value… --timeout SECONDS`.

use std::fmt;
use std::time::Duration;

use qemu::RawEvent;
use serde_json::Value;

/// An event name with expected values.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    name: String,
    values: Vec<(String, String)>,
    /// The time limit of the caller, if any.
    pub timeout: Option<Duration>,
}

/// Why the arguments are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The arguments are empty.
    #[error("qmp_wait: expected an event")]
    Nothing,
    /// An argument has no `=`.
    #[error("qmp_wait: expected key=value, found `{0}`")]
    NoValue(String),
    /// The timeout is not a number of seconds.
    #[error("qmp_wait: `--timeout` expects seconds")]
    Timeout,
}

impl Expected {
    /// Parses the arguments.
    pub fn parse(args: &[String]) -> Result<Self, EventError> {
        let mut name = None;
        let mut values = Vec::new();
        let mut timeout = None;
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let seconds = match arg.strip_prefix("--timeout") {
                Some("") => Some(args.next().ok_or(EventError::Timeout)?.as_str()),
                Some(value) => value.strip_prefix('='),
                None => None,
            };
            if let Some(seconds) = seconds {
                let time = plan::duration::seconds(seconds);
                timeout = Some(time.ok_or(EventError::Timeout)?);
            } else if name.is_none() {
                name = Some(arg.clone());
            } else {
                let (key, value) = arg
                    .split_once('=')
                    .ok_or_else(|| EventError::NoValue(arg.clone()))?;
                values.push((key.to_owned(), value.to_owned()));
            }
        }
        Ok(Self {
            name: name.ok_or(EventError::Nothing)?,
            values,
            timeout,
        })
    }

    /// Whether an event matches. A dotted key refers to nested objects. A value is compared as
    /// JSON, or as a text.
    #[must_use]
    pub fn fits(&self, event: &RawEvent) -> bool {
        let has = |(key, wanted): &(String, String)| {
            let found = key
                .split('.')
                .try_fold(&event.data, |data, part| data.get(part));
            found.is_some_and(|found| {
                found.as_str() == Some(wanted)
                    || serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| wanted == *found)
            })
        };
        event.name == self.name && self.values.iter().all(has)
    }
}

impl Expected {
    /// The device whose deletion is awaited.
    #[must_use]
    pub fn deleted_device(&self) -> Option<&str> {
        let mut values = self.values.iter();
        let device = values.find(|(key, _)| key == "device");
        (self.name == "DEVICE_DELETED").then_some(device?.1.as_str())
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.values
            .iter()
            .try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(line: &str) -> Result<Expected, EventError> {
        let args: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Expected::parse(&args)
    }

    #[test]
    fn event_matches_by_name_and_values() {
        let event = |name: &str, data| RawEvent {
            name: name.to_owned(),
            data,
            micros: 0,
        };
        let deleted = event(
            "DEVICE_DELETED",
            json!({"device": "d0", "path": "/machine/d0", "new": {"a": 1, "b": "future"}}),
        );
        let check =
            |line: &str, fits| assert_eq!(parse(line).unwrap().fits(&deleted), fits, "{line}");
        check("DEVICE_DELETED", true);
        check("DEVICE_DELETED device=d0", true);
        check("DEVICE_DELETED device=\"d0\" new.a=1 new.b=future", true);
        check("DEVICE_DELETED device=d1", false);
        check("DEVICE_DELETED new.a=\"1\"", false);
        check("DEVICE_DELETED missing=d0", false);
        check("DEVICE_ADDED device=d0", false);
        assert!(parse("STOP").unwrap().fits(&event("STOP", Value::Null)));
        assert!(!parse("STOP a=1").unwrap().fits(&event("STOP", Value::Null)));
    }

    #[test]
    fn deleted_device_is_known_from_the_arguments() {
        let check = |line: &str, device: Option<&str>| {
            assert_eq!(parse(line).unwrap().deleted_device(), device, "{line}");
        };
        check("DEVICE_DELETED device=d0 --timeout 30", Some("d0"));
        check("DEVICE_DELETED", None);
        check("DEVICE_UNPLUG_GUEST_ERROR device=d0", None);
    }

    #[test]
    fn timeout_may_be_at_any_position() {
        let seconds = |line: &str| parse(line).unwrap().timeout.map(|time| time.as_millis());
        assert_eq!(seconds("STOP"), None);
        assert_eq!(seconds("STOP --timeout 2"), Some(2000));
        assert_eq!(seconds("--timeout=0.5 STOP a=b"), Some(500));
        let longest = plan::duration::LONGEST.as_millis();
        assert_eq!(seconds("STOP --timeout 1e19"), Some(longest));
        assert_eq!(seconds("STOP --timeout inf"), Some(longest));
    }

    #[test]
    fn malformed_event_arguments_are_refused() {
        let check = |line: &str, message: &str| {
            assert_eq!(parse(line).unwrap_err().to_string(), message);
        };
        check("", "qmp_wait: expected an event");
        check("STOP now", "qmp_wait: expected key=value, found `now`");
        check("STOP --timeout", "qmp_wait: `--timeout` expects seconds");
        check("STOP --timeout -1", "qmp_wait: `--timeout` expects seconds");
    }
}
