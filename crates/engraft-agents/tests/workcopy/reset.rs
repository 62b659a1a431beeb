//! A reset undoes whatever a command did, however well it hid it, and writes only what was touched.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use engraft_agents::WorkCopy;

use crate::{everything, folder, put, repository};

fn python(folder: &Path, script: &str) {
    let output = Command::new("python3")
        .current_dir(folder)
        .args(["-c", script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Two files and a folder, reset once so that the first run is nothing special.
fn copied() -> (tempfile::TempDir, WorkCopy) {
    let user = repository(&[("a.py", "x = 1\n"), ("sub/b.py", "y = 2\n")]);
    let copy = WorkCopy::of(user.path()).unwrap();
    copy.reset().unwrap();
    (user, copy)
}

#[test]
fn a_change_that_hides_behind_size_and_times_is_undone() {
    let (_user, copy) = copied();
    let before = everything(copy.folder());
    let hidden = [
        // Written in place, times set back.
        "import os\ns = os.stat('a.py')\nopen('a.py', 'w').write('x = 6\\n')\n\
         os.utime('a.py', ns=(s.st_atime_ns, s.st_mtime_ns))",
        // Written through a mapping.
        "import mmap, os\ns = os.stat('a.py')\nf = open('a.py', 'r+b')\nm = mmap.mmap(f.fileno(), 6)\n\
         m[0]\nm[4:5] = b'6'\nm.close()\nos.utime('a.py', ns=(s.st_atime_ns, s.st_mtime_ns))",
        // Another file in its place, with its times.
        "import os\ns = os.stat('a.py')\nopen('z', 'w').write('x = 6\\n')\nos.rename('z', 'a.py')\n\
         os.utime('a.py', ns=(s.st_atime_ns, s.st_mtime_ns))",
        // Two files that change places.
        "import os\nos.rename('a.py', 'z')\nos.rename('sub/b.py', 'a.py')\nos.rename('z', 'sub/b.py')",
        // A second name for the file, written to.
        "import os\nos.link('a.py', 'z')\ns = os.stat('z')\nopen('z', 'r+').write('x = 6\\n')\n\
         os.utime('z', ns=(s.st_atime_ns, s.st_mtime_ns))",
    ];
    for script in hidden {
        let size = fs::metadata(copy.folder().join("a.py")).unwrap().len();
        python(copy.folder(), script);
        assert_ne!(everything(copy.folder()), before, "{script}");
        assert_eq!(
            fs::metadata(copy.folder().join("a.py")).unwrap().len(),
            size
        );
        copy.reset().unwrap();
        assert_eq!(everything(copy.folder()), before, "{script}");
    }
}

#[test]
fn a_write_right_after_a_reset_is_undone_every_time() {
    let (_user, copy) = copied();
    let path = copy.folder().join("a.py");
    for _ in 0..200 {
        let times = fs::metadata(&path).unwrap().modified().unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"x = 6\n", 0).unwrap();
        file.set_modified(times).unwrap();
        copy.reset().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "x = 1\n");
    }
}

#[test]
fn what_was_not_touched_is_not_written_again() {
    let (_user, copy) = copied();
    let inode = |name: &str| fs::metadata(copy.folder().join(name)).unwrap().ino();
    let untouched = inode("sub/b.py");
    put(copy.folder(), "a.py", "x = 6\n");
    put(copy.folder(), "sub/__pycache__/b.pyc", "compiled");
    copy.reset().unwrap();
    assert_eq!(inode("sub/b.py"), untouched);
    assert!(!copy.folder().join("sub/__pycache__").exists());
    // The one that was written anew is known again.
    let anew = inode("a.py");
    copy.reset().unwrap();
    assert_eq!(inode("a.py"), anew);
}

#[test]
fn files_folders_and_links_that_became_something_else_are_put_back() {
    let (_user, copy) = copied();
    let before = everything(copy.folder());
    let outside = folder(&[("b.py", "y = 2\n"), ("kept", "kept")]);
    let scripts = [
        "import os\nos.remove('a.py')\nos.mkdir('a.py')\nopen('a.py/in', 'w')".to_owned(),
        "import os\nos.remove('a.py')\nos.mkfifo('a.py')".to_owned(),
        "import shutil\nshutil.rmtree('sub')\nopen('sub', 'w')".to_owned(),
        format!(
            "import os, shutil\nshutil.rmtree('sub')\nos.symlink({:?}, 'sub')",
            outside.path()
        ),
        "import os, shutil\nshutil.rmtree('.git')\nos.symlink('sub', '.git')".to_owned(),
        "import os\nos.mkdir('.git/hooks')\nopen('.git/config', 'w')".to_owned(),
        "import os\nos.chmod('a.py', 0)\nos.chmod('sub', 0)".to_owned(),
        "import os\nos.chmod('a.py', 0o4777)".to_owned(),
    ];
    for script in scripts {
        python(copy.folder(), &script);
        copy.reset().unwrap();
        assert_eq!(everything(copy.folder()), before, "{script}");
        assert!(copy.folder().join(".git").is_dir());
        let mode = |name: &str| {
            fs::metadata(copy.folder().join(name))
                .unwrap()
                .permissions()
        };
        assert_eq!(mode("a.py").mode() & 0o7777, 0o644, "{script}");
        assert_ne!(mode("sub").mode() & 0o700, 0, "{script}");
    }
    assert_eq!(everything(outside.path()).len(), 2);
}

#[test]
fn a_folder_deeper_than_any_path_may_be_is_removed() {
    let (_user, copy) = copied();
    let before = everything(copy.folder());
    let script = "import os\nfor _ in range(3000):\n    os.mkdir('deep')\n    os.chdir('deep')\nopen('file', 'w')";
    python(copy.folder(), script);
    copy.reset().unwrap();
    assert_eq!(everything(copy.folder()), before);
}

#[test]
fn the_fork_of_a_changed_copy_goes_back_to_the_base_too() {
    let (_user, copy) = copied();
    let before = fs::read_to_string(copy.folder().join("a.py")).unwrap();
    copy.write(Path::new("a.py"), "x = 6\n").unwrap();
    put(copy.folder(), "new.py", "");
    let fork = copy.fork().unwrap();
    fork.reset().unwrap();
    assert_eq!(fork.read(Path::new("a.py")).unwrap(), before);
    assert!(!fork.folder().join("new.py").exists());
    assert_eq!(copy.read(Path::new("a.py")).unwrap(), "x = 6\n");
}

#[test]
fn a_file_that_only_its_owner_may_read_can_be_written_after_a_reset() {
    let user = folder(&[("a.py", "x = 1\n")]);
    let path = user.path().join("a.py");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let copy = WorkCopy::of(user.path()).unwrap();
    copy.reset().unwrap();
    let mode = fs::metadata(copy.folder().join("a.py")).unwrap().mode();
    assert_eq!(mode & 0o600, 0o600);
    copy.write(Path::new("a.py"), "x = 2\n").unwrap();
    drop(copy);
    assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o444);
}

/// On tmpfs no clock can be trusted; there the same is held to, by other means.
#[test]
fn all_of_this_holds_in_memory_too() {
    const HERE: &str = "RESETS_IN_MEMORY";
    let memory = Path::new("/dev/shm");
    if std::env::var_os(HERE).is_some() || !memory.is_dir() {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("reset::")
        .env(HERE, "")
        .env("TMPDIR", memory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
