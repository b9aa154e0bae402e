//! Fuzzing of the parsers that read hostile input: `crates/invariants`, under libFuzzer.

use std::fs;

use crate::steps::{Outcome, output, root, step, words};

/// What one fuzzer may take: hostile input is short, and must be read in no time and in little memory.
const LIMITS: [&str; 5] = [
    "-max_len=4096",
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-malloc_limit_mb=256",
    "-entropic_scale_per_exec_time=1",
];

const DEFAULT_MINUTES: u32 = 5;

const USAGE: &str = "usage: cargo xtask fuzz [reference|dotenv|encrypted_file|configuration] [--minutes N]";

/// Fuzzes the target that `arguments` name, or each in turn.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Outcome {
    let (target, minutes) = read(arguments)?;
    let known = targets()?;
    let targets = match target {
        None => known,
        Some(target) if known.contains(&target) => vec![target],
        Some(target) => return Err(format!("there is no target '{target}'\n{USAGE}")),
    };
    check_tools()?;
    for target in &targets {
        fuzz(target, minutes)?;
    }
    println!("\nnothing was found");
    Ok(())
}

fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<(Option<String>, u32)> {
    let (mut target, mut minutes) = (None, DEFAULT_MINUTES);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--minutes" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                minutes = number.filter(|minutes| *minutes > 0).ok_or(USAGE)?;
            }
            name if target.is_none() && !name.starts_with('-') => target = Some(argument),
            _ => return Err(USAGE.into()),
        }
    }
    Ok((target, minutes))
}

/// The names of the targets: each has a file.
fn targets() -> Outcome<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut names: Vec<String> =
        paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Says what is missing. A toolchain is no thing to install behind somebody's back.
fn check_tools() -> Outcome {
    let needed = [
        ("cargo +nightly --version", "a nightly toolchain: 'rustup toolchain install nightly'"),
        ("cargo +nightly fuzz --version", "cargo-fuzz: 'cargo install cargo-fuzz --locked'"),
    ];
    let missing: Vec<&str> = needed
        .into_iter()
        .filter(|(command, _)| output(&mut words(command)).is_err())
        .map(|(_, what)| what)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("fuzzing needs {}", missing.join(", and "))) }
}

/// What is found on the way goes to a folder of its own, so that the corpus stays what somebody chose to keep.
fn fuzz(target: &str, minutes: u32) -> Outcome {
    let found = format!("target/fuzz/{target}");
    fs::create_dir_all(root().join(&found)).map_err(|error| format!("{found}: {error}"))?;
    let kept = ["corpus", "regressions"].map(|folder| format!("fuzz/{folder}/{target}"));
    let kept = kept.into_iter().filter(|folder| root().join(folder).exists());

    let mut command = words("cargo +nightly fuzz run");
    command.arg(target).arg(found).args(kept).arg("--").args(LIMITS);
    command.arg(format!("-dict=fuzz/dictionaries/{target}.dict"));
    command.arg(format!("-max_total_time={}", u64::from(minutes) * 60));
    step(&format!("fuzz {target} for {minutes} min"), &mut command).map_err(|why| {
        format!("{why}: the input is in fuzz/artifacts/{target}; CONTRIBUTING.md says what to do with it")
    })
}
