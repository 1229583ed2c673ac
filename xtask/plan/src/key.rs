//! The build key of a step: a SHA-256 over everything that can change its output.
//!
//! Every field is hashed with its tag and length, so that different steps never hash the same
//! bytes. A test freezes the encoding. When it must change, [`FORMAT`] changes too.
//!
//! Everything that cannot change the output is excluded: the locations of a source and the file
//! names of its archive and patches, the licence, the summary, and `frozen`, which is a check of
//! the result.

use sha2::{Digest as _, Sha256};

use crate::digest::BuildKey;
use crate::source::{Patch, Source, SourcePin};
use crate::step::{
    Action, InitramfsEntry, InitramfsKind, Input, InputFile, Mount, Product, Script, Step,
};

/// Salt of every key.
pub const FORMAT: &str = "kiln step 1";

/// Computes the key of a step, and ignores the one in it.
#[must_use]
pub fn of(step: &Step) -> BuildKey {
    // Destructured completely, so that a new field does not compile until it is considered here.
    let Step {
        recipe,
        version,
        license: _,
        arch,
        product,
        action,
        sources,
        inputs,
        files,
        frozen: _,
        key: _,
    } = step;
    let mut fields = Fields::default();
    fields.text("format", FORMAT);
    fields.text("recipe", recipe);
    fields.text("version", version);
    fields.optional("arch", arch.as_deref());
    fields.text(
        "product",
        match product {
            Product::Toolchain => "toolchain",
            Product::Image => "image",
        },
    );
    add_action(&mut fields, action);
    fields.count("sources", sources.len());
    for source in sources {
        add_source(&mut fields, source);
    }
    fields.count("inputs", inputs.len());
    for input in inputs {
        add_input(&mut fields, input);
    }
    fields.count("files", files.len());
    for (name, content) in files {
        fields.text("file", name);
        fields.bytes("content", content);
    }
    BuildKey::from_bytes(fields.0.finalize().into())
}

fn add_action(fields: &mut Fields, action: &Action) {
    match action {
        Action::Script(Script {
            text,
            env,
            tools,
            toolchain_path,
        }) => {
            fields.text("action", "script");
            fields.text("script", text);
            fields.count("env", env.len());
            for (name, value) in env {
                fields.text("name", name);
                fields.text("value", value);
            }
            fields.count("tools", tools.len());
            for tool in tools {
                fields.text("tool", tool);
            }
            fields.optional("toolchain", toolchain_path.as_deref());
        }
        Action::Initramfs(entries) => {
            fields.text("action", "initramfs");
            fields.count("entries", entries.len());
            for entry in entries {
                add_entry(fields, entry);
            }
        }
        Action::Gather(files) => {
            fields.text("action", "gather");
            fields.count("files", files.len());
            for (name, file) in files {
                fields.text("name", name);
                add_input_file(fields, file);
            }
        }
    }
}

fn add_entry(fields: &mut Fields, entry: &InitramfsEntry) {
    let InitramfsEntry { path, mode, kind } = entry;
    fields.text("path", path);
    fields.number("mode", u64::from(*mode));
    match kind {
        InitramfsKind::Directory => fields.text("kind", "directory"),
        InitramfsKind::Text(text) => {
            fields.text("kind", "text");
            fields.text("text", text);
        }
        InitramfsKind::File(file) => {
            fields.text("kind", "file");
            add_input_file(fields, file);
        }
        InitramfsKind::Symlink(target) => {
            fields.text("kind", "symlink");
            fields.text("target", target);
        }
        InitramfsKind::CharDevice(major, minor) => {
            fields.text("kind", "char-device");
            fields.number("major", u64::from(*major));
            fields.number("minor", u64::from(*minor));
        }
        InitramfsKind::Links { list, target } => {
            fields.text("kind", "links");
            add_input_file(fields, list);
            fields.text("target", target);
        }
    }
}

fn add_input_file(fields: &mut Fields, file: &InputFile) {
    let InputFile { recipe, path } = file;
    fields.text("from", recipe);
    fields.text("path", path);
}

fn add_source(fields: &mut Fields, source: &Source) {
    let Source {
        name,
        pin,
        inner,
        strip,
        patches,
    } = source;
    let SourcePin {
        file: _,
        size: _,
        sha256,
        locations: _,
    } = pin;
    fields.text("source", name);
    fields.text("sha256", &sha256.to_string());
    fields.optional("inner", inner.as_deref());
    fields.number("strip", *strip as u64);
    fields.count("patches", patches.len());
    for Patch { path: _, text } in patches {
        fields.text("patch", text);
    }
}

fn add_input(fields: &mut Fields, input: &Input) {
    let Input {
        step: _,
        recipe,
        key,
        mount,
    } = input;
    fields.text("input", recipe);
    fields.text("key", &key.to_string());
    fields.text(
        "mount",
        match mount {
            Mount::In => "in",
            Mount::Toolchain => "toolchain",
        },
    );
}

/// A hash of tagged fields.
#[derive(Default)]
struct Fields(Sha256);

impl Fields {
    fn bytes(&mut self, tag: &str, value: &[u8]) {
        for part in [tag.as_bytes(), value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    fn text(&mut self, tag: &str, value: &str) {
        self.bytes(tag, value.as_bytes());
    }

    fn number(&mut self, tag: &str, value: u64) {
        self.bytes(tag, &value.to_le_bytes());
    }

    fn count(&mut self, tag: &str, items: usize) {
        self.number(tag, items as u64);
    }

    fn optional(&mut self, tag: &str, value: Option<&str>) {
        self.count(tag, value.iter().len());
        if let Some(value) = value {
            self.text(tag, value);
        }
    }
}

#[cfg(test)]
mod tests;
