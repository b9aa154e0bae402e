//! The main job, from nothing: a configuration of three providers, its keys in the embedded store, a program
//! that gets them.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::steps::{Outcome, root, step, words};

/// Keys as a person would type them. They open nothing.
const KEYS: [(&str, &str); 3] = [
    ("openai-key", "sk-demo-openai-0123456789"),
    ("anthropic-key", "sk-ant-demo-0123456789"),
    ("google-key", "AIza-demo-0123456789"),
];

pub(crate) fn run() -> Outcome {
    step("build the command", &mut words("cargo build --locked -p modelmesh-cli"))?;
    let folder = root().join("target/demo");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    copy(&root().join("examples/quickstart"), &folder)?;
    let demo = Demo { program: root().join("target/debug/modelmesh"), folder };
    demo.show("init", None)?;
    for (name, key) in KEYS {
        demo.show(&format!("secrets set {name}"), Some(key))?;
    }
    demo.show("secrets list", None)?;
    demo.show("check", None)?;
    demo.show("run -- ./app.sh", None)?;
    println!("\nThe files are in {}.", demo.folder.display());
    Ok(())
}

struct Demo {
    program: PathBuf,
    folder: PathBuf,
}

impl Demo {
    /// Runs `modelmesh` with these words, shown as a person would type them.
    fn show(&self, line: &str, input: Option<&str>) -> Outcome {
        println!("\n$ modelmesh {line}{}", if input.is_some() { "   (the key is piped in)" } else { "" });
        let mut command = Command::new(&self.program);
        command.args(line.split(' ')).current_dir(&self.folder).stdin(Stdio::piped());
        // An identity of the demonstration's own, so that the user's is neither needed nor touched.
        command.env("XDG_CONFIG_HOME", self.folder.join("config"));
        for variable in
            ["MODELMESH_CONFIG", "MODELMESH_IDENTITY", "MODELMESH_IDENTITY_FILE", "MODELMESH_PASSPHRASE"]
        {
            command.env_remove(variable);
        }
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("modelmesh {line}: {status}")) }
    }
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed)?;
        }
    }
    Ok(())
}
