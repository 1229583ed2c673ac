//! Scripts of ktest, which the command line names: what they ask for, and the tests that they are.
//!
//! A script is called on the host with `deps`, and prints what it needs: in its first form (2013) lines
//! such as `MEM=512M`, today assignments to `ktest_*` variables. Pure: the caller runs the script and
//! looks for programs and files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::command::quote;

use crate::body::Body;
use crate::files::TestFile;
use crate::header::{Header, HostFiles};
use crate::ktest_script::Script;
use crate::tree::plain_name;

/// Runs a script in the guest.
const GUEST_SCRIPT: &str = include_str!("../data/ktest.sh");
/// Where guests have a tree of ktest, and the files of a script of the first form.
pub const TREE: &str = "/ktest";
/// Where guests have a script of the first form with the files that it requires.
pub const CDROM: &str = "/cdrom";
/// What the functions of ktest call, if the host has it.
pub const PROGRAMS: [&str; 18] = [
    "awk", "basename", "cp", "date", "dirname", "dmesg", "fuser", "grep", "id", "mktemp", "nproc",
    "numfmt", "pkill", "readlink", "sed", "seq", "sort", "tail",
];
/// The area of scripts of the first form.
pub const AREA: &str = "ktest";
/// In place of the tests of a script that cannot list them.
pub const ALL: &str = "all";
/// What runs a script.
pub const SHELL: &str = "bash";
/// Words that are programs on a host and must be those of the image in a guest.
const OF_IMAGE: [&str; 8] = [
    "halt", "init", "insmod", "poweroff", "reboot", "sh", "shutdown", "systemd",
];
/// The sizes of NVDIMMs.
const PMEM: &str = "ktest_pmem_devs";
const MIB: u64 = 1 << 20;
/// In MiB; QEMU aligns them at most so.
const PMEM_ALIGNMENT: u64 = 1024;
/// A script of the first form has no limit of its own.
const FIRST_FORM_LIMIT: Duration = Duration::from_secs(600);

/// How a script talks to its runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `deps` prints `REQUIRE=` and the like, `TEST SUCCESS` is the pass.
    First,
    /// `deps`, `list-tests` and `run-tests`; the exit status is the result.
    Functions,
}

/// What a script prints for `deps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// How it talks.
    pub form: Form,
    values: BTreeMap<String, String>,
}

/// What the caller found for a script.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The script.
    pub path: Utf8PathBuf,
    /// As the command line names it.
    pub shown: Utf8PathBuf,
    /// Its path in the guest.
    pub in_guest: Utf8PathBuf,
    /// The architecture of the host's programs.
    pub arch: String,
    /// Names of its tests; none in the first form.
    pub tests: Vec<String>,
    /// Programs of the host that the guest gets.
    pub programs: Vec<String>,
    /// Files of the host with their paths in the guest.
    pub files: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// Why it cannot run here, if so.
    pub skip: Option<String>,
}

impl Needs {
    /// Reads what `deps` prints; `None` if that is of neither form.
    #[must_use]
    pub fn parse(output: &str) -> Option<Self> {
        let lines = output.lines().filter_map(|line| line.split_once('='));
        let plain = |value: &str| {
            let value = value.trim();
            let inner = value
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'));
            inner.unwrap_or(value).to_owned()
        };
        let values: BTreeMap<_, _> = lines
            .map(|(name, value)| (name.trim().to_owned(), plain(value)))
            .collect();
        let form = if values.contains_key("ktest_mem") {
            Form::Functions
        } else if ["MEM", "REQUIRE", "SCRATCH"]
            .iter()
            .any(|name| values.contains_key(*name))
        {
            Form::First
        } else {
            return None;
        };
        Some(Self { form, values })
    }

    /// Those of a script that ends before it prints them.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            form: Form::Functions,
            values: BTreeMap::new(),
        }
    }

    /// Adds the NVDIMMs of a script, which `deps` does not print.
    pub fn add_nvdimms(&mut self, script: &str) {
        let lines = script.lines().map(str::trim);
        let sizes = lines.filter_map(|line| line.strip_prefix("config-pmem-devs "));
        let sizes: Vec<_> = sizes.map(|size| size.trim().trim_matches('"')).collect();
        self.values.insert(PMEM.to_owned(), sizes.join(" "));
    }

    fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// The words of a list; in the first form commas separate them.
    fn words(&self, name: &str) -> Vec<String> {
        let is_separator = |c: char| c.is_whitespace() || (c == ',' && self.form == Form::First);
        let words = self.value(name).split(is_separator);
        let words = words.filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }

    /// Files and programs that the first form requires: next to the script or on PATH, and those of the
    /// kernel's source tree.
    #[must_use]
    pub fn required(&self) -> [Vec<String>; 2] {
        [self.words("REQUIRE"), self.words("LREQUIRE")]
    }

    /// Why no guest of Kiln can serve the script.
    #[must_use]
    pub fn unsupported(&self, arch: &str) -> Option<String> {
        let wanted = self.value("ktest_arch");
        if !wanted.is_empty() && wanted != arch {
            return Some(format!(
                "needs the architecture {wanted}, this host is {arch}"
            ));
        }
        if self.value("ktest_no_vm") == "true" {
            return Some("runs on the host, without a guest".to_owned());
        }
        let sizes = [
            "MEM",
            "SCRATCH",
            "ktest_mem",
            "ktest_scratch_dev_sizes",
            PMEM,
        ]
        .into_iter();
        let mut sizes =
            sizes.flat_map(|name| self.words(name).into_iter().map(move |it| (name, it)));
        if let Some((name, size)) = sizes.find(|(_, size)| plan::size::parse(size).is_none()) {
            return Some(format!("expected sizes in `{name}`, found `{size}`"));
        }
        let lists = [
            ("ktest_make_install", "`make install` in the guest of"),
            ("ktest_images", "the disk image"),
            ("ktest_rw_images", "the disk image"),
        ];
        lists.iter().find_map(|(list, what)| {
            let first = self.words(list).into_iter().next()?;
            Some(format!("needs {what} `{first}`"))
        })
    }

    /// The kernel options that the script requires. The list of a script of the second form also contains
    /// the options of ktest's own kernel build; they are left out.
    #[must_use]
    pub fn config(&self, script: &str) -> Vec<String> {
        let list = match self.form {
            Form::First => "KERNEL_CONFIG_REQUIRE",
            Form::Functions => "ktest_kernel_config_require",
        };
        let own = self.words(list).into_iter().filter(|option| {
            let mut words = script.split(|c: char| c.is_whitespace() || c == ',' || c == '"');
            self.form == Form::First || words.any(|word| word == option)
        });
        let named = own.map(|option| option.trim_start_matches("CONFIG_").to_owned());
        named
            .map(|option| {
                if option.contains('=') {
                    option
                } else {
                    option + "=y"
                }
            })
            .collect()
    }

    /// The script that starts the guest, with the NVDIMMs and the arguments that it requires.
    fn host_script(&self) -> String {
        let sizes = self
            .sizes(PMEM)
            .into_iter()
            .map(|bytes| bytes.div_ceil(MIB));
        let sizes: Vec<u64> = sizes.collect();
        let files = (0..sizes.len()).map(|number| format!("\"$SCRATCH/pmem{number}\""));
        let files: Vec<_> = sizes.iter().zip(files).collect();
        let made = files.iter();
        let made = made.map(|(mib, file)| format!("    truncate -s {mib}M {file}\n"));
        let made = made.collect::<Vec<_>>().concat();
        let devices = files.iter().enumerate().map(|(number, (mib, file))| {
            format!(
                "-object memory-backend-file,id=pmem{number},share=on,mem-path={file},size={mib}M \
                 -device nvdimm,memdev=pmem{number}"
            )
        });
        let mut options: Vec<_> = devices.collect();
        if !sizes.is_empty() {
            let memory: u64 = self.value("ktest_mem").parse().unwrap_or_default();
            let slots = sizes.len();
            // Each NVDIMM begins at a multiple of its alignment.
            let all = memory + sizes.iter().map(|mib| mib + PMEM_ALIGNMENT).sum::<u64>();
            options.push(format!(
                "-machine nvdimm=on -m {memory}M,slots={slots},maxmem={all}M"
            ));
        }
        options.extend(self.words("ktest_qemu_append").iter().map(quote));
        format!("in_host() {{\n{made}    qemu {}\n}}\n", options.join(" "))
    }

    /// The header of its tests.
    fn header(&self, body: Body) -> Header {
        let mut header = Header::of_body(body);
        match self.form {
            Form::First => {
                header.memory = Some(self.value("MEM").to_owned());
                header.scratch = self.sizes("SCRATCH");
                header.timeout = FIRST_FORM_LIMIT;
            }
            Form::Functions => {
                header.memory = Some(format!("{}M", self.value("ktest_mem")));
                header.scratch = self.sizes("ktest_scratch_dev_sizes");
                if !header.scratch.is_empty() {
                    // The first disk of its guests is the root file system.
                    header.scratch.insert(0, 1 << 20);
                }
                header.append = self
                    .words("ktest_kernel_append")
                    .into_iter()
                    .filter(|word| !word.starts_with("console="))
                    .collect::<Vec<_>>()
                    .join(" ");
                if let Some(seconds) = self.positive("ktest_timeout") {
                    header.timeout = Duration::from_secs(seconds.into());
                }
            }
        }
        header.memory = header
            .memory
            .filter(|text| plan::size::parse(text).is_some());
        if let Some(count) = self.positive("ktest_cpus") {
            header.smp = count;
        }
        header
    }

    fn positive(&self, name: &str) -> Option<u32> {
        let number = self.value(name).parse().ok();
        number.filter(|number| *number > 0)
    }

    fn sizes(&self, name: &str) -> Vec<u64> {
        let words = self.words(name).into_iter();
        words.filter_map(|word| plan::size::parse(&word)).collect()
    }
}

/// The words of a script that may be programs that it calls; comments do not count.
pub fn words(script: &str) -> impl Iterator<Item = &str> {
    let lines = script
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let plain = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-', '+'].contains(&c);
    let words = lines.flat_map(move |line| line.split(move |c| !plain(c)));
    words.filter(|word| {
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && !OF_IMAGE.contains(word)
    })
}

/// The tests of a script: one for each of its functions, or one for a script of the first form.
#[must_use]
pub fn tests(needs: &Needs, found: &Found, text: &str) -> Vec<TestFile> {
    let stem = plain_name(found.path.file_stem().unwrap_or_default());
    let path = quote(found.in_guest.as_str());
    let host = needs.host_script();
    let file = |area: &str, name: &str, run: &str, form: &str| {
        let script = Script {
            shown: found.shown.clone(),
            scripts: format!("RUN={}\nFORM={form}\n\n{host}\n{GUEST_SCRIPT}", quote(run)),
            files: found.files.clone(),
            skip: found.skip.clone(),
        };
        let mut header = needs.header(Body::Ktest(Arc::new(script)));
        header.arches = vec![found.arch.clone()];
        header.requires.kernel = needs.config(text);
        if !needs.words(PMEM).is_empty() {
            header.requires.devices.push("nvdimm".to_owned());
            header.requires.kernel.push("BLK_DEV_PMEM=y".to_owned());
        }
        header.host = HostFiles {
            programs: found.programs.clone(),
            modules: Vec::new(),
        };
        TestFile {
            area: area.to_owned(),
            test: name.to_owned(),
            path: found.path.clone(),
            header,
            golden: Vec::new(),
        }
    };
    match needs.form {
        Form::First => vec![file(AREA, &stem, &format!("{SHELL} {path}"), "first")],
        Form::Functions => {
            let names = found.tests.iter();
            let of_function = |name: &String| {
                let run = format!(
                    "{SHELL} {path} init; exec {SHELL} {path} run-tests {}",
                    quote(name)
                );
                file(&stem, &plain_name(name), &run, "new")
            };
            names.map(of_function).collect()
        }
    }
}

/// Where a file of a tree is in the guest.
#[must_use]
pub fn in_tree(root: &Utf8Path, file: &Utf8Path) -> Utf8PathBuf {
    Utf8Path::new(TREE).join(file.strip_prefix(root).unwrap_or(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_of_both_forms_become_headers() {
        let check = |output: &str, memory: &str, scratch: &[u64], seconds: u64| {
            let needs = Needs::parse(output).unwrap();
            let found = Found {
                path: "/t/raid.ktest".into(),
                tests: vec!["one".to_owned(), "two".to_owned()],
                arch: "a".to_owned(),
                ..Found::default()
            };
            let tests = tests(&needs, &found, "");
            let header = &tests[0].header;
            assert_eq!(header.memory.as_deref(), Some(memory));
            assert_eq!(header.scratch, scratch);
            assert_eq!(header.timeout.as_secs(), seconds);
            assert_eq!(header.arches, ["a"]);
            assert_ne!(header.smp, 0);
            tests.iter().map(TestFile::name).collect::<Vec<_>>()
        };
        let first = "REQUIRE=test-libs.sh,make-bcache\nMEM=512M\nSCRATCH=512M,2G\n";
        let names = check(first, "512M", &[512 << 20, 2 << 30], 600);
        assert_eq!(names, ["ktest::raid"]);
        let new = "ktest_mem=1024\nktest_cpus=2\nktest_timeout=60\n\
                   ktest_scratch_dev_sizes=(4G)\nktest_kernel_append=(console=hvc0 quiet)\n";
        let names = check(new, "1024M", &[1 << 20, 4 << 30], 60);
        assert_eq!(names, ["raid::one", "raid::two"]);
        check(
            "ktest_mem=64\nktest_cpus=0\nktest_timeout=0\n",
            "64M",
            &[],
            30,
        );
        let needs = Needs::parse("ktest_mem=64\nktest_qemu_append=(-device edu,id=e $x)\n");
        let found = Found {
            tests: vec!["one".to_owned()],
            ..Found::default()
        };
        let tests = tests(&needs.unwrap(), &found, "");
        let Body::Ktest(script) = &tests[0].header.body else {
            panic!("another kind");
        };
        assert!(script.scripts.contains("    qemu -device edu,id=e '$x'\n"));
        assert_eq!(Needs::parse("usage: raid [options]\n"), None);
        let mut needs = Needs::parse("ktest_mem=64\n").unwrap();
        needs.add_nvdimms(
            "config-pmem-devs 16M\n    config-pmem-devs \"1G\"\n# config-pmem-devs 2G\n",
        );
        assert_eq!(
            needs.host_script(),
            "in_host() {\n    truncate -s 16M \"$SCRATCH/pmem0\"\n    truncate -s 1024M \"$SCRATCH/pmem1\"\n    \
             qemu -object memory-backend-file,id=pmem0,share=on,mem-path=\"$SCRATCH/pmem0\",size=16M \
             -device nvdimm,memdev=pmem0 \
             -object memory-backend-file,id=pmem1,share=on,mem-path=\"$SCRATCH/pmem1\",size=1024M \
             -device nvdimm,memdev=pmem1 -machine nvdimm=on -m 64M,slots=2,maxmem=3152M\n}\n"
        );
    }

    #[test]
    fn what_kiln_cannot_do_is_named() {
        let check = |lines: &str, expect: Option<&str>| {
            let needs = Needs::parse(&format!("ktest_mem=64\n{lines}")).unwrap();
            assert_eq!(needs.unsupported("x86_64").as_deref(), expect);
        };
        check("ktest_arch=x86_64", None);
        let foreign = "needs the architecture s390x, this host is x86_64";
        check("ktest_arch=s390x", Some(foreign));
        let tools = "needs `make install` in the guest of `/t/tools`";
        check("ktest_make_install=(/t/tools)", Some(tools));
        check(
            "ktest_images=(a.img b.img)",
            Some("needs the disk image `a.img`"),
        );
        let size = "expected sizes in `ktest_scratch_dev_sizes`, found `1.5G`";
        check("ktest_scratch_dev_sizes=(4G 1.5G)", Some(size));
        let needs = Needs::parse("MEM=lots\n").unwrap();
        let size = "expected sizes in `MEM`, found `lots`";
        assert_eq!(needs.unsupported("x86_64").as_deref(), Some(size));
        check(
            "ktest_no_vm=true",
            Some("runs on the host, without a guest"),
        );
    }

    #[test]
    fn only_options_of_the_script_itself_count() {
        let needs = "ktest_mem=64\nktest_kernel_config_require=(SMP MD_RAID1 BLK=m)\n";
        let needs = Needs::parse(needs).unwrap();
        let script = "require-kernel-config MD_RAID1,BLK=m\n";
        assert_eq!(needs.config(script), ["MD_RAID1=y", "BLK=m"]);
        let needs = Needs::parse("MEM=64M\nKERNEL_CONFIG_REQUIRE=SMP,BCACHE\n").unwrap();
        assert_eq!(needs.config(""), ["SMP=y", "BCACHE=y"]);
    }

    #[test]
    fn words_of_comments_are_no_programs() {
        let script = "# uses dd\n  mkfs.ext4 \"$dev\" && fio --name=x\nreboot\n";
        let found: Vec<_> = words(script).collect();
        assert_eq!(found, ["mkfs.ext4", "dev", "fio", "x"]);
    }
}
