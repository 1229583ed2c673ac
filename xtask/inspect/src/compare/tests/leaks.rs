//! Plants leaks in real files that the host's compiler, librarian and our archive writer make
//! twice, as in two builds.

use std::time::Duration;

use host::process::Command;
use plan::cpio::{Entry, Node, Writer, archive};

use super::*;

/// Two build directories with names of different lengths.
struct Builds {
    _scratch: tempfile::TempDir,
    sides: [Utf8PathBuf; 2],
}

impl Builds {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(scratch.path().to_owned()).unwrap();
        let sides = ["build", "another-build"].map(|name| root.join(name));
        for side in &sides {
            fs_err::create_dir(side).unwrap();
        }
        Self {
            _scratch: scratch,
            sides,
        }
    }

    fn write(&self, name: &str, contents: [&[u8]; 2]) {
        for (side, content) in self.sides.iter().zip(contents) {
            fs_err::write(side.join(name), content).unwrap();
        }
    }

    /// Compiles a program without libraries, with separate options for each side.
    fn program(&self, source: &str, options: [&[String]; 2]) {
        self.write("program.c", [source.as_bytes(); 2]);
        for (side, options) in self.sides.iter().zip(options) {
            let file = side.join("program.c").into_string();
            let plain = ["-O2", "-g0", "-static", "-nostdlib", "-Wl,--build-id=none"];
            let plain = plain.map(str::to_owned).into_iter();
            let words: Vec<String> = plain
                .chain(options.iter().cloned())
                .chain(["-o".to_owned(), "program".to_owned(), file])
                .collect();
            self.run(side, "cc", &words);
        }
        // Its path differs, and it is not an output.
        for side in &self.sides {
            fs_err::remove_file(side.join("program.c")).unwrap();
        }
    }

    fn run(&self, side: &Utf8Path, program: &str, words: &[String]) {
        let command = Command::new(program).args(words).current_dir(side);
        let command = command.env("SOURCE_DATE_EPOCH", self.epoch(side).to_string());
        command.read(Duration::from_secs(60)).unwrap();
    }

    /// The time of the second side is 12 hours later.
    fn epoch(&self, side: &Utf8Path) -> u64 {
        1_700_000_000 + if side == self.sides[0] { 0 } else { 43_201 }
    }

    fn difference(&self) -> Difference {
        let [first, second] = &self.sides;
        first_difference(first, second).unwrap().unwrap()
    }

    /// Checks the location in `program` (section and symbol) and the kind of leak.
    fn check_program(&self, section: &str, symbol: &str, words: [&str; 2], leak: &Leak) {
        let found = self.difference();
        assert_eq!(found.path, "program");
        let Position::Section {
            name,
            symbol: named,
            first,
            second,
            ..
        } = &found.place
        else {
            panic!("{found}");
        };
        assert_eq!(
            (name.as_str(), named.as_deref()),
            (section, Some(symbol)),
            "{found}"
        );
        assert!(
            first.contains(words[0]) && second.contains(words[1]),
            "{found}"
        );
        assert_eq!(
            found.leak(&Tokens::default()).as_ref(),
            Some(leak),
            "{found}"
        );
    }
}

/// A start function that uses a datum, so that no linker removes it.
fn program_with(datum: &str) -> String {
    format!(
        "__attribute__((used)) {datum};\n\
         void __attribute__((used)) _start(void) {{ for (;;); }}\n"
    )
}

fn define(name: &str, value: &str) -> Vec<String> {
    vec![format!("-D{name}=\"{value}\"")]
}

#[test]
fn compiled_in_build_path_is_named() {
    let builds = Builds::new();
    builds.program(
        &program_with("const char built_from[] = __FILE__"),
        [&[], &[]],
    );
    let words = ["/build/program.c", "/another-build/program.c"];
    builds.check_program(".rodata", "built_from", words, &Leak::Path);
}

#[test]
fn compiled_in_time_is_named() {
    let builds = Builds::new();
    builds.program(
        &program_with("const char banner[] = \"v1.37 (\" __DATE__ \" \" __TIME__ \")\""),
        [&[], &[]],
    );
    let words = ["Nov 14 2023 22:13:20", "Nov 15 2023 10:13:21"];
    builds.check_program(".rodata", "banner", words, &Leak::Time);
}

#[test]
fn compiled_in_host_name_is_recognised() {
    let builds = Builds::new();
    builds.program(
        &program_with("char linux_banner[] = \"Linux version 6.12 (me@\" HOST \") #1\""),
        [&define("HOST", "anvil7"), &define("HOST", "forge2")],
    );
    let words = ["(me@anvil7) #1", "(me@forge2) #1"];
    builds.check_program(".data", "linux_banner", words, &Leak::UserOrHost);
    let machine = Tokens::of(&crate::scan::Machine {
        host: "forge2".to_owned(),
        ..crate::scan::Machine::default()
    });
    let message = builds.difference().explain(&machine);
    assert!(
        message.ends_with("looks like this machine's host name"),
        "{message}"
    );
}

fn entries(names: &[&str]) -> Vec<Entry> {
    let entry = |name: &&str| Entry {
        path: (*name).to_owned(),
        mode: 0o644,
        node: Node::File(format!("# {name}\n").into_bytes()),
    };
    names.iter().map(entry).collect()
}

#[test]
fn archive_time_is_named_with_entry() {
    let builds = Builds::new();
    let made = builds.sides.each_ref().map(|side| {
        let epoch = builds.epoch(side);
        archive(&entries(&["fstab", "hosts"]), epoch).unwrap()
    });
    builds.write("initramfs.cpio", [&made[0], &made[1]]);
    assert_eq!(
        builds.difference().to_string(),
        "initramfs.cpio: entry fstab: mtime: 1700000000 / 1700043201; looks like a time"
    );
}

/// Combines the records of two archives, because our writer refuses entries out of order.
fn in_order(names: &[&str]) -> Vec<u8> {
    let record = |name: &&str| {
        let mut writer = Writer::new(0).unwrap();
        writer.push(&entries(&[name])[0]).unwrap();
        let whole = writer.finish();
        let trailer = archive(&[], 0).unwrap();
        let end = memchr::memmem::find(&whole, &trailer[110..121]).unwrap() - 110;
        whole[..end].to_vec()
    };
    let mut made: Vec<u8> = names.iter().flat_map(record).collect();
    made.extend(archive(&[], 0).unwrap());
    made
}

#[test]
fn different_archive_order_is_named() {
    let builds = Builds::new();
    let made = [in_order(&["fstab", "hosts"]), in_order(&["hosts", "fstab"])];
    builds.write("initramfs.cpio", [&made[0], &made[1]]);
    assert_eq!(
        builds.difference().to_string(),
        "initramfs.cpio: entry fstab: order: fstab / hosts; \
         looks like the order of a directory"
    );
}

#[test]
fn tool_version_in_config_is_named() {
    let builds = Builds::new();
    builds.write(
        "config",
        [
            b"CONFIG_A=y\nCONFIG_RUSTC_VERSION=109500\n",
            b"CONFIG_A=y\nCONFIG_RUSTC_VERSION=0\n",
        ],
    );
    assert_eq!(
        builds.difference().to_string(),
        "config: line 2: \"CONFIG_RUSTC_VERSION=109500\" / \"CONFIG_RUSTC_VERSION=0\"; \
         looks like the version of a host tool"
    );
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn object_in_a_library_is_analysed() {
    let builds = Builds::new();
    for (side, name) in builds.sides.iter().zip(["one", "two"]) {
        // The index of the library differs as well and comes first.
        let source = format!("const char where[] = \"/home/{name}/src\";\nint {name};\n");
        fs_err::write(side.join("a-source-with-a-long-name.c"), source).unwrap();
        fs_err::write(side.join("b.c"), "int same(void) { return 1; }\n").unwrap();
        builds.run(
            side,
            "cc",
            &words("-c -O2 -g0 a-source-with-a-long-name.c b.c"),
        );
        builds.run(
            side,
            "ar",
            &words("rcD lib.a b.o a-source-with-a-long-name.o"),
        );
        for file in ["a-source-with-a-long-name.", "b."] {
            for kind in ["c", "o"] {
                fs_err::remove_file(side.join(format!("{file}{kind}"))).unwrap();
            }
        }
    }
    assert_eq!(
        builds.difference().to_string(),
        "lib.a: entry a-source-with-a-long-name.o: section .rodata + 0x6 (symbol where): \
         \"/home/one/src\" / \"/home/two/src\"; also in .strtab; looks like a path"
    );
}

#[test]
fn tar_member_time_is_named() {
    let builds = Builds::new();
    let made = [7, 8].map(|mtime| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(2);
        header.set_mode(0o644);
        header.set_mtime(mtime);
        tar.append_data(&mut header, "a/b", &b"x\n"[..]).unwrap();
        tar.into_inner().unwrap()
    });
    builds.write("source.tar", [&made[0], &made[1]]);
    assert_eq!(
        builds.difference().to_string(),
        "source.tar: entry a/b: mtime: 7 / 8; looks like a time"
    );
}

/// Compiles a fake kernel that differs in one string, and strips it by `objcopy` or `strip`.
fn stripped(command: &str) -> Builds {
    let builds = Builds::new();
    builds.program(
        &program_with("const char linux_banner[] = \"(me@\" HOST \")\""),
        [&define("HOST", "anvil7"), &define("HOST", "forge2")],
    );
    for side in &builds.sides {
        let (program, arguments) = command.split_once(' ').unwrap();
        builds.run(side, program, &words(arguments));
    }
    builds
}

#[test]
fn stripped_kernel_uses_symbols_of_vmlinux() {
    for command in [
        "strip -s -o kernel program",
        "objcopy -O binary -R .note* -R .comment program kernel",
    ] {
        let builds = stripped(command);
        let kernels = builds.sides.each_ref().map(|side| side.join("kernel"));
        let without = first_difference(&kernels[0], &kernels[1])
            .unwrap()
            .unwrap()
            .to_string();
        assert!(!without.contains("linux_banner"), "{without}");

        // With the symbols of either side, but not with those of another program.
        for side in &builds.sides {
            let named =
                first_difference_named(&kernels[0], &kernels[1], &side.join("program")).unwrap();
            let named = named.unwrap().to_string();
            let expect = "section .rodata + 0x4 (symbol linux_banner): \"(me@anvil7)\" / ";
            assert!(named.starts_with(expect), "{named}");
        }
        let other = stripped("strip -s -o kernel program");
        other.program(
            &program_with("const char else_where[] = \"(ME@nobody) and more\""),
            [&[], &[]],
        );
        let foreign = other.sides[0].join("program");
        let foreign = first_difference_named(&kernels[0], &kernels[1], &foreign).unwrap();
        assert_eq!(foreign.unwrap().to_string(), without);

        for side in &builds.sides {
            fs_err::rename(side.join("program"), side.join("vmlinux")).unwrap();
        }
        let beside = builds.difference().to_string();
        assert!(
            beside.starts_with("kernel: section .rodata + 0x4 (symbol linux_banner)"),
            "{beside}"
        );
    }
}
