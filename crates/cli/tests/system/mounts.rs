//! Disks that are full, read-only, or mounted over the file itself.

use std::{
    fs::{self, File},
    io::{self, Write as _},
};

use crate::{
    namespace::{bind, enter, make_read_only, small_disk},
    project::{Project, Run as _, names_in},
};

const STORES: [&str; 2] = [
    "secrets:\n  store: modelmesh.age-file.v1\n  path: disk/store\n",
    "secrets:\n  store: modelmesh.dotenv.v1\n  path: disk/store\n",
];

/// A project whose store is in a folder of its own, and holds `kept`.
fn projects() -> impl Iterator<Item = Project> {
    STORES.into_iter().map(|config| {
        let project = Project::with_config(config);
        fs::create_dir(project.path("disk")).unwrap();
        project
    })
}

#[test]
fn a_full_disk_loses_nothing_and_leaves_nothing() {
    enter(&a_full_disk_loses_nothing_and_leaves_nothing, || {
        for project in projects() {
            small_disk(&project.path("disk"), 64 << 10);
            project.set("kept", "the value");
            let before = project.read("disk/store");
            let names = names_in(&project.path("disk"));
            fill(&project);

            let mut set = project.modelmesh(&["secrets", "set", "new"]);
            set.run(&[b'x'; 8000]).expect(1).says("free some space");

            assert_eq!(project.read("disk/store"), before);
            fs::remove_file(project.path("disk/filler")).unwrap();
            assert_eq!(names_in(&project.path("disk")), names, "a temporary file was left");
            assert_eq!(project.get("kept"), "the value");
            project.set("new", "x");
            assert_eq!((project.get("kept"), project.get("new")), ("the value".into(), "x".into()));
        }
    });
}

/// Takes every byte that is left.
fn fill(project: &Project) {
    let mut filler = File::create(project.path("disk/filler")).unwrap();
    let full = loop {
        if let Err(error) = filler.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_read_only_folder_is_read_and_not_written() {
    enter(&a_read_only_folder_is_read_and_not_written, || {
        for project in projects() {
            project.set("kept", "the value");
            let before = project.read("disk/store");
            make_read_only(&project.path("disk"));
            for args in [&["secrets", "set", "new", "x"][..], &["secrets", "delete", "kept", "--yes"]] {
                project.run(args).expect(1).says("read-only");
            }
            assert_eq!(project.read("disk/store"), before);
            assert_eq!(project.get("kept"), "the value");
            assert_eq!(project.run(&["secrets", "list"]).expect(0).text(), "kept\n");
        }
    });
}

#[test]
fn everything_that_reads_works_on_a_read_only_file_system() {
    enter(&everything_that_reads_works_on_a_read_only_file_system, || {
        for project in projects() {
            let config = project.read("modelmesh.yaml");
            let config = String::from_utf8(config).unwrap() + "env:\n  KEPT: ${secrets:kept}\n";
            project.write("modelmesh.yaml", config);
            project.set("kept", "the value");
            make_read_only(&project.outside(""));
            assert_eq!(project.get("kept"), "the value");
            project.run(&["check"]).expect(0);
            let child = project.run(&["run", "--", "sh", "-c", "printf %s \"$KEPT\""]).expect(0);
            assert_eq!(child.text(), "the value");
            assert!(project.run(&["render"]).expect(0).text().contains("the value"));
        }
    });
}

#[test]
fn a_file_mounted_by_itself_is_read_and_not_written_in_place() {
    enter(&a_file_mounted_by_itself_is_read_and_not_written_in_place, || {
        for project in projects() {
            project.set("kept", "the value");
            let names = names_in(&project.path("disk"));
            let before = project.read("disk/store");
            fs::write(project.outside("mounted"), &before).unwrap();
            bind(&project.outside("mounted"), &project.path("disk/store"));

            project.run(&["secrets", "set", "new", "x"]).expect(1).says("mount its folder instead");

            assert_eq!(fs::read(project.outside("mounted")).unwrap(), before);
            assert_eq!(names_in(&project.path("disk")), names, "a temporary file was left");
            assert_eq!(project.get("kept"), "the value");
        }
    });
}
