//! Converts the shell arguments of `qmp COMMAND key=value…` to a QMP command.

use serde_json::{Map, Value};

/// A QMP command with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct MonitorCommand {
    /// The command, such as `device_add`.
    pub command: String,
    /// The arguments, an object.
    pub arguments: Value,
}

/// Why the arguments are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MonitorError {
    /// The arguments are empty.
    #[error("qmp: expected a command")]
    Nothing,
    /// An argument has no `=`.
    #[error("qmp: expected key=value, found `{0}`")]
    NoValue(String),
    /// Two arguments exclude each other.
    #[error("qmp: `{0}` is given twice")]
    Twice(String),
    /// The JSON is not a complete command.
    #[error("qmp: {0}")]
    NoCommand(String),
}

/// Parses `COMMAND key=value…`, or one argument with a complete command in JSON.
///
/// A value that is valid JSON is used as such, any other as a string. `a.b=1` nests. A string that
/// looks like a number needs quotes: `id='"1"'`. `--key=value` is the same as `key=value`.
pub fn parse(args: &[String]) -> Result<MonitorCommand, MonitorError> {
    let (command, rest) = args.split_first().ok_or(MonitorError::Nothing)?;
    if command.trim_start().starts_with('{') {
        return whole(command);
    }
    let mut arguments = Map::new();
    for arg in rest {
        // qemu-test's own form is `--key=value`.
        let (key, value) = arg
            .strip_prefix("--")
            .unwrap_or(arg)
            .split_once('=')
            .ok_or_else(|| MonitorError::NoValue(arg.clone()))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        insert(&mut arguments, key, value).ok_or_else(|| MonitorError::Twice(key.to_owned()))?;
    }
    Ok(MonitorCommand {
        command: command.clone(),
        arguments: Value::Object(arguments),
    })
}

fn whole(text: &str) -> Result<MonitorCommand, MonitorError> {
    let wrong = |why: String| MonitorError::NoCommand(why);
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let command = value.get("execute").and_then(Value::as_str);
    let command = command
        .ok_or_else(|| wrong("expected `execute`".to_owned()))?
        .to_owned();
    let arguments = value
        .get("arguments")
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()));
    Ok(MonitorCommand { command, arguments })
}

/// Inserts a value at a dotted path. `None` if the path is already used.
fn insert(object: &mut Map<String, Value>, key: &str, value: Value) -> Option<()> {
    match key.split_once('.') {
        None => object.insert(key.to_owned(), value).is_none().then_some(()),
        Some((outer, inner)) => {
            let nested = object
                .entry(outer)
                .or_insert_with(|| Value::Object(Map::new()));
            insert(nested.as_object_mut()?, inner, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shell_words_form_a_command() {
        let check = |args: &[&str], command: &str, arguments: Value| {
            let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
            let command = command.to_owned();
            assert_eq!(
                parse(&args),
                Ok(MonitorCommand { command, arguments }),
                "{args:?}"
            );
        };
        check(&["query-status"], "query-status", json!({}));
        let arguments = json!({"driver": "virtio-blk-pci", "id": "d0", "bootindex": 1});
        check(
            &[
                "device_add",
                "driver=virtio-blk-pci",
                "id=d0",
                "bootindex=1",
            ],
            "device_add",
            arguments,
        );
        let arguments = json!({"on": true, "list": [1, 2], "text": "1", "odd": "0815", "none": ""});
        let args = [
            "x",
            "on=true",
            "list=[1,2]",
            "text=\"1\"",
            "odd=0815",
            "none=",
        ];
        check(&args, "x", arguments);
        let arguments = json!({"file": {"driver": "null-co", "size": 9}, "node-name": "n"});
        let args = [
            "blockdev-add",
            "file.driver=null-co",
            "file.size=9",
            "node-name=n",
        ];
        check(&args, "blockdev-add", arguments);
        check(&["a", "equation=b=c"], "a", json!({"equation": "b=c"}));
        let arguments = json!({"driver": "nvme", "drive": "hd0"});
        check(
            &["device_add", "--driver=nvme", "--drive=hd0"],
            "device_add",
            arguments,
        );
        let text = " {\"execute\": \"cont\", \"arguments\": {\"a\": 1}}\n";
        check(&[text], "cont", json!({"a": 1}));
        check(&["{\"execute\": \"cont\"}"], "cont", json!({}));
    }

    #[test]
    fn malformed_command_arguments_are_refused() {
        let check = |args: &[&str], message: &str| {
            let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
            assert_eq!(parse(&args).unwrap_err().to_string(), message);
        };
        check(&[], "qmp: expected a command");
        check(&["stop", "now"], "qmp: expected key=value, found `now`");
        check(&["x", "a=1", "a=2"], "qmp: `a` is given twice");
        check(&["x", "a=1", "a.b=2"], "qmp: `a.b` is given twice");
        check(&["{\"run\": 1}"], "qmp: expected `execute`");
    }
}
