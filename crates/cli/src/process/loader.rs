//! Variables that decide which code a program runs.
//!
//! Whoever can change a secret's value must not thereby be able to run code: a store is often writable by more
//! people than the machine that reads it.

/// Variables that make a loader, an interpreter, a shell or a common tool run other code. `*` ends a prefix.
const STEERING: &[&str] = &[
    // The dynamic loaders of Linux, the BSDs, macOS, AIX; the C library.
    "LD_*",
    "DYLD_*",
    "LIBPATH",
    "SHLIB_PATH",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "LOCPATH",
    "MALLOC_TRACE",
    "NLSPATH",
    "RESOLV_HOST_CONF",
    "_RLD*",
    // Where programs are found.
    "PATH",
    "PATHEXT",
    "COMSPEC",
    // Shells.
    "BASH_ENV",
    "BASH_FUNC_*",
    "BASHOPTS",
    "CDPATH",
    "ENV",
    "FPATH",
    "GLOBIGNORE",
    "IFS",
    "PROMPT_COMMAND",
    "PS4",
    "SHELL",
    "SHELLOPTS",
    "ZDOTDIR",
    // Interpreters and virtual machines.
    "CLASSPATH",
    "CORECLR_*",
    "COR_*",
    "COMPLUS_*",
    "DOTNET_ADDITIONAL_DEPS",
    "DOTNET_SHARED_STORE",
    "DOTNET_STARTUP_HOOKS",
    "ELECTRON_RUN_AS_NODE",
    "ERL_AFLAGS",
    "ERL_FLAGS",
    "ERL_LIBS",
    "ERL_ZFLAGS",
    "GEM_HOME",
    "GEM_PATH",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LUA_CPATH*",
    "LUA_INIT*",
    "LUA_PATH*",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_REPL_EXTERNAL_MODULE",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PYTHONBREAKPOINT",
    "PYTHONCASEOK",
    "PYTHONEXECUTABLE",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
    "RUBYLIB",
    "RUBYOPT",
    "RUBYPATH",
    "BUNDLE_GEMFILE",
    "R_ENVIRON*",
    "R_PROFILE*",
    "TCLLIBPATH",
    "_JAVA_OPTIONS",
    // Tools that start a program that a variable names.
    "BROWSER",
    "CARGO_BUILD_RUSTC*",
    "EDITOR",
    "GIT_ASKPASS",
    "GIT_CONFIG*",
    "GIT_EDITOR",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_TEMPLATE_DIR",
    "LESSCLOSE",
    "LESSOPEN",
    "MAKEFLAGS",
    "MANPAGER",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PAGER",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
    "VISUAL",
    "npm_config_*",
];

/// Whether the variable decides which code a program runs.
pub(super) fn steers(name: &str) -> bool {
    // On Windows PATH and Path are one variable.
    let same = |a: &str, b: &str| if cfg!(windows) { a.eq_ignore_ascii_case(b) } else { a == b };
    STEERING.iter().any(|entry| match entry.strip_suffix('*') {
        Some(prefix) => name.get(..prefix.len()).is_some_and(|head| same(head, prefix)),
        None => same(name, entry),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_interpreters_and_shells_are_steered_by_these() {
        for name in ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "NODE_OPTIONS", "PYTHONPATH", "BASH_ENV", "PATH"]
        {
            assert!(steers(name), "{name}");
        }
    }

    #[test]
    fn settings_of_applications_are_not() {
        for name in
            ["OPENAI_API_KEY", "DATABASE_URL", "LDAP_PASSWORD", "ENVIRONMENT", "PATHS", "GIT_TOKEN", ""]
        {
            assert!(!steers(name), "{name}");
        }
    }
}
