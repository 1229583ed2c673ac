use plan::source::Patch;
use proptest::prelude::*;

use super::*;

fn patched(files: Tar, text: &str) -> Result<Home, PatchError> {
    let home = unpacked(files);
    let times = Times::new(TIME);
    let patch = Patch {
        path: "recipes/x/patches/1.patch".into(),
        text: text.to_owned(),
    };
    patch::apply(&home.path.join("root"), &patch, &times).map(|()| home)
}

fn check_patch(files: Tar, text: &str, expected: &str) {
    let error = patched(files, text).err().unwrap().to_string();
    assert_eq!(error, format!("`recipes/x/patches/1.patch`{expected}"));
}

fn three() -> Tar {
    tar().file("top/x", "one\ntwo\nthree\n")
}

#[test]
fn wrong_context_names_file_and_hunk_and_line() {
    let second = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-one\n+1\n@@ -3 +3 @@\n-four\n+4\n";
    let expected = ": hunk 2 of `x` does not apply: expected `four` in line 3, found `three`";
    check_patch(three(), second, expected);
    let beyond = "--- a/x\n+++ b/x\n@@ -3,2 +3 @@\n three\n-four\n";
    let expected =
        ": hunk 1 of `x` does not apply: expected `four` in line 4, the file ends before";
    check_patch(three(), beyond, expected);
}

#[test]
fn fuzz_and_offsets_are_refused() {
    let fuzzy = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n drei\n";
    let expected = ": hunk 1 of `x` does not apply: expected `drei` in line 3, found `three`";
    check_patch(three(), fuzzy, expected);
    let shifted = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-two\n+2\n three\n";
    let error = patched(three(), shifted).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("expected `two` in line 1, found `one`"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("matches at line 2"));
}

#[test]
fn patches_add_change_and_remove_files() {
    let text = "\
diff --git a/x b/x
--- a/x\t2024-01-01
+++ b/x\t2024-01-02
@@ -0,0 +1 @@
+zero
@@ -3 +4,0 @@
-three
diff --git a/run b/run
new file mode 100755
--- /dev/null
+++ b/run
@@ -0,0 +1,2 @@
+#!/bin/sh
+-- no header
\\ No newline at end of file
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1,2 +0,0 @@
--- sql comment
-last
--\u{20}
2.39.5
";
    let home = patched(three().file("top/gone", "-- sql comment\nlast\n"), text).unwrap();
    assert_eq!(home.read("x"), "zero\none\ntwo\n");
    assert_eq!(home.read("run"), "#!/bin/sh\n-- no header");
    assert_eq!((home.mode("run"), home.mode("x")), (0o755, 0o644));
    assert!(!home.path.join("root/gone").exists());
}

#[test]
fn patches_stay_in_the_tree() {
    let to = |name: &str| format!("--- /dev/null\n+++ {name}\n@@ -0,0 +1 @@\n+x\n");
    check_patch(
        three(),
        &to("b/../../x"),
        ": `b/../../x` has `..` in its name",
    );
    check_patch(three(), &to("/etc/x"), ": `/etc/x` has an absolute name");
    let linked = three().dir("top/d").link("top/l", "d");
    check_patch(
        linked,
        &to("b/l/x"),
        ": `l/x` is behind the symbolic link `l`",
    );
    check_patch(three(), &to("b/x"), ": `x` already exists");
    let absent = "--- a/y\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n";
    check_patch(three(), absent, ": `y` does not exist");
}

#[test]
fn malformed_patch_is_refused() {
    check_patch(three(), "just words\n", ": it changes nothing");
    check_patch(
        three(),
        "@@ -1 +1 @@\n-a\n+b\n",
        ": a hunk precedes every file header",
    );
    let renamed = "diff --git a/x b/y\nrename from x\nrename to y\n";
    check_patch(three(), renamed, ": `rename from x` is not supported");
    let short = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\n";
    let expected =
        ": `@@ -1,3 +1,3 @@` is not a valid hunk header, or the hunk has a different length";
    check_patch(three(), short, expected);
}

proptest! {
    // Each case unpacks an archive.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The diff of two files turns the one into the other.
    #[test]
    fn patch_reproduces_its_target_file(
        old in "([a-c-]{0,3}\n){0,12}", new in "([a-c+]{0,3}\n){0,12}",
    ) {
        prop_assume!(old != new);
        let text = diffy::create_patch(&old, &new).to_string();
        let text = text.replacen("--- original", "--- a/x", 1).replacen("+++ modified", "+++ b/x", 1);
        let home = patched(tar().file("top/x", &old), &text).unwrap();
        prop_assert_eq!(home.read("x"), new);
    }
}
