//! The examples at the end of `--help`. A test checks that every command and option in them exists.

/// Of `cargo xtask` itself.
pub(super) const OVERVIEW: &str = "\
Examples:
  cargo xtask setup                  List missing host tools
  cargo xtask test boot              Boot the images
  cargo xtask test --qemu ~/qemu/build virtio
                                     Test your QEMU with the virtio tests
  cargo xtask images --from-source   Build the images from source";

/// Of `test`.
pub(super) const TEST: &str = "\
Examples:
  cargo xtask test --qemu ~/qemu/build
      Run every test with your QEMU
  cargo xtask test --arch ppc64 block::nvme
      Run one test on one architecture
  cargo xtask test -E 'group(hotplug) and not arch(ppc64)'
      Run the tests that an expression selects
  cargo xtask test --rerun latest
      Run the tests that failed in the last run
  cargo xtask test block::nvme --repeat 20 -j 2
      Run a test 20 times, with another seed each time
  cargo xtask test block::nvme --arch x86_64 --shell-on-fail
      Open a shell in the guest if the test fails
  cargo xtask test --compare-qemu ~/qemu/old ~/qemu/new
      Report which tests differ between two builds of QEMU
  cargo xtask test --kernel ~/linux net
      Run tests with the kernel of a build tree";

/// Of `report`.
pub(super) const REPORT: &str = "\
Examples:
  cargo xtask report
      Print the last run again
  cargo xtask report 12 --format html --output run.html
      Write run 12 as a page for a browser
  cargo xtask report --merge parts --output merged
      Merge the runs of several machines into a directory";

/// Of `qtest`.
pub(super) const QTEST: &str = "\
Examples:
  cargo xtask qtest replay reproducer.txt --qemu ~/qemu/build
      Send the commands of a bug report to your QEMU
  cargo xtask qtest replay crash.qtest --expect assert
      Expect an assertion to fail
  cargo xtask qtest minimize reproducer.txt --output short.qtest
      Shorten the commands that crash QEMU
  cargo xtask qtest export target/kiln/runs/1/x86_64/edu/raises-interrupt-by-pin@q35/qtest.log
      Print the commands of a device test as a shell script
  cargo xtask qtest fuzz --device e1000e --for 10m --seed 7
      Generate traffic for a device";

/// Of `boot`.
pub(super) const BOOT: &str = "\
Examples:
  cargo xtask boot --arch x86_64
      Open a shell in a guest
  cargo xtask boot --arch ppc64 -- -device nec-usb-xhci
      Add a device
  cargo xtask boot --arch aarch64 --gdb --qemu ~/qemu/build
      Debug the kernel from its first instruction";

/// Of `shell`, `monitor` and `gdb`.
pub(super) const ATTACH: &str = "\
Examples:
  cargo xtask test --shell --arch x86_64 timer::watchdog
      Run a test whose guest offers a shell
  cargo xtask shell
      Open a shell in the only running guest
  cargo xtask monitor timer::watchdog
      Talk to the monitor of QEMU for the guest of a test
  cargo xtask gdb 12.3
      Debug the kernel of the third guest of run 12";

/// Of `images`.
pub(super) const IMAGES: &str = "\
Examples:
  cargo xtask images --plan
      Print what would be downloaded and built, and why
  cargo xtask images --arch ppc64 --from-source
      Build an image from source
  cargo xtask images --from-source --verify
      Rebuild every image and compare it with images.lock";

/// Of `repro`.
pub(super) const REPRO: &str = "\
Examples:
  cargo xtask repro --arch aarch64
      Build an image twice and compare
  cargo xtask repro --arch aarch64 --step busybox
      Build one step twice from the same inputs
  cargo xtask repro --arch aarch64 --root /srv/trixie --keep
      Build the second time with the tools of another system";

/// Of `kernel`.
pub(super) const KERNEL: &str = "\
Examples:
  cargo xtask kernel build --src ~/linux --arch x86_64
      Build a kernel with the options of Kiln's own
  cargo xtask kernel build --src ~/linux --arch x86_64 --config kasan.config
      Add the options of a fragment
  cargo xtask kernel config --src ~/linux --arch x86_64
      Change the config in menuconfig, for later builds
  cargo xtask test --kernel target/kiln/kernel/linux-x86_64 net
      Run tests with the kernel that was built";

/// Of `store`.
pub(super) const STORE: &str = "\
Examples:
  cargo xtask store list
      List the entries and the checkouts that need them
  cargo xtask store gc --older-than 7 --yes
      Remove entries that no checkout needs, unused for a week
  cargo xtask store verify --repair
      Check every entry and replace corrupt ones
  cargo xtask store export kiln.tar
      Write everything to an archive for a machine without a network";

/// Of `publish`.
pub(super) const PUBLISH: &str = "\
Examples:
  cargo xtask publish --to out --dry-run
      Print what would be published
  cargo xtask publish --to out --sign minisign.key
      Write a signed release to a directory
  cargo xtask publish --to s3://bucket/kiln --sign minisign.key
      Publish to S3 with the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// Of `mutants`.
pub(super) const MUTANTS: &str = "\
Examples:
  cargo xtask mutants --qemu-src ~/qemu --arch x86_64
      Try every mutant on one architecture
  cargo xtask mutants --qemu-src ~/qemu --area block nvme
      Try the mutants of one area with `nvme` in their name";

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    /// Splits a command like a shell and removes a comment and a redirection.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" #").next().unwrap_or_default();
        let line = line.split(" > ").next().unwrap_or_default();
        let line = line.trim_end_matches('\\');
        let parts = line.split('\'').enumerate();
        let words = parts.flat_map(|(at, part)| match at % 2 {
            1 => vec![part.to_owned()],
            _ => part.split_whitespace().map(str::to_owned).collect(),
        });
        words.collect()
    }

    fn assert_parses(origin: &str, command: &str) {
        let line = words(command);
        let parsed = Cli::try_parse_from(std::iter::once("xtask".to_owned()).chain(line));
        let is_help = |error: &clap::Error| error.kind() == clap::error::ErrorKind::DisplayHelp;
        if let Err(error) = parsed
            && !is_help(&error)
        {
            panic!("{origin}: `cargo xtask {command}`: {error}");
        }
    }

    #[test]
    fn examples_parse() {
        for text in [
            OVERVIEW, TEST, REPORT, BOOT, ATTACH, IMAGES, REPRO, STORE, PUBLISH,
        ] {
            for line in text
                .lines()
                .filter_map(|line| line.strip_prefix("  cargo xtask "))
            {
                // The overview contains descriptions after the commands.
                let command = line.split("   ").next().unwrap();
                assert_parses("--help", command);
            }
        }
    }

    #[test]
    fn commands_in_the_pages_parse() {
        let root = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let guides = fs_err::read_dir(root.join("docs")).unwrap();
        let guides = guides.map(|entry| entry.unwrap().path());
        let pages = ["README.md", "CONTRIBUTING.md", "guest-tests/README.md"];
        let pages = pages.map(|page| root.join(page).into_std_path_buf());
        let mut parsed = 0;
        for page in pages.into_iter().chain(guides) {
            let text = fs_err::read_to_string(&page).unwrap();
            for command in text
                .lines()
                .filter_map(|line| line.strip_prefix("$ cargo xtask "))
            {
                assert_parses(&page.display().to_string(), command);
                parsed += 1;
            }
        }
        assert!(parsed > 20, "{parsed} commands");
    }
}
