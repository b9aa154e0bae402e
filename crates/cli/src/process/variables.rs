//! The variables that `run` gives to the child.

use std::{collections::BTreeMap, process::Command};

use modelmesh_secrets::{Error, ErrorKind, ExposeSecret, SecretString, printable};
use modelmesh_stores::environment::variable;

use super::loader;

/// The store's own credentials: the child gets what they open, not them.
const CREDENTIALS: [&str; 3] = [variable::IDENTITY, variable::IDENTITY_FILE, variable::PASSPHRASE];

/// Variables for the child, checked: each can be set, and none makes it run other code unless that was allowed.
#[derive(Debug, Default)]
pub struct Variables {
    set: BTreeMap<String, SecretString>,
    removed: Vec<String>,
    allowed: Vec<String>,
}

impl Variables {
    /// No variables yet. `allowed` names variables that may be set although they steer a loader or an
    /// interpreter.
    pub fn allowing(allowed: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let allowed = allowed.into_iter().map(Into::into).collect();
        Variables { set: BTreeMap::new(), removed: Vec::new(), allowed }
    }

    /// Sets a variable; one set before is replaced.
    ///
    /// Fails with `InvalidConfig` if the system has no such variables (`=`, NUL or nothing in the name, NUL in
    /// the value), or if the name steers a loader or an interpreter and is not allowed. The error names the
    /// variable and never shows the value.
    pub fn set(&mut self, name: &str, value: SecretString) -> Result<(), Error> {
        check_name(name)?;
        if loader::steers(name) && !self.allowed.iter().any(|allowed| allowed == name) {
            return Err(invalid(name, "decides which code a program runs, so it is not set from a store")
                .with_help(format!("if that is meant, allow it: --allow-env {}", printable(name))));
        }
        if value.expose_secret().contains('\0') {
            return Err(invalid(name, "cannot hold its value: the value has a NUL character")
                .with_help("no variable can hold NUL; let the program read this secret from a file"));
        }
        self.set.insert(name.to_owned(), value);
        Ok(())
    }

    /// Keeps a variable of this process from the child, unless it is also [`set`](Variables::set).
    ///
    /// The store's credentials are kept from it in any case.
    pub fn remove(&mut self, name: impl Into<String>) {
        self.removed.push(name.into());
    }

    /// The values, for masking.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.set.values().map(ExposeSecret::expose_secret)
    }

    /// Writes the variables into the environment of `command`, which otherwise inherits this process's.
    pub(crate) fn apply(&self, command: &mut Command) {
        for name in CREDENTIALS.into_iter().chain(self.removed.iter().map(String::as_str)) {
            command.env_remove(name);
        }
        for (name, value) in &self.set {
            command.env(name, value.expose_secret());
        }
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let rule = match name {
        "" => "needs a name",
        _ if name.contains('=') => "cannot have '=' in its name",
        _ if name.contains('\0') => "cannot have a NUL character in its name",
        _ => return Ok(()),
    };
    Err(invalid(name, rule))
}

fn invalid(name: &str, what: &str) -> Error {
    let message = match name {
        "" => format!("a variable {what}"),
        // What stands where a name should may be `NAME=VALUE`: the part after '=' is not shown.
        _ => format!("variable '{}' {what}", name.split_once('=').map_or(name, |(head, _)| head)),
    };
    Error::new(ErrorKind::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, value: &str) -> String {
        Variables::default().set(name, value.into()).unwrap_err().to_string()
    }

    #[test]
    fn a_name_that_no_variable_can_have_is_refused() {
        assert_eq!(message("", "x"), "a variable needs a name");
        assert_eq!(message("A\0B", "x"), "variable 'A\\u{0}B' cannot have a NUL character in its name");
    }

    #[test]
    fn a_value_in_the_place_of_a_name_is_not_shown() {
        let shown = message("KEY=canary", "x");
        assert_eq!(shown, "variable 'KEY' cannot have '=' in its name");
    }

    #[test]
    fn a_value_with_nul_is_refused_by_the_name_of_its_variable() {
        let shown = message("KEY", "can\0ary");
        assert_eq!(shown, "variable 'KEY' cannot hold its value: the value has a NUL character");
    }

    #[test]
    fn a_variable_that_steers_a_loader_needs_leave_by_name() {
        assert!(message("LD_PRELOAD", "/tmp/x.so").starts_with("variable 'LD_PRELOAD' decides"));
        let mut variables = Variables::allowing(["LD_PRELOAD"]);
        variables.set("LD_PRELOAD", "/tmp/x.so".into()).unwrap();
        assert!(variables.set("NODE_OPTIONS", "-r x".into()).is_err(), "leave for one is not leave for all");
    }

    #[test]
    fn the_stores_credentials_are_kept_from_the_child_unless_asked_for() {
        let mut variables = Variables::default();
        variables.remove("VAULT_TOKEN");
        variables.set(variable::PASSPHRASE, "its own".into()).unwrap();
        let mut command = Command::new("true");
        variables.apply(&mut command);
        let changed: BTreeMap<_, _> = command.get_envs().map(|(k, v)| (k.to_str().unwrap(), v)).collect();
        assert_eq!(changed[variable::IDENTITY], None);
        assert_eq!(changed["VAULT_TOKEN"], None);
        assert_eq!(changed[variable::PASSPHRASE].unwrap(), "its own");
    }
}
