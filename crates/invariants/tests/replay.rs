//! Every input that fuzzing has kept: the corpus, which reaches all that was ever reached, and what once failed.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use modelmesh_invariants::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Version control keeps no empty folder, so a target in which nothing was found has none.
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => panic!("{}: {error}", folder.display()),
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Runs `target` on its files under `fuzz/`, and reports every one that fails.
#[track_caller]
fn replay(target: &str) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let mut inputs = files(&fuzz().join("corpus").join(target));
    assert!(!inputs.is_empty(), "a corpus of nothing proves nothing");
    inputs.extend(files(&fuzz().join("regressions").join(target)));
    inputs.retain(|file| {
        let input = fs::read(file).unwrap();
        catch_unwind(|| run(&input)).is_err()
    });
    let failed = inputs;
    assert!(failed.is_empty(), "these fail, each for the reason above: {failed:#?}");
}

#[test]
fn every_kept_reference_is_harmless() {
    replay("reference");
}

#[test]
fn every_kept_dotenv_text_is_harmless() {
    replay("dotenv");
}

#[test]
fn every_kept_encrypted_file_is_harmless() {
    replay("encrypted_file");
}

#[test]
fn every_kept_configuration_is_harmless() {
    replay("configuration");
}

#[test]
fn every_target_has_a_fuzzer_and_every_kept_folder_a_target() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        let stem = |file: PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
        files(&fuzz().join(folder)).into_iter().map(stem).collect()
    };
    for folder in ["fuzz_targets", "dictionaries", "corpus"] {
        assert_eq!(names(folder), targets, "{folder}");
    }
    assert!(names("regressions").is_subset(&targets), "nothing replays {:?}", names("regressions"));
}
