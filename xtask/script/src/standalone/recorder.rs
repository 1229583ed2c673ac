//! Records the actions of a test on its host for an export: the helper commands it used, and each
//! start of QEMU with the contents of the files at that moment.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::command::quote;
use qemu::BootFiles;
use session::Handover;

use super::ExportError;
use super::payload::Payload;

/// Helper commands that the script supports without a runner, and `qemu`, which is the script
/// itself.
const ANSWERED: [&str; 9] = [
    "choose",
    "fail",
    "leave",
    "named_choose",
    "offered",
    "qemu",
    "skip",
    "test_seconds",
    "wait_ready",
];
/// Maximum size of a file in bytes.
const LARGEST: u64 = 64 << 20;

/// Records the actions of a test. Shared by the threads of a run.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Recording>);

/// The recorded actions.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) starts: Vec<Start>,
    words: BTreeSet<String>,
}

/// A start of QEMU.
#[derive(Debug)]
pub struct Start {
    /// Its arguments, with [`KERNEL`], [`INITRAMFS`] and [`DEVICE_TREE`] below `scratch`.
    pub argv: Vec<String>,
    /// The folder of the test's files and disks.
    pub scratch: Utf8PathBuf,
    /// The base of relative paths.
    pub directory: Utf8PathBuf,
    /// The image.
    pub boot: BootFiles,
    /// The handover of the guest.
    pub handover: Handover,
    /// The total time limit.
    pub limit: Duration,
    files: Vec<File>,
}

/// Stand-in for the image's kernel on a recorded command line.
pub const KERNEL: &str = "kernel";
/// Stand-in for the image's initramfs.
pub const INITRAMFS: &str = "initramfs.cpio";

/// Stand-in for the image's device tree.
pub const DEVICE_TREE: &str = "device-tree";

/// A file in the scratch directory that QEMU's command line refers to.
#[derive(Debug)]
struct File {
    /// Path below the scratch folder.
    path: Utf8PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Directory,
    /// A disk without any data.
    Blank(u64),
    Bytes(Vec<u8>),
    Unfit(String),
}

impl Recorder {
    /// Records that a script used a helper command.
    pub fn word(&self, word: &str) {
        self.recording().words.insert(word.to_owned());
    }

    /// Records a start with the files that it refers to, because the test may change them later.
    pub fn start(&self, mut start: Start) -> std::io::Result<()> {
        start.read_files()?;
        self.recording().starts.push(start);
        Ok(())
    }

    pub(super) fn recording(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    /// The helper commands that need a runner.
    pub(super) fn unanswerable(&self) -> impl Iterator<Item = &str> {
        let words = self.words.iter().map(String::as_str);
        words.filter(|word| !ANSWERED.contains(word))
    }
}

impl Start {
    /// A start whose files are not read yet.
    #[must_use]
    pub fn new(
        argv: Vec<String>,
        places: (&Utf8Path, &Utf8Path),
        boot: BootFiles,
        handover: Handover,
        limit: Duration,
    ) -> Self {
        let (scratch, directory) = (places.0.to_owned(), places.1.to_owned());
        Self {
            argv,
            scratch,
            directory,
            boot,
            handover,
            limit,
            files: Vec::new(),
        }
    }

    /// Whether QEMU loads the image's initramfs, and therefore the test in it.
    pub(super) fn boots_initrd(&self) -> bool {
        let stand_in = self.scratch.join(INITRAMFS);
        self.argv
            .iter()
            .any(|argument| argument == stand_in.as_str())
    }

    /// The command line as words of a shell in which `$dir` is the scratch folder.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.argv.iter().map(|argument| {
            let parts: Vec<&str> = argument.split(self.scratch.as_str()).collect();
            let parts: Vec<String> = parts
                .into_iter()
                .map(|part| {
                    if part.is_empty() {
                        String::new()
                    } else {
                        quote(part)
                    }
                })
                .collect();
            match parts.as_slice() {
                [whole] if whole.is_empty() => "''".to_owned(),
                parts => parts.join("\"$dir\""),
            }
        })
    }

    /// The same, with one line per option and value.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let mut lines: Vec<String> = Vec::new();
        for word in self.words() {
            match lines.last_mut() {
                Some(line) if !word.starts_with('-') => {
                    line.push(' ');
                    line.push_str(&word);
                }
                _ => lines.push(word),
            }
        }
        lines.into_iter()
    }

    /// Adds the files to the script.
    pub(super) fn add_files(&self, payload: &mut Payload) -> Result<(), ExportError> {
        for file in &self.files {
            let path = file.path.as_str();
            match &file.content {
                Content::Directory => payload.directory(path),
                Content::Blank(size) => payload.blank(path, *size),
                Content::Bytes(bytes) => payload.file(path, bytes)?,
                Content::Unfit(what) => {
                    return Err(ExportError::File {
                        file: file.path.clone(),
                        what: what.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Makes relative paths absolute, and reads the files.
    fn read_files(&mut self) -> std::io::Result<()> {
        let mut paths = BTreeSet::new();
        for argument in &mut self.argv {
            if self.directory.starts_with(&self.scratch) {
                *argument = whole(argument, &self.directory);
            }
            paths.extend(below(argument, &self.scratch));
        }
        let images = [KERNEL, INITRAMFS, DEVICE_TREE].map(Utf8PathBuf::from);
        for path in paths.into_iter().filter(|path| !images.contains(path)) {
            self.read(&path)?;
        }
        Ok(())
    }

    fn read(&mut self, path: &Utf8Path) -> std::io::Result<()> {
        use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

        let place = self.scratch.join(path);
        // QEMU creates a file that does not exist yet.
        let Ok(data) = fs_err::metadata(&place) else {
            return Ok(());
        };
        let content = if data.is_dir() {
            Content::Directory
        } else if data.file_type().is_socket() {
            Content::Unfit("a socket, whose other end is not in the script".to_owned())
        } else if !data.is_file() {
            Content::Unfit("not a regular file".to_owned())
        } else if data.blocks() == 0 && data.len() > 0 {
            Content::Blank(data.len())
        } else if data.len() > LARGEST {
            Content::Unfit(format!("{} MiB long", data.len() >> 20))
        } else {
            Content::Bytes(fs_err::read(&place)?)
        };
        let is_directory = matches!(content, Content::Directory);
        self.files.push(File {
            path: path.to_owned(),
            content,
        });
        if is_directory {
            let mut entries = place.read_dir_utf8()?.collect::<Result<Vec<_>, _>>()?;
            entries.sort_by(|one, other| one.file_name().cmp(other.file_name()));
            for entry in entries {
                self.read(&path.join(entry.file_name()))?;
            }
        }
        Ok(())
    }
}

/// Makes those values in an argument absolute that are names in a directory:
/// `file=disk,format=raw`.
fn whole(argument: &str, directory: &Utf8Path) -> String {
    let value = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or(("", part));
        let is_name = !value.is_empty() && !value.starts_with(['/', '-']);
        let path = directory.join(value);
        match key {
            _ if !is_name || !path.exists() => part.to_owned(),
            "" => path.into_string(),
            key => format!("{key}={path}"),
        }
    };
    let parts: Vec<String> = argument.split(',').map(value).collect();
    parts.join(",")
}

/// The paths below a folder in an argument, relative to the folder.
fn below(argument: &str, folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let parts = argument.split(folder.as_str()).skip(1);
    let paths = parts.filter_map(|rest| {
        let rest = rest.strip_prefix('/')?;
        rest.split([',', '"']).next()
    });
    paths.map(Utf8PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_paths_become_shell_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Utf8Path::from_path(dir.path()).unwrap();
        let files = scratch.join("files");
        fs_err::create_dir_all(files.join("share")).unwrap();
        fs_err::write(files.join("disk"), "data").unwrap();
        fs_err::write(files.join("share/a"), "a").unwrap();
        let blank = fs_err::File::create(scratch.join("scratch0")).unwrap();
        blank.set_len(1 << 30).unwrap();
        let argv = [
            "-drive".to_owned(),
            "if=none,file=disk,format=raw".to_owned(),
            format!("file={scratch}/scratch0,x=it's"),
            format!("path={files}/share"),
            format!("{files}/made-later"),
            String::new(),
        ];
        let boot = BootFiles {
            kernel: "/k".into(),
            initrd: None,
            device_tree: None,
        };
        let places = (scratch, files.as_path());
        let limit = Duration::from_secs(1);
        let start = Start::new(argv.to_vec(), places, boot, Handover::default(), limit);
        let recorder = Recorder::default();
        recorder.start(start).unwrap();
        let recording = recorder.recording();
        let start = &recording.starts[0];
        let words: Vec<String> = start.words().collect();
        let expect = [
            "-drive",
            r#"if=none,file="$dir"/files/disk,format=raw"#,
            r#"file="$dir"'/scratch0,x=it'\''s'"#,
            r#"path="$dir"/files/share"#,
            r#""$dir"/files/made-later"#,
            "''",
        ];
        assert_eq!(words, expect);
        let kept: Vec<String> = start
            .files
            .iter()
            .map(|file| format!("{} {:?}", file.path, file.content))
            .collect();
        let expect = [
            "files/disk Bytes([100, 97, 116, 97])",
            "files/share Directory",
            "files/share/a Bytes([97])",
            "scratch0 Blank(1073741824)",
        ];
        assert_eq!(kept, expect);
    }

    #[test]
    fn helpers_needing_a_runner_are_known() {
        let recorder = Recorder::default();
        for word in ["qemu", "qmp", "choose", "serve", "qmp"] {
            recorder.word(word);
        }
        let recording = recorder.recording();
        let words: Vec<&str> = recording.unanswerable().collect();
        assert_eq!(words, ["qmp", "serve"]);
    }
}
