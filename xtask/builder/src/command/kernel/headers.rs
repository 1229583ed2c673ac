//! Headers of the host that tools of the kernel's build (objtool, sign-file, extract-cert) include, by the kernel option that
//! needs them.

use host::packages;
use kernel::Config;
use xtask::context::Context;

/// Options with the header that they need.
const HEADERS: [(&str, &str); 3] = [
    ("OBJTOOL", "gelf.h"),
    ("SYSTEM_TRUSTED_KEYRING", "openssl/opensslv.h"),
    ("MODULE_SIG_FORMAT", "openssl/opensslv.h"),
];

/// After a failed build: prints which headers this host lacks. Returns the command that installs them.
pub(super) fn explain(context: &Context, config: &Config) -> Option<String> {
    let all = HEADERS.map(|(_, header)| header.to_owned());
    let missing = lacking(config, &packages::missing(&all, &context.env));
    for (option, header) in &missing {
        context.note(format!(
            "CONFIG_{option} needs the header `{header}`, which this host lacks"
        ));
    }
    let headers: Vec<String> = missing.iter().map(|it| it.1.to_owned()).collect();
    let facts = packages::gather(&headers, &context.env).ok()?;
    let setup = packages::plan_setup(&headers, &facts);
    setup.install.first().map(ToString::to_string)
}

/// The options of a config with a missing header.
fn lacking(config: &Config, missing: &[String]) -> Vec<(&'static str, &'static str)> {
    let enabled = HEADERS
        .into_iter()
        .filter(|(option, _)| config.value(option) == "y");
    enabled
        .filter(|(_, header)| missing.iter().any(|name| name == header))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_of_enabled_options_are_lacking() {
        let check = |config: &str, missing: &[&str], expect: &[&str]| {
            let missing: Vec<String> = missing.iter().map(|&name| name.to_owned()).collect();
            let found = lacking(&Config::parse(config), &missing);
            let found: Vec<&str> = found.into_iter().map(|it| it.0).collect();
            assert_eq!(found, expect, "{config} {missing:?}");
        };
        let both = ["gelf.h", "openssl/opensslv.h"];
        check("CONFIG_OBJTOOL=y\n", &both, &["OBJTOOL"]);
        check("CONFIG_OBJTOOL=y\n", &both[1..], &[]);
        check("# CONFIG_OBJTOOL is not set\n", &both, &[]);
        let signed = "CONFIG_MODULE_SIG_FORMAT=y\nCONFIG_OBJTOOL=y\n";
        check(signed, &both, &["OBJTOOL", "MODULE_SIG_FORMAT"]);
    }

    #[test]
    fn packages_of_all_headers_are_known() {
        let facts = packages::Facts {
            manager: Some(packages::Manager::Dnf),
            root: true,
            ..packages::Facts::default()
        };
        let all = HEADERS.map(|(_, header)| header.to_owned());
        let install = packages::plan_setup(&all, &facts).install[0].clone();
        let command = install.to_string();
        assert!(command.contains("elfutils-libelf-devel"), "{command}");
        assert!(command.contains("openssl-devel"), "{command}");
    }
}
