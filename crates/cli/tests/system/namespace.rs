//! Mounts that nobody else sees, and that vanish with the test.

use std::{env, path::Path, process::Command};

use crate::{project::Run as _, tools::tool};

/// Says that this process is in a mount namespace of its own already.
const INSIDE: &str = "MODELMESH_TEST_IN_MOUNT_NAMESPACE";

/// Runs `body` in a mount namespace of its own: this program is started again in one, for `test` alone.
pub(crate) fn enter<T>(test: &T, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let name = std::any::type_name_of_val(test).split_once("::").unwrap().1;
    // As root, else as root of a user namespace.
    let options =
        ["-m", "-rm"].into_iter().find(|options| unshare(options).arg("true").run(b"").status.success());
    let options =
        options.expect("the tests of mounts need the right to mount: as root, or in a user namespace");
    let mut again = unshare(options);
    again.arg(env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]).env(INSIDE, "1");
    let ran = again.run(b"").expect(0);
    assert!(ran.text().contains("1 passed"), "the test did not run: {}", ran.described());
}

fn unshare(options: &str) -> Command {
    let mut command = tool("unshare", "util-linux");
    command.arg(options).arg("--");
    command
}

/// Mounts `from` on `at`.
pub(crate) fn bind(from: &Path, at: &Path) {
    mount(&["--bind"]).arg(from).arg(at).run(b"").expect(0);
}

/// Makes what is at `folder` read-only, whoever writes.
pub(crate) fn make_read_only(folder: &Path) {
    bind(folder, folder);
    mount(&["-o", "remount,bind,ro"]).arg(folder).run(b"").expect(0);
}

/// Mounts a file system of `size` bytes on `folder`.
pub(crate) fn small_disk(folder: &Path, size: u32) {
    let options = format!("size={size},mode=700");
    mount(&["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).run(b"").expect(0);
}

fn mount(args: &[&str]) -> Command {
    let mut command = tool("mount", "mount");
    command.args(args);
    command
}
