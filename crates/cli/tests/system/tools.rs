//! Programs that are not ours.

use std::{env, ffi::OsStr, path::Path, process::Command};

use crate::project::{Ran, Run as _};

/// The program `name`, which the package `package` brings.
pub(crate) fn tool(name: &str, package: &str) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    Command::new(found.unwrap_or_else(|| panic!("no program '{name}': install the package '{package}'")))
}

/// Makes an age identity, and returns its public key.
pub(crate) fn age_keygen(identity: &Path) -> String {
    std::fs::create_dir_all(identity.parent().unwrap()).unwrap();
    tool("age-keygen", "age").arg("-o").arg(identity).run(b"").expect(0);
    let public = tool("age-keygen", "age").arg("-y").arg(identity).run(b"").expect(0);
    public.text().trim().to_owned()
}

/// Runs a Python script with arguments.
pub(crate) fn python<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> Ran {
    python_fed(script, args, b"")
}

/// Runs a Python script with arguments, and `input` on its standard input.
pub(crate) fn python_fed<A: AsRef<OsStr>>(
    script: &str,
    args: impl IntoIterator<Item = A>,
    input: &[u8],
) -> Ran {
    let interpreter = env::var_os("MODELMESH_TEST_PYTHON").expect(
        "MODELMESH_TEST_PYTHON names the python of a virtual environment with the packages \
         'modelmesh-lite==0.1.1', 'cryptography' and 'PyYAML'",
    );
    let mut command = Command::new(interpreter);
    command.arg("-c").arg(script).args(args);
    command.run(input)
}
